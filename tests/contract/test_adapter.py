"""The adapter over running agents: the embedded local datacenter always, a real Nomad where there is one.

Both must be told the same and say the same; a case that needs a difference between them is a fault of one.
"""

import itertools
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from datacenters.interface import JobNotFound, JobRejected, JobState, JobStatus, Stage, Unreachable
from datacenters.jobspec import Device, File, JobKind, JobSpec, Lifecycle, Port, Resources, TaskSpec, literal
from datacenters.nomad import TRUSTED, NomadAdapter

pytestmark = pytest.mark.slow

WITHIN = 20  # seconds
NAMESPACE = "ada"
ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED)


@dataclass
class Site:
    """An agent as people meet it: with jobs of their own, each cleaned up at the end."""

    agent: Any
    adapter: NomadAdapter
    sent: list[str] = field(default_factory=list)

    def spec(self, *tasks: TaskSpec, **changes: Any) -> JobSpec:
        given = {"namespace": NAMESPACE, "kind": JobKind.SERVICE, "datacenters": (self.agent.datacenter,)}
        return JobSpec(id=f"serai-{uuid.uuid4()}", tasks=tasks, **{**given, "disk_mb": 300, **changes})

    def batch(self, script: str, **changes: Any) -> JobSpec:
        return self.spec(shell("main", script, **changes), kind=JobKind.BATCH)

    def send(self, spec: JobSpec, **secrets: str) -> JobSpec:
        self.adapter.submit(spec, secrets)
        self.sent.append(spec.id)
        return spec

    def state(self, spec: JobSpec) -> JobState:
        return self.adapter.state(spec.id, NAMESPACE)

    def wait(self, spec: JobSpec, *wanted: JobStatus) -> JobState:
        return eventually(lambda: self.state(spec), lambda state: state.status in wanted)

    def output(self, state: JobState, task: str = "main", stream: str = "stdout", holds: str = "") -> str:
        assert state.allocation_id
        read = lambda: self.adapter.log(state.allocation_id, NAMESPACE, task, stream).decode()  # noqa: E731
        return eventually(read, lambda text: holds in text)


def shell(name: str, script: str, **changes: Any) -> TaskSpec:
    """A small task; the shell gives way to the last program, so that signals reach it."""
    given = {"command": "/bin/sh", "resources": Resources(cpu_cores=0.1, memory_mb=64)}
    return TaskSpec(name, args=("-c", script), **{**given, **changes})


def eventually(read: Any, fine: Any) -> Any:
    deadline = time.monotonic() + WITHIN
    while not fine(found := read()):
        assert time.monotonic() < deadline, f"still so after {WITHIN} s: {found}"
        time.sleep(0.05)
    return found


@pytest.fixture
def site(agent):
    adapter = NomadAdapter(agent.address, token=agent.token, region=agent.region, drivers=TRUSTED, timeout=10)
    adapter.ensure_namespace(NAMESPACE)
    site = Site(agent, adapter)
    yield site
    for job_id in site.sent:
        adapter.purge(job_id, NAMESPACE)


# ── The cluster ──────────────────────────────────────────────────────────────────────────────────


def test_an_agent_says_its_version(site):
    assert site.adapter.check()[0].isdigit()


def test_a_node_says_what_it_has_and_what_is_held(site):
    before = site.adapter.nodes()[0]
    assert before.ready
    assert (before.datacenter, "raw_exec" in before.drivers) == (site.agent.datacenter, True)
    assert min(before.cpu_cores, before.cpu_mhz, before.memory_mb, before.disk_mb) > 0
    assert before.meta["serai_python"]
    site.wait(site.send(site.batch("exec sleep 60", resources=Resources(0.2, 128))), JobStatus.RUNNING)
    after = site.adapter.nodes()[0]
    assert after.used_memory_mb - before.used_memory_mb == 128
    assert after.used_cpu_mhz - before.used_cpu_mhz == 200
    assert after.used_disk_mb - before.used_disk_mb == 300


def test_a_wrong_token_is_refused_with_words(agent):
    if not agent.token:
        pytest.skip("this agent runs without access control")
    stranger = NomadAdapter(agent.address, token=str(uuid.uuid4()), region=agent.region)
    with pytest.raises(Unreachable, match="token"):
        stranger.check()


# ── A service, from start to end ─────────────────────────────────────────────────────────────────


