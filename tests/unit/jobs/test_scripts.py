"""Scripts of one's own and batch options, in the real local datacenter."""

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from datacenters.jobspec import JobKind
from datacenters.local.processes import processes
from jobs import archive, lifetimes, services, sweeps
from jobs.models import Status, Sweep
from tests import storages
from tests.fake_modules import make_module
from tests.unit.jobs.attached import asked, linked
from tests.unit.jobs.conftest import asset_of

pytestmark = pytest.mark.django_db

# Each of these marks is Nomad's, a template's or a shell's: to the script they are letters.
MARKS = '${NOMAD_JOB_ID} $${x} {{ env "HOME" }} %{y} <%0< $(id) `id` é \\n'
SHOWS = f"""
import json, os, sys
print(json.dumps({{"marks": {MARKS!r}, "arguments": sys.argv[1:], "python": sys.executable}}))
print(os.getpid(), file=sys.stderr)
"""
WRITES = """
import os, pathlib
folder = pathlib.Path(os.environ["SERAI_OUTPUT_DIR"])
(folder / "answer.txt").write_text("42")
print(pathlib.Path(os.environ["SERAI_STORAGE_DIR"]).exists())
"""
TRIES = """
import os, pathlib, sys
seen = pathlib.Path(os.environ["SERAI_OUTPUT_DIR"], "attempts")
count = int(seen.read_text()) if seen.exists() else 0
seen.write_text(str(count + 1))
sys.exit(0 if count == WELL else 3)
"""
SLEEPS = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def run(world):
    """A script of Ada's in the environment of a tiny module: ``run("print(1)", retries=2)``."""
    folder = world.folder / "tiny"
    asset_of("tiny", str(make_module(folder)))

    def start(script: str, **request: object):
        return world.again("tiny", kind=JobKind.BATCH, script=script, **request)

    return start


def command_lines() -> list[bytes]:
    lines = []
    for process in processes():
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            lines.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
    return lines


def said(deployment) -> str:
    return archive.read(deployment, "main", "stdout").decode()


def test_a_script_runs_letter_by_letter_with_the_modules_python_and_its_arguments(world, run):
    script = world.until(run(SHOWS, arguments={"epochs": 3, "name": "${HOME} {{x}}"}), Status.COMPLETED)
    shown = json.loads(said(script))
    assert shown["marks"] == MARKS
    assert shown["arguments"] == ["--epochs=3", "--name=${HOME} {{x}}"]
    assert "/packages/" in shown["python"]
    assert (script.exit_code, script.restarts) == (0, 0)


