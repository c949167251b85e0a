"""What a job does, read from allocations and task states."""

import json
from pathlib import Path

import pytest
from django.conf import settings

from datacenters.interface import Endpoint, JobStatus, Reason, Stage
from datacenters.nomad.sanity import sane
from datacenters.nomad.states import job_state, needs_evaluations

from .shapes import allocation, ended, evaluation, event, failed_task, job, task

FULL = Reason("All GPUs are in use.")
RECORDED = Path(settings.SERAI_SHARED) / "nomad-api"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded answers of a real Nomad in {RECORDED}")


def state_of(the_job, *allocations, evaluations=()):
    return job_state(the_job, allocations, evaluations, why=lambda _metrics: FULL, datacenter_of=lambda _node: "dc1")


MAIN_UP = {"main": task("running", event("Started"))}
MAIN_WAITS = task("pending", event("Received"))
PULLS = event("Driver", "Downloading image", image="ai4oshub/x:1")


@pytest.mark.parametrize(
    ("the_job", "allocations", "evaluations", "status", "stage"),
    [
        (job(), [], [], JobStatus.PENDING, None),
        (job(), [], [evaluation("pending")], JobStatus.PENDING, None),
        (job(), [], [evaluation("blocked", NodesEvaluated=1)], JobStatus.PENDING, None),
        (job(), [allocation("pending", TaskStates=None)], [], JobStatus.STARTING, Stage.PLACED),
        (job(), [allocation("pending", TaskStates={"main": MAIN_WAITS})], [], JobStatus.STARTING, Stage.STARTING),
        (
            job(),
            [allocation("pending", TaskStates={"main": task("pending", PULLS)})],
            [],
            JobStatus.STARTING,
            Stage.PACKAGES,
        ),
        (
            job(),
            [allocation(TaskStates={"packages": task("running"), "storage": task("running"), "main": MAIN_WAITS})],
            [],
            JobStatus.STARTING,
            Stage.PACKAGES,
        ),
        (
            job(),
            [allocation(TaskStates={"packages": task("dead"), "datasets": task("running"), "main": MAIN_WAITS})],
            [],
            JobStatus.STARTING,
            Stage.DATASETS,
        ),
        (
            job(),
            [allocation(TaskStates={"packages": task("dead"), "main": MAIN_WAITS})],
            [],
            JobStatus.STARTING,
            Stage.STARTING,
        ),
        (job(), [allocation(TaskStates=MAIN_UP)], [], JobStatus.RUNNING, Stage.HEALTH),
        (job(Type="batch"), [allocation(TaskStates=MAIN_UP)], [], JobStatus.RUNNING, None),
        (job(Stop=True), [allocation(TaskStates=MAIN_UP)], [], JobStatus.STOPPING, None),
        (job(Stop=True), [allocation("complete", DesiredStatus="stop")], [], JobStatus.STOPPED, None),
        (job(Stop=True), [], [], JobStatus.STOPPED, None),
        (job(Stop=True), [allocation("unknown")], [], JobStatus.UNKNOWN, None),
        (job(Type="batch", Status="dead"), [allocation("complete")], [], JobStatus.COMPLETED, None),
        (job(Status="dead"), [allocation("complete")], [], JobStatus.FAILED, None),
        (job(), [allocation("failed", TaskStates={"main": failed_task(ended(3))})], [], JobStatus.FAILED, None),
        (job(), [allocation("unknown", TaskStates=MAIN_UP)], [], JobStatus.UNKNOWN, None),
        (job(), [allocation("lost", DesiredStatus="stop")], [], JobStatus.UNKNOWN, None),
        (job(), [allocation("complete", DesiredStatus="stop")], [], JobStatus.PENDING, None),
        (job(Status="dead"), [], [], JobStatus.UNKNOWN, None),
    ],
)
def test_the_status_comes_from_allocations_and_tasks(the_job, allocations, evaluations, status, stage):
    state = state_of(the_job, *allocations, evaluations=evaluations)
    assert (state.status, state.stage) == (status, stage)


def test_a_service_that_nomad_calls_running_but_that_has_no_place_is_pending_with_its_reason():
    state = state_of(job(Status="running"), evaluations=[evaluation("blocked", NodesEvaluated=1)])
    assert (state.status, state.reason) == (JobStatus.PENDING, FULL)


def test_the_newest_allocation_counts():
    old = allocation("failed", TaskStates={"main": failed_task(ended(1))}, CreateIndex=5)
    assert state_of(job(), allocation(TaskStates=MAIN_UP, CreateIndex=20), old).status is JobStatus.RUNNING


