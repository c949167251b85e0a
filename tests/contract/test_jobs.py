"""A job's way from register to purge."""

import pytest

from .cluster import SECOND, event, events, job, restarts, shell

pytestmark = pytest.mark.slow


def test_a_batch_job_runs_to_its_end(cluster, job_id):
    answer = cluster.register(job(job_id, shell("echo done")))
    allocation = cluster.ended(job_id)
    assert answer["JobModifyIndex"] > 0
    assert answer["EvalID"] == allocation["EvalID"]
    assert allocation["ClientStatus"] == "complete"
    assert allocation["DesiredStatus"] == "run"
    assert events(allocation) == ["Received", "Task Setup", "Started", "Terminated"]
    assert cluster.get(f"job/{job_id}")["Status"] == "dead"


def test_a_failed_job_says_its_exit_code(cluster, job_id):
    cluster.register(job(job_id, shell("exit 3")))
    allocation = cluster.ended(job_id)
    assert allocation["ClientStatus"] == "failed"
    assert allocation["TaskStates"]["main"]["Failed"]
    assert event(allocation, "Terminated")["ExitCode"] == 3
    assert event(allocation, "Not Restarting")["DisplayMessage"] == "Policy allows no restarts"


def test_a_task_ended_by_a_signal_says_which(cluster, job_id):
    cluster.register(job(job_id, shell("kill -TERM $$")))
    ended = event(cluster.ended(job_id), "Terminated")
    assert (ended["ExitCode"], ended["Signal"]) == (143, 15)
    assert ended["Details"]["oom_killed"] == "false"


def test_a_service_that_ends_well_has_failed_all_the_same(cluster, job_id):
    cluster.register(job(job_id, shell("exit 0"), kind="service"))
    assert cluster.ended(job_id)["ClientStatus"] == "failed"


def test_a_program_that_is_not_there_is_a_driver_failure(cluster, job_id):
    cluster.register(job(job_id, shell("", Config={"command": "/nowhere/to/be/found"})))
    allocation = cluster.ended(job_id)
    assert allocation["ClientStatus"] == "failed"
    assert "/nowhere/to/be/found" in event(allocation, "Driver Failure")["DriverError"]
    assert allocation["TaskStates"]["main"]["StartedAt"] is None


def test_a_failing_task_is_restarted_as_its_policy_says(cluster, job_id):
    cluster.register(job(job_id, shell("echo once more; exit 1", RestartPolicy=restarts(1))))
    allocation = cluster.ended(job_id)
    assert allocation["TaskStates"]["main"]["Restarts"] == 1
    assert cluster.log(allocation) == "once more\n" * 2
    delay = event(allocation, "Restarting")["StartDelay"]
    assert SECOND <= delay <= 1.26 * SECOND
    assert "Exceeded allowed attempts 1 in interval 1m0s" in event(allocation, "Not Restarting")["RestartReason"]


def test_a_restart_delay_shows_as_pending(cluster, job_id):
    cluster.register(job(job_id, shell("exit 1", RestartPolicy=restarts(1, delay=30)), kind="service"))
    allocation = cluster.allocation(job_id, lambda one: "Restarting" in events(one))
    assert allocation["ClientStatus"] == "pending"
    assert allocation["TaskStates"]["main"]["State"] == "pending"


def test_a_stopped_job_keeps_its_states_and_logs(cluster, job_id):
    cluster.register(job(job_id, shell("echo here; exec sleep 100"), kind="service"))
    running = cluster.running(job_id)
    cluster.log_with("here", running)
    cluster.stop(job_id)
    allocation = cluster.ended(job_id)
    assert (allocation["ClientStatus"], allocation["DesiredStatus"]) == ("complete", "stop")
    assert allocation["DesiredDescription"] == "alloc not needed due to job update"
    assert events(allocation)[-3:] == ["Killing", "Terminated", "Killed"]
    assert cluster.log(allocation) == "here\n"
    stopped = cluster.get(f"job/{job_id}")
    assert (stopped["Stop"], stopped["Status"]) == (True, "dead")


def test_a_task_gets_the_signal_it_asked_for(cluster, job_id):
    script = 'trap "echo told to go; exit 0" USR1; echo ready; while :; do sleep 0.1; done'
    cluster.register(job(job_id, shell(script, KillSignal="SIGUSR1"), kind="service"))
    cluster.log_with("ready", cluster.running(job_id))
    cluster.stop(job_id)
    assert "told to go" in cluster.log(cluster.ended(job_id))


def test_a_task_that_will_not_go_is_ended_hard_after_its_timeout(cluster, job_id):
    script = 'trap "" INT TERM; echo deaf; while :; do sleep 0.1; done'
    cluster.register(job(job_id, shell(script, KillTimeout=2 * SECOND), kind="service"))
    cluster.log_with("deaf", cluster.running(job_id))
    cluster.stop(job_id)
    allocation = cluster.ended(job_id)
    ended = event(allocation, "Terminated")
    assert (ended["ExitCode"], ended["Signal"]) == (137, 9)
    assert event(allocation, "Killing")["KillTimeout"] == 2 * SECOND
    assert allocation["ClientStatus"] == "complete"


def test_a_stopped_job_registered_again_starts_anew(cluster, job_id):
    one = job(job_id, shell("exec sleep 100"), kind="service")
    cluster.register(one)
    first = cluster.running(job_id)
    cluster.stop(job_id)
    cluster.ended(job_id)
    cluster.register(one)
    second = cluster.allocation(job_id, lambda a: a["ID"] != first["ID"] and a["ClientStatus"] == "running")
    assert cluster.get(f"job/{job_id}")["Stop"] is False
    assert {a["ID"] for a in cluster.allocations(job_id)} == {first["ID"], second["ID"]}