def test_what_a_script_writes_into_its_folder_is_kept(world, run, local_agent):
    script = world.until(run(WRITES), Status.COMPLETED)
    kept = local_agent.tasks / "storage" / script.project.slug / "tiny" / "outputs" / str(script.pk) / "answer.txt"
    assert kept.read_text() == "42"
    assert said(script) == "True\n"
    other = world.until(run(WRITES), Status.COMPLETED)  # the folder of all is not only the first one's
    assert (kept.parent.parent / str(other.pk) / "answer.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["mount", "copy"])
def test_what_a_script_writes_reaches_the_storage_that_is_attached(world, run, ada, settings, tmp_path, mode):
    if mode == "mount" and not Path("/dev/fuse").exists():
        pytest.skip("there is no FUSE here")
    settings.SERAI_TRUSTED_HOSTS = ["127.0.0.1"]
    server = storages.serve("webdav", tmp_path)
    (server.files / "in").mkdir()
    try:
        writes = "import os\nopen(os.path.join(os.environ['SERAI_OUTPUT_DIR'], 'answer.txt'), 'w').write('42')"
        script = world.until(run(writes, storages=(asked(linked(ada, server), mode=mode),)), Status.COMPLETED, 90)
        assert (server.files / "in" / "outputs" / str(script.pk) / "answer.txt").read_text() == "42"
    finally:
        server.stop()


def test_a_script_that_fails_keeps_its_exit_code_and_its_last_words(world, run):
    script = world.until(run("import sys\nraise ValueError('no such number')"), Status.FAILED)
    assert script.exit_code == 1
    assert "ValueError: no such number" in script.reason
    exits = world.until(run("import sys\nsys.exit(7)"), Status.FAILED)
    assert exits.exit_code == 7
    assert "exit code 7" in exits.reason


@pytest.mark.slow
def test_a_script_that_fails_is_tried_again_as_often_as_was_asked(world, run, ada):
    script = world.until(run(TRIES.replace("WELL", "1"), retries=2), Status.COMPLETED)
    assert (script.exit_code, script.restarts) == (0, 1)
    [again] = script.events.filter(verb="tried again")
    assert "exit code 3" in again.sentence
    services.start(script, ada)
    assert (script.exit_code, script.restarts) == (None, 0)


@pytest.mark.slow
def test_a_script_that_never_succeeds_fails_after_its_attempts(world, run):
    script = world.until(run(TRIES.replace("WELL", "9"), retries=1), Status.FAILED, 90)
    assert (script.exit_code, script.restarts) == (3, 1)
    assert "restarted once before" in script.reason


def test_a_script_that_never_ends_is_stopped_with_the_reason(world, run):
    script = world.until(run(SLEEPS, max_run_seconds=1), Status.RUNNING)
    assert script.deadline == script.started + timedelta(seconds=1)
    main = (script.allocation_id, script.namespace, "main", "stdout")
    world.until(script, lambda _row: b"begun" in world.adapter.log(*main))
    lifetimes.tick(timezone.now() + timedelta(seconds=2))
    world.until(script, Status.STOPPED)
    assert script.reason == "It ran longer than the 1 s that were allowed."
    assert script.exit_code
    assert "begun" in said(script)


def test_nothing_of_a_script_stands_on_a_command_line(world, run):
    script = run(SLEEPS + "# hush-hush\n")
    world.until(script, lambda _row: any(b"script.py" in line for line in command_lines()))
    assert not any(b"hush-hush" in line for line in command_lines())
    services.stop(script, script.owner)
    world.until(script, Status.STOPPED)


# ── Sweeps ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def sweep(world, run) -> Sweep:
    """Four trainings, two at once."""
    request = world.ask("tiny", kind=JobKind.BATCH, script="import sys\nprint(sys.argv[1])", cpu_cores=0.1)
    found = sweeps.start_sweep(request, [{"epochs": n} for n in range(4)], at_once=2, owner=world.ada)
    yield found
    world.deployments += list(found.deployments.all())


def until_ended(world, sweep: Sweep, **seconds: float) -> None:
    def step(_row) -> bool:
        sweeps.advance(sweep.pk)
        sweep.refresh_from_db()
        running = sweep.deployments.live().count()
        assert running <= sweep.at_once
        return sweep.ended is not None

    world.until(sweep.deployments.first(), step, 120)


@pytest.mark.slow
def test_all_trainings_of_a_sweep_run_and_never_more_than_asked_at_once(world, sweep):
    until_ended(world, sweep)
    rows = sweep.deployments.order_by("sweep_place")
    assert [(row.status, said(row)) for row in rows] == [(Status.COMPLETED, f"--epochs={n}\n") for n in range(4)]
    assert [row.events.filter(verb="queued").count() for row in rows] == [1, 1, 1, 1]


def test_a_sweep_is_stopped_while_its_trainings_run(world, run, ada):
    request = world.ask("tiny", kind=JobKind.BATCH, script=SLEEPS, cpu_cores=0.1)
    sweep = sweeps.start_sweep(request, [{"epochs": n} for n in range(3)], at_once=1, owner=ada)
    first = sweep.deployments.get()
    world.deployments.append(first)
    world.until(first, Status.RUNNING)
    sweeps.stop_sweep(sweep, ada)
    assert sweep.ended is None
    until_ended(world, sweep)
    first.refresh_from_db()
    assert (sweep.deployments.count(), first.status) == (1, Status.STOPPED)
    assert first.reason == "The sweep that it belongs to was stopped."
