"""Landlock (kernel.org, userspace-api/landlock): what this process, and all it starts, may reach of the file system.

For a server that opens paths which its clients choose. It narrows root, too, and is never taken back.
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

PR_SET_NO_NEW_PRIVS = 38
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
ASK_VERSION, PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << bit for bit in range(4))
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
LOOK = EXECUTE | READ_FILE | READ_DIR
# How many rights each version of the interface knows; later ones add none for files.
KNOWN_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
NEWEST_RIGHTS = 16


class NoSandbox(Exception):
    """This kernel has no Landlock, or it is switched off."""


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("parent", ctypes.c_int32)]


libc = ctypes.CDLL(None, use_errno=True)


def restrict(*, readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """From here on nothing else can be opened, made or removed. What is missing is left out. Raises NoSandbox."""
    everything = (1 << KNOWN_RIGHTS.get(version(), NEWEST_RIGHTS)) - 1
    wanted = _Ruleset(everything)
    ruleset = _call(CREATE_RULESET, ctypes.byref(wanted), ctypes.sizeof(wanted), 0)
    try:
        for paths, rights in ((readable, LOOK), (writable, everything)):
            for path in paths:
                _allow(ruleset, path, rights & everything)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def version() -> int:
    """Of the kernel's interface. Raises NoSandbox."""
    found = int(libc.syscall(CREATE_RULESET, None, 0, ASK_VERSION))
    if found < 1:
        raise NoSandbox(os.strerror(ctypes.get_errno()))
    return found


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        rule = _Beneath(rights if path.is_dir() else rights & OF_FILES, place)
        _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    found = int(libc.syscall(number, *arguments))
    if found < 0:
        raise NoSandbox(os.strerror(ctypes.get_errno()))
    return found
