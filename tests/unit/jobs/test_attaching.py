"""Storages attached to real deployments in the local datacenter: mounted, copied, broken and brought back."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from datacenters.storage import mkdir, obscured
from jobs import services
from jobs.models import Status, Storage
from tests import storages
from tests.fake_modules import make_module

from .attached import OBEYS, TARGET, Task, asked, left_behind, linked, mounts
from .conftest import asset_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no FUSE here"),
]

ODD = ["two words", 'it\'s "odd"', "two\nlines", "😀 $(touch pwned)", "-rf", "`x`;{}%20"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = storages.serve("webdav", tmp_path_factory.mktemp("dav"))
    yield server
    server.stop()


@pytest.fixture
def files(server) -> Path:
    """A folder of the server's for each test; the server remembers for a while what was in one."""
    folder = server.files / f"in-{time.monotonic_ns()}"
    mkdir(server.remote(), folder.name)  # not behind its back: it would not see the folder for a while
    yield folder
    if not server.listens:
        server.start()


@pytest.fixture(autouse=True)
def _quick(settings):
    settings.SERAI_TRUSTED_HOSTS = ["127.0.0.1"]
    settings.STORAGE_COPY_SECONDS, settings.STORAGE_TIMEOUT_SECONDS, settings.STORAGE_FLUSH_SECONDS = 1, 5, 20


@pytest.fixture(scope="module")
def module(tmp_path_factory) -> Path:
    """One for all tests, so that it installs once."""
    return make_module(tmp_path_factory.mktemp("modules") / "obeys", serve=OBEYS)


@pytest.fixture
def deploy(world, module):
    asset_of("obeys", str(module))
    return lambda *storages: world.again("obeys", storages=storages)


@pytest.fixture
def run(world, deploy, server, files, ada):
    """A task that has the storage attached: ``run(mode="copy")``."""

    def run(**how) -> Task:
        return Task(
            world, world.until(deploy(asked(linked(ada, server), **{"path": files.name, **how})), Status.RUNNING)
        )

    return run


@pytest.fixture(params=["mount", "copy"])
def mode(request) -> str:
    return request.param


def soon(read, wanted, seconds: float = 30):
    until = time.monotonic() + seconds
    while (found := read()) != wanted:
        assert time.monotonic() < until, f"still {found!r}"
        time.sleep(0.1)


def content(file: Path) -> str:
    return file.read_text() if file.exists() else ""


# ── As it should go ──────────────────────────────────────────────────────────────────────────────
def test_a_task_reads_and_writes_the_storage_and_nothing_is_left_behind(run, files, mode, local_agent):
    (files / "a.txt").write_text("from outside")
    task = run(mode=mode)
    assert task.does("import os; print(os.listdir(here))") == f"['{TARGET}']"
    assert task.does(f"print(open(here + '/{TARGET}/a.txt').read())") == "from outside"
    assert task.does(f"open(here + '/{TARGET}/b.txt', 'w').write('from the task')") == ""
    soon(lambda: content(files / "b.txt"), "from the task")
    assert task.does(f"open(here + '/{TARGET}/a.txt', 'w').write('changed here')") == ""
    task.stop()
    assert (files / "a.txt").read_text() == "changed here"
    assert mounts(local_agent) == []
    assert left_behind(local_agent, task.deployment) == []


def test_large_files_come_and_go_whole(run, files, mode):
    there, here = os.urandom(30_000_000), "os.urandom(30_000_000)"
    (files / "large.bin").write_bytes(there)
    task = run(mode=mode)
    digest = "import hashlib, os; data = open(here + '/photos/large.bin', 'rb').read(); print(hashlib.sha256(data).hexdigest())"
    assert task.does(digest) == hashlib.sha256(there).hexdigest()
    sent = task.does(
        f"import hashlib, os; data = {here}; open(here + '/photos/sent.bin', 'wb').write(data); print(hashlib.sha256(data).hexdigest())"
    )
    task.stop()
    assert hashlib.sha256((files / "sent.bin").read_bytes()).hexdigest() == sent


def test_odd_names_go_both_ways(run, files, mode):
    for name in ODD:
        (files / name).write_text(f"outside {name}")
    task = run(mode=mode)
    # A mount shows the sign for a new line in its place, since not every storage can hold one.
    seen = [name.replace("\n", "␊") if mode == "mount" else name for name in ODD]
    listed = task.does("import os; print(sorted(os.listdir(here + '/photos')))")
    assert listed == str(sorted(seen))
    for name in ODD:
        assert task.does(f"open(here + '/photos/new ' + {name!r}, 'w').write({name!r})") == ""
    task.stop()
    assert {name: content(files / f"new {name}") for name in ODD} == {name: name for name in ODD}
    assert not Path("pwned").exists()


def test_a_storage_attached_read_only_is_not_changed(run, files, mode):
    (files / "a.txt").write_text("as it was")
    task = run(mode=mode, read_only=True)
    said = task.does("open(here + '/photos/a.txt', 'w').write('changed')")
    assert ("Read-only" in said) == (mode == "mount")
    task.stop()
    assert (files / "a.txt").read_text() == "as it was"


def test_a_folder_that_is_not_there_yet_is_made(run, files, mode):
    task = run(mode=mode, path=f"{files.name}/results/today")
    task.does("open(here + '/photos/x', 'w').write('1')")
    task.stop()
    assert (files / "results" / "today" / "x").read_text() == "1"


