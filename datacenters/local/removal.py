"""Deleting a folder without ever leaving its file system, following a link, or entering a mount.

Nomad's own clean-up deletes through a live mount, and with it the user's remote files. Here a folder is entered
only if its mount id is that of the folder we began with: bind mounts of the same device differ in it, too.
"""

import os
import secrets
import stat
from pathlib import Path

# Each level takes an open file, and somebody may have made thousands: what lies deeper is moved up first.
DEEP = 100
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
        kept = _Removal(top).run(str(folder))
    finally:
        os.close(top)
        os.close(above)
    if not kept:
        folder.rmdir()
    return kept


class _Removal:
    def __init__(self, top: int) -> None:
        self.top, self.mount = top, mount_id(top)
        self.raised = 0

    def run(self, path: str) -> list[str]:
        """Again while something was raised out of the depth, which adds entries to the top."""
        while True:
            before = self.raised
            kept = self._empty(self.top, path, depth=0)
            if self.raised == before:
                return kept

    def _empty(self, folder: int, path: str, depth: int) -> list[str]:
        # An O_PATH descriptor cannot be listed; opening "." through it cannot be led astray either.
        listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        try:
            names = os.listdir(listing)
        finally:
            os.close(listing)
        return [kept for name in names for kept in self._entry(folder, name, f"{path}/{name}", depth)]

    def _entry(self, folder: int, name: str, path: str, depth: int) -> list[str]:
        try:
            entry = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
        except FileNotFoundError:
            return []
        except OSError:
            return [path]  # a dead mount answers with an error of its own
        try:
            if mount_id(entry) != self.mount:
                return [path]
            if not stat.S_ISDIR(os.fstat(entry).st_mode):
                os.unlink(name, dir_fd=folder)
                return []
            if depth == DEEP:
                self._raise(folder, name)
                return []
            kept = self._empty(entry, path, depth + 1)
        finally:
            os.close(entry)
        if not kept:
            os.rmdir(name, dir_fd=folder)
        return kept

    def _raise(self, folder: int, name: str) -> None:
        self.raised += 1
        os.rename(name, f".{self.raised}.{secrets.token_hex(8)}", src_dir_fd=folder, dst_dir_fd=self.top)
