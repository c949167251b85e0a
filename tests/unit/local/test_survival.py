"""Whatever happens to the agent, no task is lost and none runs twice."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from datacenters.local.supervise import Life
from tests.agents import ROOT, start_local_agent
from tests.contract.cluster import SECOND, Cluster, event, events, hook, job, over, restarts, shell

pytestmark = pytest.mark.slow

COUNT = 'echo run >> "$NOMAD_ALLOC_DIR/data/runs"; '


def runs(agent, allocation) -> int:
    """How often the task has begun, by its own account."""
    return (agent.tasks / "alloc" / allocation["ID"] / "alloc" / "data" / "runs").read_text().count("run")


def pids_saying(mark: str) -> list[int]:
    """Processes with this word among their arguments."""
    return [p.pid for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


def eventually(check, seconds: float = 10):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return found


def alive(pid: int) -> bool:
    """Whether it still does something: what nobody has asked after yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def shim_of(pid: int) -> psutil.Process:
    """The guardian above a task's process."""
    return next(parent for parent in psutil.Process(pid).parents() if "shim.py" in " ".join(parent.cmdline()))


@pytest.fixture
def sleeper(own_cluster, job_id) -> tuple[Cluster, dict, int]:
    """A running service whose one process is known."""
    script = f'{COUNT}exec python3 -c "import time; time.sleep(600)" {job_id}'
    own_cluster.register(job(job_id, shell(script, KillSignal="SIGTERM"), kind="service"))
    allocation = own_cluster.running(job_id)
    (pid,) = eventually(lambda: [p for p in pids_saying(job_id) if "python" in psutil.Process(p).name()])
    return own_cluster, allocation, pid


def test_a_killed_agent_finds_its_tasks_again(sleeper, job_id):
    cluster, before, pid = sleeper
    cluster.agent.kill()
    assert alive(pid)
    cluster.agent.start()
    after = cluster.running(job_id)
    assert (after["ID"], events(after)) == (before["ID"], events(before))
    assert runs(cluster.agent, after) == 1
    cluster.stop(job_id)
    cluster.ended(job_id)
    assert not alive(pid)


def test_a_stopped_agent_leaves_its_tasks_alone_and_is_quick(sleeper, job_id):
    cluster, _, pid = sleeper
    begun = time.monotonic()
    cluster.agent.stop()
    assert time.monotonic() - begun < 3
    assert alive(pid)
    cluster.agent.start()
    assert cluster.running(job_id)["TaskStates"]["main"]["Restarts"] == 0


def test_asked_to_it_stops_the_tasks_first(sleeper, job_id):
    cluster, _, pid = sleeper
    cluster.agent.restart(SERAI_STOP_TASKS="1")
    cluster.agent.stop()
    assert not alive(pid)
    cluster.agent.start()
    allocation = cluster.ended(job_id)
    assert (allocation["ClientStatus"], allocation["DesiredStatus"]) == ("complete", "stop")


def test_what_ended_while_nobody_looked_is_known_afterwards(own_cluster, job_id):
    own_cluster.register(job(job_id, shell(f"{COUNT}echo still talking; sleep 1; echo last words; exit 5")))
    allocation = own_cluster.running(job_id)
    own_cluster.agent.kill()
    time.sleep(1.5)
    own_cluster.agent.start()
    ended = own_cluster.ended(job_id)
    assert ended["ClientStatus"] == "failed"
    assert event(ended, "Terminated")["ExitCode"] == 5
    assert own_cluster.log(ended) == "still talking\nlast words\n"
    assert runs(own_cluster.agent, allocation) == 1


def test_a_batch_that_ended_well_meanwhile_does_not_run_again(own_cluster, job_id):
    own_cluster.register(job(job_id, shell(f"{COUNT}sleep 0.5")))
    own_cluster.running(job_id)
    own_cluster.agent.kill()
    time.sleep(1)
    own_cluster.agent.start()
    ended = own_cluster.ended(job_id)
    assert ended["ClientStatus"] == "complete"
    own_cluster.agent.kill()
    own_cluster.agent.start()
    assert runs(own_cluster.agent, own_cluster.ended(job_id)) == 1


