"""The local datacenter is killed with -9 in the middle of what may be attached: nothing is lost and nothing doubled.

A federated run's turn is in ``tests/system/test_federation.py``, a mount's in ``tests/unit/jobs/test_attaching.py``.
"""

import signal
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from django.test import Client

from datacenters.jobspec import JobKind
from datacenters.storage import StorageProblem, check, mkdir
from jobs import archive, services, sweeps
from jobs.models import Status
from jobs.requests import DatasetRequest
from jobs.tools import mirror
from tests import storages
from tests.fake_modules import make_module
from tests.unit.jobs import test_datasets
from tests.unit.jobs.attached import OBEYS, Task, asked, left_behind, linked
from tests.unit.jobs.conftest import _own_data, ask, asset_of, site, world  # noqa: F401
from tests.unit.jobs.test_datasets import WORDS, Place
from tests.unit.tools.test_jupyterlab import INSTALLED_WITHIN, opened

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(600)]

COUNTS = """
import os, pathlib, sys, time
print("begun", *sys.argv[1:], flush=True)
time.sleep(3)
pathlib.Path(os.environ["SERAI_OUTPUT_DIR"], "kept").write_text("x")
print("ended", flush=True)
"""


@pytest.fixture(autouse=True)
def _quick(settings):
    settings.SERAI_TRUSTED_HOSTS = ["127.0.0.1"]
    settings.STORAGE_COPY_SECONDS, settings.STORAGE_TIMEOUT_SECONDS, settings.STORAGE_FLUSH_SECONDS = 1, 5, 20


@pytest.fixture(autouse=True)
def _comes_back(local_agent):
    """Other tests go on with it."""
    yield
    local_agent.restart()


def killed_for(agent, seconds: float) -> None:
    agent.kill()
    time.sleep(seconds)
    agent.start()


def said(run) -> list[str]:
    return archive.read(run, "main", "stdout").decode().splitlines()


def page_of(run) -> str:
    browser = Client()
    browser.force_login(run.owner)
    return browser.get(f"/deployments/{run.pk}/").content.decode()


# ── What ends by itself ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("away_seconds", [0.2, 5])
def test_a_script_runs_once_whether_it_ends_before_the_agent_is_back_or_after(world, local_agent, away_seconds):  # noqa: F811
    mirror.ensure()
    run = world.again("script", kind=JobKind.BATCH, script=COUNTS, retries=3)
    world.until(run, lambda row: row.status == Status.RUNNING and _log_of(world, row))
    life = run.allocation_id
    killed_for(local_agent, away_seconds)
    world.until(run, Status.COMPLETED)
    assert said(run) == ["begun", "ended"]
    assert (run.exit_code, run.restarts, run.allocation_id) == (0, 0, life)
    kept = local_agent.tasks / "storage" / run.project.slug / "script" / "outputs" / str(run.pk)
    assert [file.name for file in kept.iterdir()] == ["kept"]
    assert "completed" in page_of(run).lower()


def _log_of(world, run) -> bytes:  # noqa: F811
    return b"begun" in world.adapter.log(run.allocation_id, run.namespace, "main", "stdout")


def test_a_sweep_goes_on_with_what_waits_and_runs_none_twice(world, local_agent, tmp_path):  # noqa: F811
    asset_of("tiny", str(make_module(world.folder / "tiny")))
    request = world.ask("tiny", kind=JobKind.BATCH, script=COUNTS, cpu_cores=0.1)
    sweep = sweeps.start_sweep(request, [{"epochs": n} for n in range(3)], at_once=2, owner=world.ada)
    first = sweep.deployments.get(sweep_place=0)
    world.until(first, lambda row: row.status == Status.RUNNING and _log_of(world, row))
    killed_for(local_agent, 1)

    def ended(_row) -> bool:
        sweeps.advance(sweep.pk)
        sweep.refresh_from_db()
        return sweep.ended is not None

    world.until(first, ended, 120)
    rows = list(sweep.deployments.order_by("sweep_place"))
    world.deployments += rows
    assert [(row.status, said(row)) for row in rows] == [
        (Status.COMPLETED, [f"begun --epochs={n}", "ended"]) for n in range(3)
    ]


