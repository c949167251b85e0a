"""What is mounted on this machine, without ever touching it: asking a dead mount may wait for ever."""

import ctypes
import fcntl
import os
import re
import subprocess
from pathlib import Path

from .plan import ROOT

MNT_DETACH = 2
libc = ctypes.CDLL(None, use_errno=True)


def mounted() -> list[tuple[Path, str]]:
    """Where, and what: of rclone's mounts ``remote:path``."""
    with open("/proc/self/mountinfo", "rb") as file:
        lines = [[plain(word) for word in line.split()] for line in file]
    return [(Path(words[4]), words[words.index("-") + 2]) for words in lines]


def plain(word: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", octal, word))


def mounts_below(root: Path) -> list[Path]:
    return [point for point, _source in mounted() if root in point.parents]


def octal(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8)])


def is_mounted(folder: Path) -> bool:
    """Without touching it: asking a dead mount may wait for ever."""
    return folder in mounts_below(folder.parent)


def detach(folder: Path, *, lazily: bool = True) -> None:
    while is_mounted(folder):
        if ROOT:
            failed = libc.umount2(os.fsencode(folder), MNT_DETACH if lazily else 0)
        else:
            failed = subprocess.run(["fusermount3", "-uz" if lazily else "-u", folder], check=False).returncode
        if failed:
            return


def sweep(root: Path) -> None:
    """Take away the mounts of jobs that nobody looks after any more."""
    for folder in mounts_below(root):
        job = folder.relative_to(root).parts[0]
        try:
            with open(root / ".state" / job / "lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                detach(folder)
        except FileNotFoundError:
            detach(folder)
        except BlockingIOError:
            continue
