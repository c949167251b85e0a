"""Deleting a folder without ever leaving its file system, following a link, or entering a mount.

Nomad's own clean-up deletes through a live mount, and with it the user's remote files. Here a folder is entered
only if its mount id is that of the folder we began with: bind mounts of the same device differ in it, too.
"""

import os
import stat
from pathlib import Path

OPEN_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


def mount_id(descriptor: int) -> int:
    """Which mount an open file lies on."""
    for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "mnt_id":
            return int(value)
    raise OSError(f"The kernel does not say on which mount file {descriptor} lies.")


def remove(folder: Path) -> list[str]:
    """Delete a folder with all in it; what had to stay is named (mounts, and the folders that hold them)."""
    try:
        top = os.open(folder, OPEN_FOLDER)
        above = os.open(folder.parent, OPEN_FOLDER)
    except FileNotFoundError:
        return []
    try:
        if mount_id(top) != mount_id(above):
            return [str(folder)]
        kept = _empty(top, mount_id(top), str(folder))
    finally:
        os.close(top)
        os.close(above)
    if not kept:
        folder.rmdir()
    return kept


def _empty(folder: int, mount: int, path: str) -> list[str]:
    # An O_PATH descriptor cannot be listed; opening "." through it cannot be led astray either.
    listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    try:
        return [kept for name in os.listdir(listing) for kept in _remove_entry(folder, mount, name, f"{path}/{name}")]
    finally:
        os.close(listing)


def _remove_entry(folder: int, mount: int, name: str, path: str) -> list[str]:
    try:
        entry = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return []
    except OSError:
        return [path]  # a dead mount answers with an error of its own
    try:
        if mount_id(entry) != mount:
            return [path]
        if not stat.S_ISDIR(os.fstat(entry).st_mode):
            os.unlink(name, dir_fd=folder)
            return []
        kept = _empty(entry, mount, path)
    finally:
        os.close(entry)
    if not kept:
        os.rmdir(name, dir_fd=folder)
    return kept