def test_a_service_starts_answers_and_stops(site):
    server = shell(
        "main", 'exec /usr/bin/python3 -m http.server --bind 127.0.0.1 "$PORT"', env={"PORT": "${NOMAD_PORT_api}"}
    )
    spec = site.send(site.spec(server, ports=(Port("api"),)))
    state = site.wait(spec, JobStatus.RUNNING)
    assert (state.stage, state.datacenter, state.namespace) == (Stage.HEALTH, site.agent.datacenter, NAMESPACE)
    (endpoint,) = state.endpoints
    assert endpoint.label == "api"
    url = f"http://{endpoint.host}:{endpoint.port}/"
    assert eventually(lambda: answers(url), bool)

    site.adapter.stop(spec.id, NAMESPACE)
    stopped = site.wait(spec, JobStatus.STOPPED)
    assert stopped.endpoints == ()
    assert stopped.index > state.index
    assert not answers(url)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def test_a_stopped_job_keeps_its_log_until_it_is_purged(site):
    spec = site.send(site.spec(shell("main", "echo remembered; exec sleep 60")))
    state = site.wait(spec, JobStatus.RUNNING)
    assert site.output(state, holds="remembered")
    site.adapter.stop(spec.id, NAMESPACE)
    site.wait(spec, JobStatus.STOPPED)
    assert site.output(state) == "remembered\n"
    site.adapter.purge(spec.id, NAMESPACE)
    eventually(lambda: forgotten(site, spec), bool)


def forgotten(site: Site, spec: JobSpec) -> bool:
    try:
        site.state(spec)
    except JobNotFound:
        return True
    return False


def test_stopping_or_purging_an_unknown_job_is_no_error(site):
    site.adapter.stop("serai-nobody", NAMESPACE)
    site.adapter.purge("serai-nobody", NAMESPACE)
    with pytest.raises(JobNotFound):
        site.adapter.state("serai-nobody", NAMESPACE)


def test_sending_twice_runs_once(site):
    spec = site.batch("exec sleep 60")
    site.send(spec)
    first = site.wait(spec, JobStatus.RUNNING)
    site.send(spec)
    time.sleep(1)
    again = site.state(spec)
    assert (again.status, again.allocation_id) == (JobStatus.RUNNING, first.allocation_id)


def test_a_stop_signal_can_be_chosen_and_is_waited_for(site):
    script = "trap 'echo told; exit 0' INT; while :; do sleep 0.1; done"
    spec = site.send(site.spec(shell("main", script, kill_signal="SIGINT")))
    state = site.wait(spec, JobStatus.RUNNING)
    time.sleep(0.5)
    site.adapter.stop(spec.id, NAMESPACE)
    site.wait(spec, JobStatus.STOPPED)
    assert site.output(state) == "told\n"


def test_a_program_that_will_not_stop_is_killed(site):
    spec = site.send(site.spec(shell("main", "trap '' TERM; while :; do sleep 0.1; done", kill_timeout_seconds=1)))
    site.wait(spec, JobStatus.RUNNING)
    time.sleep(0.5)
    site.adapter.stop(spec.id, NAMESPACE)
    state = site.wait(spec, JobStatus.STOPPED)
    assert state.tasks[0].exit_code == 137


def test_a_restart_starts_the_program_anew_in_its_place(site):
    spec = site.send(site.spec(shell("main", "echo here; exec sleep 60")))
    state = site.wait(spec, JobStatus.RUNNING)
    site.output(state, holds="here")
    site.adapter.restart(state.allocation_id, NAMESPACE, "main")
    assert site.output(state, holds="here\nhere\n")
    assert site.wait(spec, JobStatus.RUNNING).allocation_id == state.allocation_id


def test_a_job_that_ended_cannot_be_restarted(site):
    state = site.wait(site.send(site.batch("exit 0")), JobStatus.COMPLETED)
    with pytest.raises(JobRejected, match="cannot be restarted"):
        site.adapter.restart(state.allocation_id, NAMESPACE, "main")


# ── A batch ──────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_that_ends_well_is_completed(site):
    state = site.wait(site.send(site.batch("echo done")), *ENDED)
    assert (state.status, state.reason) == (JobStatus.COMPLETED, None)
    (task,) = state.tasks
    assert (task.state, task.failed, task.exit_code) == ("dead", False, 0)
    assert task.started < task.finished


@pytest.mark.parametrize(
    ("script", "words"),
    [("exit 3", "The program ended with exit code 3."), ("kill -9 $$", "was killed"), ("kill -11 $$", "SIGSEGV")],
)
def test_a_batch_that_ends_badly_has_failed_and_says_how(site, script, words):
    state = site.wait(site.send(site.batch(script)), *ENDED)
    assert state.status is JobStatus.FAILED
    assert words in state.reason.sentence
    assert state.reason.evidence["task"] == "main"


