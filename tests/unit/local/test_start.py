"""What the local datacenter makes before it begins."""

import os
import stat

from datacenters.local.__main__ import make_passable


def test_tasks_of_other_uids_can_pass_to_their_folders_whatever_the_umask(tmp_path):
    former = os.umask(0o077)
    try:
        make_passable(tmp_path / "above" / "tasks")
    finally:
        os.umask(former)

    for folder in (tmp_path / "above", tmp_path / "above" / "tasks"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o711
