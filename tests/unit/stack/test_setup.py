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


def test_the_icons_are_drawn_anew_when_a_page_may_name_another(tmp_path, monkeypatch):
    did = []
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "PAGES", tmp_path / "dashboard")
    monkeypatch.setattr(setup, "NODE_STAMP", tmp_path / "node")
    monkeypatch.setattr(setup, "PAGES_STAMP", tmp_path / "vendor")
    monkeypatch.setattr(setup, "node_folder", lambda: tmp_path)
    monkeypatch.setattr(setup, "run", lambda command, *_: did.append(command[1]) or True)
    page = tmp_path / "dashboard" / "home.html"
    for file in (page, *(tmp_path / name for name in ("package.json", "package-lock.json", "scripts/vendor.mjs"))):
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
    setup.install_page_packages("run")
    setup.install_page_packages("run")
    assert did == ["ci", "run"]
    page.write_text('{% icon "rocket" %}')
    setup.install_page_packages("run")
    assert did == ["ci", "run", "run"]


def test_an_environment_that_is_anothers_is_left_alone(tmp_path, monkeypatch):
    theirs = tmp_path / "theirs"
    (theirs / "bin").mkdir(parents=True)
    ours = tmp_path / "ours"
    ours.symlink_to(theirs)
    monkeypatch.setattr(setup, "VENV", ours)
    setup.make_environment()
    assert list(theirs.iterdir()) == [theirs / "bin"]
    assert (ours / "bin" / "python").exists()
    assert not ours.is_symlink()