def test_a_program_that_is_not_there_is_said(site):
    spec = site.spec(TaskSpec("main", command="/no/such/program"), kind=JobKind.BATCH)
    state = site.wait(site.send(spec), *ENDED)
    assert state.reason.sentence == "The program was not found on the node."


def test_a_service_that_ends_well_has_failed_since_it_should_go_on(site):
    state = site.wait(site.send(site.spec(shell("main", "exit 0"))), *ENDED)
    assert state.status is JobStatus.FAILED
    assert "a service should go on" in state.reason.sentence


@pytest.mark.slow
def test_a_restart_is_said_while_it_waits_and_counted_in_the_end(site):
    spec = site.send(site.spec(shell("main", "exit 4", restarts=1)))
    waiting = eventually(lambda: site.state(spec), lambda state: state.reason)
    assert waiting.status is JobStatus.STARTING
    assert "starts again in" in waiting.reason.sentence
    state = site.wait(spec, *ENDED)
    assert state.reason.sentence == "The program ended with exit code 4. It was restarted once before."


# ── Tasks before, beside and after ───────────────────────────────────────────────────────────────


def test_a_batch_that_fails_is_tried_again_until_it_ends_well(site):
    tries = "echo x >> $NOMAD_ALLOC_DIR/tries; [ $(wc -l < $NOMAD_ALLOC_DIR/tries) -gt 1 ] || exit 3"
    state = site.wait(site.send(site.batch(tries, restarts=2)), *ENDED)
    [main] = state.tasks
    assert (state.status, main.restarts, main.exit_code) == (JobStatus.COMPLETED, 1, 0)


def test_a_batch_that_fails_for_good_says_with_which_code_and_after_how_many_tries(site):
    state = site.wait(site.send(site.batch("exit 7", restarts=1)), *ENDED)
    [main] = state.tasks
    assert (state.status, main.restarts, main.exit_code) == (JobStatus.FAILED, 1, 7)


def test_the_longest_script_that_is_taken_arrives_whole(site):
    script = "# {{ ${x} %{y} é\n" * 9_999 + "print('all of it')\n"
    main = TaskSpec(
        "main", command="/usr/bin/python3", args=("local/script.py",), files=(File("local/script.py", script),)
    )
    state = site.wait(site.send(site.spec(main, kind=JobKind.BATCH)), *ENDED)
    assert site.output(state, holds="\n") == "all of it\n"


def test_the_program_waits_for_what_comes_before_it(site):
    before = shell("packages", "sleep 1; echo ready > ../alloc/data/ready", lifecycle=Lifecycle.PRESTART)
    spec = site.send(site.spec(before, shell("main", "cat ../alloc/data/ready; exec sleep 60")))
    stages = set()
    state = eventually(
        lambda: site.state(spec), lambda state: stages.add(state.stage) or state.status is JobStatus.RUNNING
    )
    assert Stage.PACKAGES in stages
    assert site.output(state, holds="ready")


def test_what_fails_before_the_program_is_to_blame(site):
    before = shell("packages", "exit 7", lifecycle=Lifecycle.PRESTART)
    state = site.wait(site.send(site.spec(before, shell("main", "exec sleep 60"))), *ENDED)
    assert state.status is JobStatus.FAILED
    assert state.reason.sentence == "Installing the module's packages failed (exit code 7)."


def test_a_sidecar_lives_beside_the_program_and_ends_with_it(site):
    beside = shell("beside", "exec sleep 60", lifecycle=Lifecycle.POSTSTART_SIDECAR)
    after = shell("after", "echo swept", lifecycle=Lifecycle.POSTSTOP)
    spec = site.send(site.spec(shell("main", "exec sleep 60"), beside, after))
    running = eventually(
        lambda: site.state(spec), lambda state: [task.state for task in state.tasks].count("running") == 2
    )
    site.adapter.stop(spec.id, NAMESPACE)
    stopped = site.wait(spec, JobStatus.STOPPED)
    assert {task.state for task in stopped.tasks} == {"dead"}
    assert site.output(running, "after", holds="swept")


# ── What a task is given ─────────────────────────────────────────────────────────────────────────

TRICKY = "${NOMAD_JOB_ID} $${NOMAD_JOB_ID} $%{if} %%{a} two words ünï 'q' \"d\" #x"