# ── As it should not go ──────────────────────────────────────────────────────────────────────────
def test_a_wrong_password_is_said_in_a_sentence(world, deploy, server, files, ada, mode, local_agent):
    wrong = linked(ada, server, password="forgotten")
    deployment = deploy(asked(wrong, mode=mode, path=files.name))
    world.until(deployment, Status.FAILED)
    assert "does not take its user name, password or key" in deployment.reason
    assert deployment.stage == "storage"
    soon(lambda: left_behind(local_agent, deployment), [])


def test_the_task_reads_no_secret_of_the_storage(run, files, mode, server):
    secret = server.remote().secrets["pass"]
    task = run(mode=mode)
    assert secret not in str(world_json(task))
    look = (
        "import glob, os\n"
        "found = str(dict(os.environ))\n"
        "for name in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: found += open(name, errors='replace').read()\n"
        "    except OSError: pass\n"
        f"print({secret!r} in found, len(found) > 1000)"
    )
    (files / "a").write_text("1")
    for turn in range(20):  # among them while something is copied
        assert task.does(f"open(here + '/photos/t{turn}', 'w').write('x' * 100000)\n{look}") == "False True"
        time.sleep(0.1)
    for folder in ("..", "../.state", f"../.state/{task.deployment.job_id}"):
        assert "PermissionError" in task.does(f"import os; print(os.listdir(here + '/{folder}'))")
    assert secret not in task.said(stream="stderr")


def world_json(task):
    return task.world.adapter.state(task.deployment.job_id, task.deployment.namespace), task.deployment.request


def test_a_remote_that_goes_and_comes_back_loses_nothing(run, files, server):
    (files / "known").write_text("x")
    task = run()
    assert task.does("import os; print(os.listdir(here + '/photos'))") == "['known']"
    server.stop()
    assert task.does("open(here + '/photos/written', 'w').write('meanwhile')") == ""
    assert "OSError" in task.does("open(here + '/photos/known').read()")
    soon(lambda: "does not answer" in task.said(), True)
    server.start()
    soon(lambda: content(files / "written"), "meanwhile", 40)
    assert task.does("print(open(here + '/photos/known').read())") == "x"
    task.stop()


def test_a_stop_waits_for_what_is_still_to_be_written(run, files, server, mode, world, ada):
    task = run(mode=mode)
    task.does("import os; os.listdir(here + '/photos')")  # what it knows of the storage lasts for a moment
    server.stop()
    assert task.does("open(here + '/photos/late', 'w').write('still there')") == ""
    services.stop(task.deployment, ada)
    time.sleep(3)
    world.step()
    task.deployment.refresh_from_db()
    assert task.deployment.status == Status.STOPPING
    server.start()
    world.until(task.deployment, Status.STOPPED)
    assert (files / "late").read_text() == "still there"


def test_what_could_not_be_written_is_written_by_the_next_start(run, files, server, mode, world, ada, settings):
    settings.STORAGE_FLUSH_SECONDS = 2
    task = run(mode=mode)
    task.does("import os; os.listdir(here + '/photos')")  # what it knows of the storage lasts for a moment
    server.stop()
    assert task.does("open(here + '/photos/late', 'w').write('kept')") == ""
    task.stop()
    assert "1 file could not be written" in task.said("storages-end", "stderr")
    server.start()
    word_anew(server, Storage.objects.get(name="Photos"))
    services.start(task.deployment, ada)
    world.until(task.deployment, Status.RUNNING)
    soon(lambda: content(files / "late"), "kept")


def word_anew(server, storage):
    """rclone's writing of a password is another one each time."""
    obscured.cache_clear()
    before = storage.secrets
    storage.secrets = json.dumps(dict(server.remote().secrets))
    storage.save()
    assert storage.secrets != before


def rclone_of(deployment) -> int:
    """The process that mounts."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"mount" in command and any(deployment.job_id.encode() in word for word in command):
            return int(pid)
    raise AssertionError("nothing mounts")


def test_a_mount_that_was_killed_comes_back_with_all_that_was_written(run, files, local_agent):
    task = run()
    task.does("open(here + '/photos/before', 'w').write('1')")
    time.sleep(0.5)  # as after a power cut, what was closed in the very moment before is lost
    os.kill(rclone_of(task.deployment), signal.SIGKILL)
    soon(lambda: task.does("import os; print(os.path.exists(here + '/photos/before'))"), "True")
    assert task.does("open(here + '/photos/after', 'w').write('2')") == ""
    task.stop()
    assert (content(files / "before"), content(files / "after")) == ("1", "2")
    assert mounts(local_agent) == []


def test_an_agent_that_was_killed_finds_mounts_as_they_were(run, files, local_agent):
    task = run()
    local_agent.kill()
    assert task.does("open(here + '/photos/meanwhile', 'w').write('1')") == ""
    local_agent.start()
    soon(lambda: content(files / "meanwhile"), "1")
    task.stop()
    assert mounts(local_agent) == []
    assert left_behind(local_agent, task.deployment) == []


def test_one_who_holds_the_storages_and_was_killed_is_followed_by_another(run, files, local_agent):
    task = run()
    holder = next(pid for pid in left_behind(local_agent, task.deployment) if pid.isdigit())
    os.kill(parent_of(int(holder)), signal.SIGKILL)
    soon(lambda: task.does("open(here + '/photos/after', 'w').write('2')"), "", 40)
    task.stop()
    assert content(files / "after") == "2"
    assert left_behind(local_agent, task.deployment) == []


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