def test_crashes_at_any_moment_of_a_start_run_nothing_twice(own_cluster, job_id):
    for number in range(12):
        one = f"{job_id}-{number}"
        own_cluster.register(job(one, shell(f"{COUNT}exec sleep 600"), kind="service"))
        time.sleep(0.012 * number)
        own_cluster.agent.kill()
        own_cluster.agent.start()
        allocation = own_cluster.running(one)
        eventually(lambda allocation=allocation: runs(own_cluster.agent, allocation))
        assert runs(own_cluster.agent, allocation) == 1, f"attempt {number}"
        own_cluster.stop(one)


def test_a_crash_while_stopping_still_stops(own_cluster, job_id):
    script = 'trap "" INT; echo deaf; while :; do sleep 0.1; done'
    tasks = shell(script, KillTimeout=3 * SECOND), shell("echo tidy", name="cleanup", Lifecycle=hook("poststop"))
    own_cluster.register(job(job_id, *tasks, kind="service"))
    own_cluster.log_with("deaf", own_cluster.running(job_id))
    own_cluster.stop(job_id)
    own_cluster.agent.kill()
    own_cluster.agent.start()
    ended = own_cluster.ended(job_id)
    assert ended["ClientStatus"] == "complete"
    assert own_cluster.log(ended, "cleanup") == "tidy\n"


def test_a_crash_while_purging_still_forgets(own_cluster, job_id):
    script = 'trap "" INT; echo deaf; while :; do sleep 0.1; done'
    own_cluster.register(job(job_id, shell(script, KillTimeout=2 * SECOND), kind="service"))
    allocation = own_cluster.running(job_id)
    own_cluster.log_with("deaf", allocation)
    own_cluster.stop(job_id, purge=True)
    own_cluster.agent.kill()
    own_cluster.agent.start()
    folder = own_cluster.agent.tasks / "alloc" / allocation["ID"]
    eventually(lambda: not folder.exists())
    eventually(lambda: own_cluster.allocations(job_id) == [])


def test_a_restart_delay_goes_on_over_a_crash(own_cluster, job_id):
    own_cluster.register(job(job_id, shell(f"{COUNT}exit 1", RestartPolicy=restarts(1, delay=2))))
    own_cluster.allocation(job_id, lambda one: "Restarting" in events(one))
    own_cluster.agent.kill()
    own_cluster.agent.start()
    ended = own_cluster.ended(job_id)
    assert runs(own_cluster.agent, ended) == 2
    assert ended["TaskStates"]["main"]["Restarts"] == 1


def test_a_killed_guardian_is_told_truthfully(sleeper, job_id):
    cluster, _, pid = sleeper
    shim_of(pid).kill()
    ended = cluster.ended(job_id)
    assert ended["ClientStatus"] == "failed"
    assert "watches over this task was ended from outside" in event(ended, "Terminated")["Message"]
    assert not alive(pid)


def test_a_guardian_killed_while_the_agent_was_away_leaves_nothing_running(own_cluster, job_id):
    # The child leaves its parent's session: only its environment tells whose it is.
    child = f'setsid sleep 600.1 "{job_id}" 2>/dev/null || setsid python3 -c "import time; time.sleep(600)" {job_id} &'
    own_cluster.register(job(job_id, shell(f"{child} echo $!; exec sleep 600"), kind="service"))
    own_cluster.running(job_id)
    child_pid = eventually(lambda: [p for p in pids_saying(job_id) if "python" in psutil.Process(p).name()])[0]
    shim = shim_of(child_pid)
    own_cluster.agent.kill()
    shim.kill()
    own_cluster.agent.start()
    assert own_cluster.ended(job_id)["ClientStatus"] == "failed"
    assert not alive(child_pid)