def test_what_a_person_typed_reaches_the_program_as_it_was(site):
    task = shell("main", 'printf "%s\\n" "$1" "$TYPED"', env={"TYPED": literal(TRICKY)})
    task = TaskSpec("main", command=task.command, args=(*task.args, "sh", literal(TRICKY)), env=task.env)
    state = site.wait(site.send(site.spec(task, kind=JobKind.BATCH)), *ENDED)
    assert site.output(state, holds="\n") == f"{TRICKY}\n{TRICKY}\n"


@pytest.mark.parametrize("value", ["plain-token_1=", TRICKY, "line\nbreak\ttab \\ back", " padded "])
def test_a_secret_reaches_the_program_whole_and_no_job_shows_it(site, value):
    spec = site.spec(shell("main", 'printf "%s" "<$KEY>"', secrets=("KEY",)), kind=JobKind.BATCH)
    state = site.wait(site.send(spec, KEY=value), *ENDED)
    assert site.output(state, holds=">") == f"<{value}>"
    with site.agent.client() as client:
        told = client.get(f"job/{spec.id}", params={"namespace": NAMESPACE}).text
    assert value not in told


def test_a_file_is_there_as_it_was_written(site):
    text = '{{ with nomadVar "x" }} ${NOMAD_JOB_ID} <%0< ünï\n'
    files = (File("local/note.txt", text), File("local/run.sh", "#!/bin/sh\ncat local/note.txt\n", executable=True))
    spec = site.spec(
        TaskSpec("main", command="/bin/sh", args=("-c", "exec local/run.sh"), files=files), kind=JobKind.BATCH
    )
    assert site.output(site.wait(site.send(spec), *ENDED), holds="\n") == text


def test_a_secret_that_is_gone_keeps_its_task_waiting_with_the_reason(site):
    spec = site.spec(shell("main", "exit 0", secrets=("KEY",)), kind=JobKind.BATCH)
    body = {"Job": site.adapter.job_json(spec)}
    with site.agent.client() as client:  # as if the variable was deleted between our two calls
        client.post("jobs", params={"namespace": NAMESPACE}, json=body).raise_for_status()
    site.sent.append(spec.id)
    state = eventually(lambda: site.state(spec), lambda state: state.reason)
    assert state.status is JobStatus.STARTING
    assert "waits for a secret" in state.reason.sentence


# ── What has no place ────────────────────────────────────────────────────────────────────────────


def small(**changes: Any) -> TaskSpec:
    return shell("main", "exit 0", **changes)


@pytest.mark.parametrize(
    ("task", "where", "words"),
    [
        (small(resources=Resources(memory_mb=50_000_000)), None, "50,000,000 MB of memory; the largest node"),
        (small(resources=Resources(cpu_cores=5_000)), None, "5,000 cores of CPU; the largest node"),
        (small(resources=Resources(gpu=Device(model="H100"))), None, "has no GPUs"),
        (small(), "nowhere", "There is no node in nowhere"),
        (small(env={"A": "${meta.serai_moon}"}), None, "offers moon"),
    ],
)
def test_what_has_no_place_waits_with_its_reason_and_the_forecast_says_so_before(site, task, where, words):
    spec = site.spec(task, kind=JobKind.BATCH, datacenters=(where or site.agent.datacenter,))
    forecast = site.adapter.plan(spec)
    assert not forecast.placeable
    assert words in forecast.reason.sentence
    state = eventually(lambda: site.state(site.send(spec)), lambda state: state.reason)
    assert state.status is JobStatus.PENDING
    assert state.reason.sentence == forecast.reason.sentence
    assert next(one for one in site.adapter.states(spec.id)).reason == state.reason


def test_what_has_a_place_is_forecast_so_and_a_forecast_starts_nothing(site):
    spec = site.batch("exit 0")
    assert site.adapter.plan(spec).placeable
    with pytest.raises(JobNotFound):
        site.state(spec)


def test_a_job_that_nobody_takes_is_rejected_with_the_reasons(site):
    with pytest.raises(JobRejected, match="priority"):
        site.adapter.submit(site.spec(small(), priority=500), {})


# ── News, logs, figures ──────────────────────────────────────────────────────────────────────────


def test_one_call_tells_all_jobs_the_same_as_one_by_one(site):
    specs = [site.send(site.batch(script)) for script in ("exit 0", "exit 3", "exec sleep 60")]
    for spec, status in zip(specs, (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.RUNNING), strict=True):
        site.wait(spec, status)
    listed = {state.job_id: state for state in site.adapter.states("serai-")}
    for spec in specs:
        assert listed[spec.id] == site.state(spec)


