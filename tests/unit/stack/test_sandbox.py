"""Landlock around a process of our own: what it may still open, tried."""

import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.stack import sandbox

ROOT = Path(__file__).resolve().parents[3]
CONFINED = """
import sys
from pathlib import Path
from dashboard.stack import sandbox

inside, outside = map(Path, sys.argv[1:])
sandbox.restrict(readable=[Path("/usr"), Path(sys.base_prefix)], writable=[inside])
(inside / "new").write_text("mine")
(inside / "link").symlink_to(outside)
for attempt in (
    lambda: (outside / "secret").read_text(),
    lambda: (inside / "link" / "secret").read_text(),
    lambda: (outside / "new").write_text("not mine"),
    lambda: (outside / "secret").unlink(),
    lambda: (inside / "new").rename(outside / "new"),
    lambda: list(outside.iterdir()),
    lambda: Path("/etc/passwd").read_text(),
):
    try:
        print("open", attempt())
    except OSError:
        print("closed")
"""


@pytest.fixture
def landlock():
    try:
        sandbox.version()
    except sandbox.NoSandbox as error:
        pytest.skip(f"this kernel has no Landlock: {error}")


def test_a_confined_process_reaches_its_own_folder_and_no_other(landlock, tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("canary")
    command = [sys.executable, "-c", CONFINED, str(inside), str(outside)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines() == ["closed"] * 7
    assert (inside / "new").read_text() == "mine"
    assert (outside / "secret").read_text() == "canary"
