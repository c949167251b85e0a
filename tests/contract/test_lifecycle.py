"""The order of a group's tasks: prestart, sidecars, main, poststart, poststop."""

import pytest

from .cluster import event, events, finished, hook, job, shell, started, state

pytestmark = pytest.mark.slow

STAYS = "exec sleep 100"


def test_main_waits_for_prestart_tasks_and_started_sidecars(cluster, job_id):
    tasks = (
        shell("sleep 0.5", name="prepare", Lifecycle=hook("prestart")),
        shell(STAYS, name="mount", Lifecycle=hook("prestart", sidecar=True)),
        shell("true"),
        shell("echo tidy", name="cleanup", Lifecycle=hook("poststop")),
    )
    cluster.register(job(job_id, *tasks))
    allocation = cluster.ended(job_id)
    assert allocation["ClientStatus"] == "complete"
    assert started(allocation, "main") >= finished(allocation, "prepare")
    assert started(allocation, "main") >= started(allocation, "mount")
    assert finished(allocation, "mount") >= finished(allocation, "main")
    assert started(allocation, "cleanup") >= finished(allocation, "mount")
    assert events(allocation, "mount")[-4:] == ["Main Tasks Dead", "Killing", "Terminated", "Killed"]
    assert cluster.log(allocation, "cleanup") == "tidy\n"


def test_a_poststart_sidecar_starts_after_main_and_ends_with_it(cluster, job_id):
    tasks = shell("sleep 1"), shell(STAYS, name="ui", Lifecycle=hook("poststart", sidecar=True))
    cluster.register(job(job_id, *tasks))
    allocation = cluster.ended(job_id)
    assert allocation["ClientStatus"] == "complete"
    assert started(allocation, "ui") >= started(allocation, "main")
    assert finished(allocation, "ui") >= finished(allocation, "main")
    assert "Main Tasks Dead" in events(allocation, "ui")


def test_while_prestart_runs_the_allocation_runs_and_main_is_pending(cluster, job_id):
    cluster.register(job(job_id, shell("sleep 30", name="prepare", Lifecycle=hook("prestart")), shell("true")))
    allocation = cluster.running(job_id, "prepare")
    assert allocation["ClientStatus"] == "running"
    assert state(allocation, "main") == "pending"


def test_a_failing_prestart_task_keeps_main_from_starting(cluster, job_id):
    tasks = (
        shell("exit 7", name="prepare", Lifecycle=hook("prestart")),
        shell("echo never"),
        shell("echo tidy", name="cleanup", Lifecycle=hook("poststop")),
    )
    cluster.register(job(job_id, *tasks))
    allocation = cluster.ended(job_id)
    assert allocation["ClientStatus"] == "failed"
    assert allocation["TaskStates"]["prepare"]["Failed"]
    assert not allocation["TaskStates"]["main"]["Failed"]
    assert allocation["TaskStates"]["main"]["StartedAt"] is None
    assert event(allocation, "Sibling Task Failed")["FailedSibling"] == "prepare"
    assert cluster.log(allocation, "cleanup") == "tidy\n"


def test_a_failing_sidecar_takes_main_with_it(cluster, job_id):
    tasks = (
        shell("sleep 1; exit 9", name="mount", Lifecycle=hook("prestart", sidecar=True)),
        shell(STAYS),
    )
    cluster.register(job(job_id, *tasks, kind="service"))
    allocation = cluster.ended(job_id)
    assert allocation["ClientStatus"] == "failed"
    assert event(allocation, "Sibling Task Failed")["DisplayMessage"] == 'Task\'s sibling "mount" failed'
    assert events(allocation)[-2:] == ["Terminated", "Killed"]


def test_on_stop_main_goes_first_then_sidecars_then_cleanup(cluster, job_id):
    tasks = (
        shell(STAYS, name="mount", Lifecycle=hook("prestart", sidecar=True)),
        shell('trap "sleep 0.5; exit 0" INT; echo on; while :; do sleep 0.1; done'),
        shell("echo tidy", name="cleanup", Lifecycle=hook("poststop")),
    )
    cluster.register(job(job_id, *tasks, kind="service"))
    cluster.log_with("on", cluster.running(job_id))
    cluster.stop(job_id)
    allocation = cluster.ended(job_id)
    assert allocation["ClientStatus"] == "complete"
    assert finished(allocation, "main") <= finished(allocation, "mount") <= started(allocation, "cleanup")


def test_a_job_stopped_while_it_prepares_never_starts_main(cluster, job_id):
    cluster.register(job(job_id, shell(STAYS, name="prepare", Lifecycle=hook("prestart")), shell("true")))
    cluster.running(job_id, "prepare")
    cluster.stop(job_id)
    allocation = cluster.ended(job_id)
    assert allocation["ClientStatus"] == "complete"
    assert allocation["TaskStates"]["main"]["StartedAt"] is None