def test_events_tell_of_a_job_within_a_second_and_in_order(site):
    heard: list[tuple[float, Any]] = []
    since = max((state.index for state in site.adapter.states("serai-")), default=0)
    threading.Thread(target=listen, args=(site.adapter, since, heard), daemon=True).start()
    eventually(lambda: heard, lambda heard: heard)  # its first sign of life
    spec = site.send(site.batch("sleep 0.3"))
    state = site.wait(spec, JobStatus.COMPLETED)
    ended = time.monotonic()
    with site.agent.client() as client:
        path, query = f"allocation/{state.allocation_id}", {"namespace": NAMESPACE}
        end_index = client.get(path, params=query).json()["ModifyIndex"]

    def about() -> list[tuple[float, Any]]:
        return [(at, event) for at, event in heard if event and event.job_id == spec.id]

    of_its_end = eventually(about, lambda found: found and found[-1][1].index >= end_index)[-1]
    assert of_its_end[0] - ended < 1
    indexes = [event.index for _at, event in about()]
    assert indexes == sorted(indexes)
    assert {event.namespace for _at, event in about()} == {NAMESPACE}


def listen(adapter: NomadAdapter, since: int, heard: list[tuple[float, Any]]) -> None:
    with suppress(Unreachable):  # at the end of the tests the agent ends before we do
        for event in adapter.events(since):
            heard.append((time.monotonic(), event))


def test_a_log_can_be_read_from_any_byte(site):
    state = site.wait(site.send(site.batch("echo one; echo two >&2; printf three")), *ENDED)
    assert site.output(state, holds="three") == "one\nthree"
    assert site.output(state, stream="stderr", holds="two") == "two\n"
    assert site.adapter.log(state.allocation_id, NAMESPACE, "main", "stdout", 4) == b"three"
    assert site.adapter.log(state.allocation_id, NAMESPACE, "main", "stdout", 9) == b""
    assert site.adapter.log(state.allocation_id, NAMESPACE, "main", "stdout", 5_000) == b""


def test_the_log_of_what_is_unknown_is_not_found(site):
    with pytest.raises(JobNotFound):
        site.adapter.log(str(uuid.uuid4()), NAMESPACE, "main", "stdout")


def test_a_log_is_followed_line_by_line_until_the_program_ends(site):
    state = site.wait(site.send(site.batch("for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done")), JobStatus.RUNNING)
    came: list[float] = []
    pieces = []
    for piece in itertools.islice(site.adapter.follow_log(state.allocation_id, NAMESPACE, "main", "stdout"), 20):
        pieces.append(piece)
        came.append(time.monotonic())
    assert b"".join(pieces) == b"1\n2\n3\n4\n5\n6\n"
    assert came[-1] - came[0] > 0.5


def test_a_running_job_says_what_it_uses(site):
    busy = "exec /usr/bin/python3 -c 'data = bytearray(30_000_000)\nwhile True: pass'"
    spec = site.send(site.batch(busy, resources=Resources(0.5, 200)))
    state = site.wait(spec, JobStatus.RUNNING)
    read = lambda: site.adapter.usage(state.allocation_id, NAMESPACE)  # noqa: E731
    used = eventually(read, lambda usage: usage and usage.cpu_cores > 0.05 and usage.memory_bytes > 25_000_000)
    assert used.cpu_cores < 4
    assert set(used.per_task) == {"main"}


def test_a_job_that_ended_keeps_no_core_busy(site):
    state = site.wait(site.send(site.batch("exit 0")), *ENDED)
    used = site.adapter.usage(state.allocation_id, NAMESPACE)  # Nomad keeps the last figures for a while
    assert used is None or used.cpu_cores == 0


def test_a_namespace_is_made_once_and_keeps_jobs_apart(site):
    site.adapter.ensure_namespace("bob")
    fresh = NomadAdapter(site.agent.address, token=site.agent.token, region=site.agent.region, drivers=TRUSTED)
    fresh.ensure_namespace("bob")
    spec = site.send(site.batch("exit 0"))
    with pytest.raises(JobNotFound):
        fresh.state(spec.id, "bob")


def test_the_json_for_people_is_what_is_sent(site):
    spec = site.batch("exit 0")
    assert site.adapter.job_json(spec)["ID"] == spec.id
    assert Path(spec.tasks[0].command).name in str(site.adapter.job_json(spec))
