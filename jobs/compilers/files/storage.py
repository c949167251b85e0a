"""Makes the storage folder of a module in a project; runs on the node as the agent's user.

Only the last folder is writable for the project's tasks: in one that they may write they could put a link in
the place of the other, and have somebody else's files given to them.
"""

import os
import sys


def main(folder: str) -> None:
    gid = int(os.environ.get("SERAI_TASK_GID", "-1"))
    make(os.path.dirname(folder), 0o2750 if gid >= 0 else 0o700, gid)
    make(folder, 0o2770 if gid >= 0 else 0o700, gid)


def make(folder: str, mode: int, gid: int) -> None:
    os.makedirs(folder, mode=0o755, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if gid >= 0 and os.fstat(descriptor).st_gid != gid:
            hand_over(descriptor, gid)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def hand_over(folder: int, gid: int) -> None:
    """With all that is in it: a datacenter that lost its memory gives the project another group."""
    for _path, folders, files, here in os.fwalk(".", dir_fd=folder):
        for name in (*folders, *files):
            if os.stat(name, dir_fd=here, follow_symlinks=False).st_nlink == 1 or name in folders:  # nobody else's
                os.chown(name, -1, gid, dir_fd=here, follow_symlinks=False)
    os.fchown(folder, -1, gid)


if __name__ == "__main__":
    for asked in sys.argv[1:]:
        main(asked)