def test_an_old_failure_to_place_says_nothing_about_a_job_that_had_a_place_since():
    moved = allocation("complete", DesiredStatus="stop", CreateIndex=50)
    assert needs_evaluations(job(), [moved])
    assert state_of(job(), moved, evaluations=[evaluation("blocked", NodesEvaluated=1)]).reason is None


def test_the_index_is_the_newest_of_all_that_was_read():
    assert state_of(job(ModifyIndex=10), allocation(TaskStates=MAIN_UP, ModifyIndex=31)).index == 31
    assert state_of(job(ModifyIndex=40), allocation(TaskStates=MAIN_UP, ModifyIndex=31)).index == 40


def test_one_call_and_a_list_of_all_count_the_same_index():
    blocked, done = evaluation("blocked", NodesEvaluated=1), evaluation("complete") | {"ModifyIndex": 99}
    assert state_of(job(), evaluations=[blocked, done]).index == state_of(job(), evaluations=[blocked]).index


def test_a_running_job_says_where_it_answers_and_a_finished_one_does_not():
    running = state_of(job(), allocation(TaskStates=MAIN_UP))
    assert running.endpoints == (Endpoint("api", "127.0.0.1", 21000),)
    assert (running.datacenter, running.node) == ("dc1", "dc1-1")
    assert state_of(job(Type="batch"), allocation("complete")).endpoints == ()


def test_a_restart_is_said_with_its_delay():
    waiting = task("pending", ended(4), event("Restarting", "", start_delay="6300000000"), Restarts=2)
    state = state_of(job(), allocation("pending", TaskStates={"main": waiting}))
    assert state.status is JobStatus.STARTING
    assert state.reason.sentence == "The program ended with exit code 4 and starts again in 6 s."


def test_a_missing_secret_is_said():
    waiting = task("pending", event("Template", "Missing: nomad.var.block(nomad/jobs/x@ada.global)"))
    state = state_of(job(), allocation("pending", TaskStates={"main": waiting}))
    assert state.reason.sentence == "The program waits for a secret that the datacenter does not have."


def test_an_image_that_is_fetched_is_named():
    state = state_of(job(), allocation("pending", TaskStates={"main": task("pending", PULLS)}))
    assert state.reason.sentence == "The node fetches the image ai4oshub/x:1."


def test_all_main_tasks_must_be_up():
    states = {"web": task("running"), "ui": task("pending")}
    state = state_of(job(Meta={"serai_main": "web,ui"}), allocation(TaskStates=states))
    assert state.status is JobStatus.STARTING


DRIVER = "Failed to pull `nope/none:9`: Error response from daemon"


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([ended(3)], "The program ended with exit code 3."),
        (
            [event("Terminated", "Exit Code: -1", exit_code="-1", exit_message="its watcher was ended")],
            "The program was lost: its watcher was ended.",
        ),
        ([ended(0, oom=True)], "The program was ended because it needed more than its 1,000 MB of memory."),
        ([ended(137, 9)], "The program was killed, most likely because memory ran out (it had 1,000 MB)."),
        ([ended(139, 11)], "The program crashed in compiled code (SIGSEGV)."),
        ([ended(0)], "The program ended, although a service should go on (exit code 0)."),
        ([event("Driver Failure", DRIVER)], "The image nope/none:9 could not be fetched."),
        (
            [event("Driver Failure", 'rpc error: code = Unknown desc = binary "/x" could not be found')],
            "The program was not found on the node.",
        ),
        ([event("Driver Failure", "runc: denied")], "The program could not be started: runc: denied."),
        (
            [event("Failed Artifact Download", 'failed to download artifact "http://a/x": refused')],
            "A file that the program needs could not be downloaded (http://a/x).",
        ),
        (
            [event("Killing", "Template failed: parse error")],
            "A file of the program could not be written: Template failed: parse error.",
        ),
        ([event("Disk Resources Exceeded")], "The program wrote more than its disk space."),
        ([event("Task hook failed", "validate: bad")], "The program could not be set up: validate: bad."),
        ([event("Something New", "odd")], "The program failed: odd."),
    ],
)
def test_each_failure_is_one_plain_sentence(events, sentence):
    state = state_of(job(), allocation("failed", TaskStates={"main": failed_task(*events)}))
    assert state.reason.sentence == sentence


def test_a_failure_brings_its_numbers():
    state = state_of(job(), allocation("failed", TaskStates={"main": failed_task(ended(3))}))
    assert state.reason.evidence == {"task": "main", "exit_code": 3, "signal": 0, "memory_mb": 1000}


