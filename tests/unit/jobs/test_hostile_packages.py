"""Building a package runs its author's code: what that may reach, tried by a package that means harm."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from datacenters.local.node import task_pythons
from tests.agents import ROOT
from tests.fake_modules import make_module

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="builds get a user of their own only when root installs"),
]

INSTALL = ROOT / "jobs" / "compilers" / "files" / "install.py"
UV = Path(sys.executable).with_name("uv")
BUILDER = 1_999_999_999
# Put before the backend of a module that is built without fetching anything.
HARM = """
import json, os, pathlib, sys
ROOM = pathlib.Path(%r)

def attempt(name, act):
    try:
        found[name] = str(act())
    except OSError as error:
        found[name] = type(error).__name__

found = {"uid": str(os.getuid())}
attempt("canary", (ROOM / "secret.key").read_text)
attempt("linked", (pathlib.Path(__file__).parent / "link").read_text)
attempt("other", lambda: (ROOM / "packages" / "other" / "bin" / "tool").write_text("mine"))
attempt("root", lambda: (ROOM / "packages" / "new").write_text("mine"))
attempt("agent", lambda: os.kill(os.getppid(), 0) or pathlib.Path("/proc/%%d/environ" %% %d).read_text())
found["NoNewPrivs"] = [line for line in open("/proc/self/status") if "NoNewPrivs" in line][0].split()[1]
[target] = [path for path in (ROOM / "packages").iterdir() if path.name == "bad"]
(target / ".complete").unlink(missing_ok=True)
attempt("marker", lambda: (target / ".complete").symlink_to(ROOM / "secret.key"))
(target / "found.json").write_text(json.dumps(found))
if os.fork() == 0:  # stays, and changes the environment once it is in use
    os.setsid()
    os.closerange(0, 1024)
    import time
    for _ in range(600):
        time.sleep(0.1)
        try:
            (target / "late").write_text("mine")
        except OSError:
            pass
    os._exit(0)
"""


@pytest.fixture
def room():
    """A folder that other users pass through, with what must stay as it is."""
    folder = Path(tempfile.mkdtemp(prefix="serai-packages-"))
    folder.chmod(0o711)
    (folder / "packages" / "other" / "bin").mkdir(parents=True)
    (folder / "packages" / "other" / "bin" / "tool").write_text("ours")
    (folder / "secret.key").write_text("canary")
    (folder / "secret.key").chmod(0o600)
    yield folder
    shutil.rmtree(folder)


def install(room: Path, module: Path, key: str) -> subprocess.CompletedProcess[str]:
    python = next(task_pythons(), None)
    if python is None:
        pytest.skip("there is no Python here that other accounts may run")
    words = [f"--root={room}/packages", f"--key={key}", f"--uv={UV}", f"--package={module}", "--needs=deepaas-run"]
    environment = {
        "PATH": os.environ["PATH"],
        "SERAI_PACKAGES_UID": str(BUILDER),
        "SERAI_PACKAGES_GID": str(BUILDER),
        "NOMAD_TASK_DIR": "/nowhere",
    }
    return subprocess.run(
        [python, str(INSTALL), *words], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def built(room):
    """The environment that a harmful package was built into."""
    module = make_module(room / "bad-module")
    (module / "link").symlink_to(room / "secret.key")
    backend = module / "backend.py"
    backend.write_text(HARM % (str(room), os.getpid()) + backend.read_text())
    done = install(room, module, "bad")
    assert done.returncode == 0, done.stderr
    return room / "packages" / "bad"


def test_a_build_reads_and_writes_nothing_but_its_own(built, room):
    found = json.loads((built / "found.json").read_text())
    assert found.pop("uid") == str(BUILDER)
    assert found.pop("NoNewPrivs") == "1"
    assert found.pop("marker") == "None"  # its own environment it may change, until it is ours
    assert set(found.values()) == {"PermissionError"}
    assert (room / "packages" / "other" / "bin" / "tool").read_text() == "ours"


def test_what_it_planted_leads_nowhere(built, room):
    assert (room / "secret.key").read_text() == "canary"
    assert not (built / ".complete").is_symlink()
    assert json.loads((built / ".complete").read_text())["models"] == ["tiny"]


def test_what_it_left_running_has_ended(built):
    for process in Path("/proc").glob("[0-9]*"):
        try:
            assert process.stat().st_uid != BUILDER
        except FileNotFoundError:
            continue
    (built / "late").unlink(missing_ok=True)
    time.sleep(0.5)
    assert not (built / "late").exists()


def test_the_environment_is_ours_and_nobody_may_write_there(built):
    for path in (built, *built.rglob("*")):
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (0, 0), path
        assert stat.S_ISLNK(found.st_mode) or not found.st_mode & 0o7022, path


def test_an_environment_with_a_marker_of_somebody_else_is_made_anew(room):
    planted = room / "packages" / "good"
    (planted / "bin").mkdir(parents=True)
    (planted / "bin" / "python").write_text("evil")
    (planted / ".complete").write_text("{}")
    os.chown(planted / ".complete", BUILDER, BUILDER)
    done = install(room, make_module(room / "module"), "good")
    assert done.returncode == 0, done.stderr
    assert (planted / "bin" / "python").resolve().name.startswith("python3")
    assert (planted / ".complete").stat().st_uid == 0


def test_a_uv_that_others_cannot_reach_is_copied(room):
    closed = room / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy2(UV, closed / "uv")
    python = next(task_pythons())
    words = [f"--root={room}/packages", "--key=k", f"--uv={closed}/uv", f"--package={make_module(room / 'm')}"]
    environment = {"PATH": os.defpath, "SERAI_PACKAGES_UID": str(BUILDER), "SERAI_PACKAGES_GID": str(BUILDER)}
    command = [python, str(INSTALL), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not list((room / "packages" / ".work").iterdir())