def test_the_same_job_sent_twice_runs_once(cluster, job_id):
    one = job(job_id, shell("exec sleep 100"), kind="service")
    cluster.register(one)
    first = cluster.running(job_id)
    cluster.register(one)
    assert [a["ID"] for a in cluster.allocations(job_id)] == [first["ID"]]
    assert cluster.get(f"job/{job_id}")["Version"] == 0


def test_a_finished_job_sent_again_unchanged_stays_finished(cluster, job_id):
    one = job(job_id, shell("exit 3"))
    cluster.register(one)
    first = cluster.ended(job_id)
    cluster.register(one)
    assert [a["ID"] for a in cluster.allocations(job_id)] == [first["ID"]]


def test_a_changed_job_replaces_what_runs(cluster, job_id):
    cluster.register(job(job_id, shell("exec sleep 100"), kind="service"))
    first = cluster.running(job_id)
    cluster.register(job(job_id, shell("exec sleep 200"), kind="service"))
    second = cluster.allocation(job_id, lambda a: a["ID"] != first["ID"] and a["ClientStatus"] == "running")
    assert second["ClientStatus"] == "running"
    assert cluster.get(f"job/{job_id}")["Version"] == 1


def test_a_restart_on_demand_waits_for_no_policy(cluster, job_id):
    tasks = shell("echo begun; exec sleep 100", KillSignal="SIGTERM"), shell("exec sleep 100", name="other")
    cluster.register(job(job_id, *tasks, kind="service"))
    running = cluster.allocation(job_id, lambda a: events(a, "main")[-1:] == events(a, "other")[-1:] == ["Started"])
    cluster.log_with("begun", running)
    assert cluster.restart(running, "main").status_code == 200
    again = cluster.allocation(
        job_id, lambda a: a["TaskStates"]["main"]["Restarts"] == 1 and events(a)[-1] == "Started"
    )
    assert events(again)[-4:] == ["Restart Signaled", "Terminated", "Restarting", "Started"]
    assert again["TaskStates"]["other"]["Restarts"] == 0
    cluster.log_with("begun\nbegun\n", again)


def test_what_does_not_run_cannot_be_restarted(cluster, job_id):
    cluster.register(job(job_id, shell("exit 0")))
    ended = cluster.ended(job_id)
    refused = cluster.restart(ended, "main")
    assert (refused.status_code, refused.text) == (500, "Task not running")


def test_a_purged_job_is_gone(cluster, job_id):
    cluster.register(job(job_id, shell("exec sleep 100"), kind="service"))
    cluster.running(job_id)
    cluster.stop(job_id, purge=True)
    assert cluster.http.get(f"job/{job_id}").status_code == 404


def test_stopping_what_nobody_knows_is_no_error(cluster, job_id):
    answer = cluster.http.delete(f"job/{job_id}")
    assert (answer.status_code, answer.json()["EvalID"]) == (200, "")


def test_every_fault_is_named_at_once(cluster, job_id):
    tasks = shell("true", Resources={"CPU": 0, "MemoryMB": 1}), shell("true", name="two", Lifecycle={"Hook": "never"})
    text = cluster.refusal(job(job_id, *tasks, Priority=500))
    for fault in ("minimum CPU value is 1", "minimum MemoryMB value is 10", "invalid hook: never", "between [1, 100]"):
        assert fault in text


def test_a_job_without_groups_is_refused(cluster, job_id):
    assert "Missing job task groups" in cluster.refusal({"ID": job_id, "Name": job_id, "Type": "batch"})


def test_logs_must_fit_the_disk(cluster, job_id):
    large = shell("true", LogConfig={"MaxFiles": 20, "MaxFileSizeMB": 10})
    assert "log storage" in cluster.refusal(job(job_id, large))


def test_an_unknown_namespace_is_refused(cluster, job_id):
    assert "nonexistent namespace" in cluster.refusal(job(job_id, shell("true"), Namespace="nobody-made-me"))


def test_the_namespace_of_the_query_wins(cluster, job_id):
    assert cluster.http.post("namespace", json={"Name": "contract-a"}).status_code == 200
    body = {"Job": job(job_id, shell("true"), Namespace="default")}
    assert cluster.http.post("jobs", json=body, params={"namespace": "contract-a"}).status_code == 200
    assert cluster.http.get(f"job/{job_id}").status_code == 404
    assert cluster.get(f"job/{job_id}", namespace="contract-a")["Namespace"] == "contract-a"
    cluster.http.delete(f"job/{job_id}", params={"namespace": "contract-a", "purge": "true"})


def test_a_list_of_jobs_by_prefix_holds_their_meta(cluster, job_id):
    cluster.register(job(job_id, shell("true"), Meta={"deployment": "42"}))
    (listed,) = cluster.get("jobs", prefix=job_id, meta="true", namespace="*")
    assert (listed["ID"], listed["Namespace"], listed["Meta"]) == (job_id, "default", {"deployment": "42"})
    assert listed["Stop"] is False


def test_a_waiting_query_answers_when_something_changes(cluster, job_id):
    cluster.register(job(job_id, shell("exec sleep 100"), kind="service"))
    cluster.running(job_id)
    before = cluster.http.get(f"job/{job_id}")
    index = int(before.headers["X-Nomad-Index"])
    cluster.stop(job_id)
    after = cluster.http.get(f"job/{job_id}", params={"index": index, "wait": "20s"})
    assert after.json()["Stop"] is True
    assert int(after.headers["X-Nomad-Index"]) > index


def test_a_waiting_query_gives_up_after_its_time(cluster):
    index = cluster.http.get("jobs").headers["X-Nomad-Index"]
    assert cluster.http.get("jobs", params={"index": int(index) + 1_000_000, "wait": "1s"}).status_code == 200