def test_the_task_that_failed_first_is_to_blame_not_its_siblings():
    states = {
        "main": task("dead", event("Sibling Task Failed", "", failed_sibling="packages")),
        "packages": failed_task(ended(7), FinishedAt="2026-11-21T10:00:00Z"),
        "cleanup": failed_task(ended(1), FinishedAt="2026-11-21T10:00:05Z"),
    }
    reason = state_of(job(), allocation("failed", TaskStates=states)).reason
    assert reason.sentence == "Installing the module's packages failed (exit code 7)."
    assert "packages" in reason.advice


def test_restarts_before_the_end_are_counted():
    states = {"main": failed_task(ended(1), Restarts=2)}
    reason = state_of(job(), allocation("failed", TaskStates=states)).reason
    assert reason.sentence == "The program ended with exit code 1. It was restarted 2 times before."


def test_a_program_whose_client_lost_hold_of_it_ended_with_a_code_that_nobody_knows():
    """As Nomad tells it with -1; taken for a lie it would hide all other jobs of the cluster."""
    states = {"main": failed_task(ended(-1))}
    assert sane(state_of(job(), allocation("failed", TaskStates=states))).tasks[0].exit_code is None


def test_a_node_that_could_not_even_begin_is_said():
    broken = allocation("failed", TaskStates=None, ClientDescription="failed to setup alloc: no space left on device")
    assert "no space left on device" in state_of(job(), broken).reason.sentence


# ── What a real Nomad said ───────────────────────────────────────────────────────────────────────


@recorded
@pytest.mark.parametrize(
    ("name", "kind", "status", "words"),
    [
        ("alloc.get.running", "service", JobStatus.RUNNING, ""),
        ("alloc.product.running", "service", JobStatus.RUNNING, ""),
        ("alloc.product.docker.running", "service", JobStatus.RUNNING, ""),
        ("alloc.state.reconnected", "service", JobStatus.RUNNING, ""),
        ("alloc.state.pending-template", "service", JobStatus.STARTING, "waits for a secret"),
        ("alloc.state.restart_delay", "service", JobStatus.STARTING, "starts again in 3 s"),
        ("alloc.state.complete-batch", "batch", JobStatus.COMPLETED, ""),
        ("alloc.state.failed-exit", "service", JobStatus.FAILED, "exit code 3"),
        ("alloc.state.oom-docker", "service", JobStatus.FAILED, "more than its 20 MB of memory"),
        ("alloc.state.noimage", "service", JobStatus.FAILED, "image nope/none:9 could not be fetched"),
        ("alloc.state.artifact", "service", JobStatus.FAILED, "could not be downloaded"),
        ("alloc.state.prestart-fail", "service", JobStatus.FAILED, "“pre” ended with exit code 7"),
        ("alloc.state.sidecar-fail", "service", JobStatus.FAILED, "“side” ended with exit code 9"),
        ("alloc.failed.driver_error.privileged", "service", JobStatus.FAILED, "“storage_mount” could not be started"),
        ("alloc.state.unknown_node_disconnected", "service", JobStatus.UNKNOWN, "out of reach"),
        ("alloc.state.lost_node_down", "service", JobStatus.UNKNOWN, "was lost"),
    ],
)
def test_a_recorded_allocation_reads_as_it_was(name, kind, status, words):
    recorded_one = json.loads((RECORDED / f"{name}.json").read_text())
    state = state_of(job(Type=kind, Meta={}, ID=recorded_one["JobID"]), recorded_one)
    assert state.status is status
    assert words in (state.reason.sentence if state.reason else "")
    assert all(one.events == tuple(sorted(one.events)) for one in state.tasks)


@recorded
@pytest.mark.parametrize("name", ["alloc.state.kill-timeout", "alloc.product.stopped"])
def test_a_recorded_stop_reads_as_stopped(name):
    recorded_one = json.loads((RECORDED / f"{name}.json").read_text())
    assert state_of(job(Stop=True), recorded_one).status is JobStatus.STOPPED


def test_cleaning_up_after_the_program_is_no_new_start():
    waits = allocation("pending", TaskStates={"main": task("dead"), "storages-end": task("pending")})
    assert state_of(job(), waits).status is JobStatus.RUNNING


def test_a_start_that_failed_says_at_which_stage():
    failed = allocation("failed", TaskStates={"storage-wait": failed_task(event("Terminated", exit_code="1"))})
    assert state_of(job(), failed).stage is Stage.STORAGE
