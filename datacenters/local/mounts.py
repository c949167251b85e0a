"""What jobs have mounted below the mounts' root, without ever touching it: asking a dead mount may wait for ever."""

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .removal import remove

MNT_DETACH = 2
STATE = ".state"  # of the tasks that attach storages, a folder a job
libc = ctypes.CDLL(None, use_errno=True)


def mounted_below(root: Path) -> Iterator[Path]:
    """The innermost first."""
    with open("/proc/self/mountinfo", "rb") as file:
        points = [os.fsdecode(re.sub(rb"\\([0-7]{3})", _octal, line.split()[4])) for line in file]
    return (Path(point) for point in reversed(points) if point.startswith(f"{root}/"))


def _octal(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8)])


def detach_all_but(root: Path, jobs: set[str]) -> list[Path]:
    """Take away what is mounted for jobs that do not run; what was written there and is not stored yet lies in
    the job's cache, and is stored when the job starts again."""
    strays = [point for point in mounted_below(root) if point.relative_to(root).parts[0] not in jobs]
    for point in strays:
        _detach(point)
    return strays


def _detach(point: Path) -> None:
    """Lazily: whoever still uses it gets errors, and nobody waits."""
    if os.getuid() == 0:
        libc.umount2(os.fsencode(point), MNT_DETACH)
    else:
        subprocess.run(["fusermount3", "-uz", point], check=False, stderr=subprocess.DEVNULL)


def forget(root: Path, job: str) -> list[str]:
    """Delete what was kept of a job's storages, never through a mount; what had to stay is named."""
    shutil.rmtree(root / STATE / job, ignore_errors=True)
    return remove(root / job)
