"""scripts/setup.py works without Serai's environment, so it is no package: it is loaded by its path."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
specification = importlib.util.spec_from_file_location("serai_setup", ROOT / "scripts" / "setup.py")
setup = importlib.util.module_from_spec(specification)
specification.loader.exec_module(setup)


def test_the_lock_entry_of_uv_is_taken_with_its_hashes_and_nothing_else():
    lock = (ROOT / "requirements" / "dashboard.txt").read_text()
    lines = setup.lock_entry("uv", lock).splitlines()
    assert lines[0].startswith("uv==")
    assert len(lines) > 1
    assert all("--hash=sha256:" in line for line in lines[1:])


def test_the_set_up_needs_nothing_but_the_standard_library():
    imported = {name for name in vars(setup) if getattr(vars(setup)[name], "__spec__", None)}
    assert imported <= sys.stdlib_module_names


def test_a_stamp_holds_a_folder_with_spaces(tmp_path):
    stamp = tmp_path / "stamp"
    stamp.write_text("dev /home/ada/my clones/serai 0123abc")
    assert setup.stamp_of(stamp) == ("dev", "/home/ada/my clones/serai", "0123abc")
    assert setup.stamp_of(tmp_path / "missing") == ("", "", "")


def test_an_old_node_is_told_from_a_new_one(tmp_path):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v18.20.4\n")
    node.chmod(0o755)
    assert setup.node_version(str(node)) == 18 < setup.OLDEST_NODE