# ── What is brought ──────────────────────────────────────────────────────────────────────────────
class Slow(test_datasets.Handler):
    """Gives the first half of a file, and the rest when it is told to."""

    def answer(self, status, body, **headers):
        if body != WORDS:
            return super().answer(status, body, **headers)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.server.go_on.wait(60)
        self.wfile.write(body[len(body) // 2 :])
        return None


@pytest.fixture
def zenodo():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.place, server.go_on = Place(server.server_port, files={"words.txt": WORDS}), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_dataset_is_fetched_once_and_whole(world, local_agent, zenodo, settings, tmp_path):  # noqa: F811
    settings.ZENODO_URL = zenodo.place.url
    asset_of("obeys", str(make_module(tmp_path / "obeys", serve=OBEYS)))
    row = DatasetRequest("10.5281/zenodo.42", target="words", force=True)
    deployment = world.again("obeys", datasets=(row,))
    world.until(deployment, lambda row: row.stage == "datasets" and ("/words.txt", "") in zenodo.place.asked)
    local_agent.kill()
    zenodo.go_on.set()
    time.sleep(1)
    local_agent.start()
    world.until(deployment, Status.RUNNING)
    look = "import os; print(len(open(os.environ['SERAI_DATASETS_DIR'] + '/words/words.txt').read()))"
    assert Task(world, deployment).does(look) == str(len(WORDS))
    assert zenodo.place.asked.count(("/words.txt", "")) == 1


@pytest.fixture
def server(tmp_path):
    server = storages.serve("webdav", tmp_path)
    yield server
    server.stop()


@pytest.fixture
def attached(world, server, ada, tmp_path):  # noqa: F811
    """A task with the storage: ``attached("copy")``."""
    asset_of("obeys", str(make_module(tmp_path / "obeys", serve=OBEYS)))
    mkdir(server.remote(), "in")

    def start(mode: str) -> Task:
        if mode == "mount" and not Path("/dev/fuse").exists():
            pytest.skip("there is no FUSE here")
        deployment = world.again("obeys", storages=(asked(linked(ada, server), mode=mode),))
        return Task(world, world.until(deployment, Status.RUNNING))

    return start


def soon(look, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.mark.parametrize("mode", ["mount", "copy"])
def test_what_is_written_meanwhile_reaches_the_storage_once(attached, local_agent, server, mode):
    task = attached(mode)
    assert task.does("open(here + '/photos/before', 'w').write('1')") == ""
    local_agent.kill()
    assert task.does("open(here + '/photos/meanwhile', 'w').write('2')") == ""
    local_agent.start()
    task.stop()
    assert {file.name: file.read_text() for file in (server.files / "in").iterdir()} == {
        "before": "1",
        "meanwhile": "2",
    }
    assert left_behind(local_agent, task.deployment) == []
    assert "stopped" in page_of(task.deployment).lower()


@pytest.mark.parametrize("mode", ["mount", "copy"])
def test_a_storage_that_hangs_loses_nothing_and_holds_up_no_page(attached, server, mode):
    """It takes connections and says nothing, as a server does whose disk is stuck."""
    task = attached(mode)
    page_of(task.deployment)  # the first page of a process takes its time
    task.does("import os; os.listdir(here + '/photos')")
    server.signal(signal.SIGSTOP)
    try:
        # What a mount knows of the folder lasts for a moment; later it says that it cannot write.
        assert task.does("open(here + '/photos/late', 'w').write('kept')") == ""
        began = time.monotonic()
        with pytest.raises(StorageProblem, match="does not answer"):
            check(server.remote())
        assert time.monotonic() - began < 30
        began = time.monotonic()
        assert "running" in page_of(task.deployment).lower()
        assert time.monotonic() - began < 3
        soon(lambda: "does not answer" in task.said())
    finally:
        server.signal(signal.SIGCONT)
    task.stop(90)
    assert (server.files / "in" / "late").read_text() == "kept"


# ── A notebook that is open ──────────────────────────────────────────────────────────────────────
def test_an_open_notebook_keeps_its_variables_and_a_killed_server_comes_back(world, local_agent, client, ada):  # noqa: F811
    mirror.ensure()
    deployment = world.again("ide", memory_mb=700)
    lab = opened(world.until(deployment, Status.RUNNING, INSTALLED_WITHIN), ada, client)
    assert lab.run("answer = 6 * 7; open('storage/mine', 'w').write('seeds')") == ""
    kernel = lab.kernel
    killed_for(local_agent, 1)
    world.until(deployment, lambda row: row.status == Status.RUNNING and row.healthy)
    assert (lab.kernel, lab.run("print(answer)")) == (kernel, "42\n")

    # The server itself: what people have saved is there, and the page says what happened.
    servers = [process for process in psutil.process_iter(["cmdline"]) if _serves(process, deployment)]
    assert servers
    for process in servers:
        process.kill()
    world.until(deployment, lambda row: row.status in (Status.RUNNING, Status.FAILED) and row.restarts + row.starts > 1)
    if deployment.status == Status.FAILED:
        assert deployment.reason
        services.start(deployment, ada)
    world.until(deployment, lambda row: row.status == Status.RUNNING and row.healthy, 120)
    again = opened(deployment, ada, client)
    assert again.run("print(open('storage/mine').read())") == "seeds\n"


def _serves(process: psutil.Process, deployment) -> bool:
    try:
        ours = process.environ().get("SERAI_DEPLOYMENT_ID") == str(deployment.pk)
        return (
            ours
            and "jupyter" in " ".join(process.info["cmdline"] or [])
            and "ipykernel" not in str(process.info["cmdline"])
        )
    except psutil.Error:
        return False