def test_after_a_restart_of_the_machine_a_service_runs_again_and_no_stranger_is_touched(own_cluster, job_id):
    own_cluster.register(job(job_id, shell(f"{COUNT}exec sleep 600"), kind="service"))
    allocation = own_cluster.running(job_id)
    (file,) = own_cluster.agent.tasks.parent.glob(f"**/runs/{allocation['ID']}/main/1/started")
    started = json.loads(file.read_text())
    own_cluster.agent.kill()
    for number in (started["shim"], started["pid"]):
        psutil.Process(number).kill()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        # As it is after a restart: the numbers are given to others, whose clock began anew.
        others = {"machine": "the run before", "pid": stranger.pid, "shim": stranger.pid, "start": 0, "shim_start": 0}
        file.write_text(json.dumps(started | others))
        own_cluster.agent.start()
        eventually(lambda: runs(own_cluster.agent, allocation) == 2)
        assert stranger.poll() is None
        stranger.kill()
    again = own_cluster.running(job_id)
    assert again["ID"] == allocation["ID"]
    assert "the machine was restarted" in event(again, "Terminated")["Message"]


def test_what_a_task_leaves_behind_ends_with_it(shared_cluster, job_id):
    daemon = f'setsid python3 -c "import time; time.sleep(600)" {job_id} &'
    shared_cluster.register(job(job_id, shell(f"{daemon} sleep 0.5")))
    shared_cluster.ended(job_id)
    assert pids_saying(job_id) == []


def test_a_signal_never_reaches_a_stranger_with_the_same_number(place):
    """The number of a process that ended may be given to another one."""
    stranger = os.getpid()
    (place / "started").write_text(json.dumps({"pid": stranger, "start": 1, "shim": stranger, "shim_start": 1}))
    Life(place).signal(signal.SIGKILL)
    assert alive(stranger)


def test_the_index_grows_over_restarts(own_cluster, job_id):
    own_cluster.register(job(job_id, shell("true")))
    own_cluster.ended(job_id)
    before = int(own_cluster.http.get("jobs").headers["X-Nomad-Index"])
    node = own_cluster.get("nodes")[0]["ID"]
    own_cluster.agent.kill()
    own_cluster.agent.start()
    assert int(own_cluster.http.get("jobs").headers["X-Nomad-Index"]) > before
    assert own_cluster.get("nodes")[0]["ID"] == node
    assert over(own_cluster.allocations(job_id)[0])


def test_a_variable_outlives_the_agent(own_cluster, job_id):
    own_cluster.save_variable(job_id, KEY="value")
    own_cluster.agent.kill()
    own_cluster.agent.start()
    assert own_cluster.get(f"var/nomad/jobs/{job_id}")["Items"] == {"KEY": "value"}


def test_two_agents_never_share_a_folder(own_agent):
    second = subprocess.run(own_agent.command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode != 0
    assert "Another local datacenter already uses" in second.stderr


def test_a_taken_port_is_said_in_plain_words(own_agent, place):
    command = [word.replace(str(place / "data"), str(place / "other")) for word in own_agent.command]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode != 0
    assert "Choose another --port" in second.stderr


@pytest.mark.parametrize("content", ["no JSON", "[1]", '[{"Vendor": "nvidia"}]', '{"NodeResources": {}}'])
def test_devices_of_another_shape_are_said_in_plain_words(place, content):
    (place / "devices.json").write_text(content)
    with pytest.raises(RuntimeError, match="Correct it, or leave it out"):
        start_local_agent(place, devices=place / "devices.json")


def test_a_damaged_state_is_said_in_plain_words(own_agent, place):
    own_agent.kill()
    (place / "data" / "state.sqlite").write_bytes(b"no database" * 1_000)
    for extra in ("-wal", "-shm"):
        (place / "data" / f"state.sqlite{extra}").unlink(missing_ok=True)
    start = subprocess.run(own_agent.command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert start.returncode != 0
    assert "Move it away to begin anew" in start.stderr
    (place / "data" / "state.sqlite").unlink()


def test_the_agent_is_small(sleeper):
    cluster, _, pid = sleeper
    agent = Path(f"/proc/{cluster.agent.pid}/smaps_rollup").read_text()
    shim = Path(f"/proc/{shim_of(pid).pid}/smaps_rollup").read_text()

    def megabytes(text: str) -> float:
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024

    assert megabytes(agent) < 35
    assert megabytes(shim) < 12
