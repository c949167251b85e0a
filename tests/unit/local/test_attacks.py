"""Tasks that mean harm: to Serai, to other people's deployments, to the agent itself."""

import os
import signal
import socket
import stat
import time
from pathlib import Path

import httpx
import pytest

from datacenters.local import http
from datacenters.local.processes import environment, processes
from datacenters.local.removal import DEEP, remove
from tests.agents import ROOT
from tests.contract.cluster import events, hook, job, over, restarts, shell

from .conftest import root_only

pytestmark = pytest.mark.slow

STORAGE = ROOT / "jobs" / "compilers" / "files" / "storage.py"


def python(script: str, name: str = "main", **members):
    task = shell("", name=name, **members)
    return {**task, "Config": {"command": "python3", "args": ["-c", script]}}


def with_storage(cluster, folder: str, script: str, namespace: str, job_id: str):
    """A job as the module compiler makes it: the operator's task makes the storage folder, then main runs."""
    cluster.http.post("namespace", json={"Name": namespace})
    make = {**shell("", name="storage", User="root", Lifecycle=hook("prestart"))}
    make["Config"] = {"command": "python3", "args": [str(STORAGE), folder]}
    cluster.register(job(job_id, make, shell(f"({script}) 2>&1; true"), Namespace=namespace))
    return said(cluster, job_id, namespace)


def said(cluster, job_id: str, namespace: str = "default") -> str:
    where = {"namespace": namespace}
    deadline = time.monotonic() + 20
    while not (found := cluster.get(f"job/{job_id}/allocations", **where)) or not over(found[0]):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return cluster.log(found[0], **where).strip()


def processes_of(uid: int) -> list[int]:
    return [process.pid for process in processes() if process.state != "Z" and owner(process.pid) == uid]


def owner(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except FileNotFoundError:
        return -1


def gone(uid: int, within: float = 15) -> bool:
    deadline = time.monotonic() + within
    while processes_of(uid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


# ── Other people's files ─────────────────────────────────────────────────────────────────────────
@root_only
def test_storage_is_a_projects_own(shared_cluster, job_id):
    storage = shared_cluster.agent.tasks / "storage"
    adas = storage / job_id / "digits"
    script = f"echo precious > {adas}/weights; stat -c %a {adas}/weights"
    assert with_storage(shared_cluster, str(adas), script, "adas", f"{job_id}-1") == "660"
    again = with_storage(shared_cluster, str(adas), f"cat {adas}/weights", "adas", f"{job_id}-2")
    assert again == "precious"  # another deployment of hers
    eves = storage / f"{job_id}-eve" / "digits"
    attempts = (
        f"cat {adas}/weights; ls {adas}; echo x > {adas}/new; rm {adas}/weights; ls {storage}; "
        f"mv {eves} {eves.parent}/other; ln -s {adas} {eves.parent}/other; chmod 777 {eves.parent}"
    )
    text = with_storage(shared_cluster, str(eves), attempts, "eves", f"{job_id}-3")
    refused = text.count("Permission denied") + text.count("Operation not permitted")
    assert refused == len(attempts.split(";")), text
    assert (adas / "weights").read_text() == "precious\n"


@root_only
def test_package_environments_are_not_for_tasks_to_change(shared_cluster, job_id):
    packages = shared_cluster.agent.tasks / "packages"
    mine = packages / job_id
    (mine / "bin").mkdir(parents=True)
    (mine / "bin" / "tool").write_text("ours")
    os.chmod(mine, 0o755)
    attempts = f"touch {packages}/new; echo x > {mine}/bin/tool; rm {mine}/bin/tool; mv {mine} {packages}/other"
    shared_cluster.register(job(job_id, shell(f"({attempts}) 2>&1; true")))
    assert said(shared_cluster, job_id).count("Permission denied") == 4
    assert (mine / "bin" / "tool").read_text() == "ours"


@root_only
def test_setuid_bits_give_nothing(shared_cluster, job_id):
    """Of the machine's own programs (su, mount, ping) and of those that another task left."""
    script = "grep NoNewPrivs /proc/self/status; cp /bin/cat local; chmod 6755 local/cat; local/cat /proc/self/status"
    shared_cluster.register(job(job_id, shell(script)))
    text = said(shared_cluster, job_id)
    assert text.count("NoNewPrivs:\t1") == 2
    uids = next(line for line in text.splitlines() if line.startswith("Uid:")).split()[1:]
    assert len(set(uids)) == 1
    assert "0" not in uids


# ── Other people's processes ─────────────────────────────────────────────────────────────────────
@root_only
def test_a_task_signals_itself_at_most(shared_cluster, job_id):
    other = f"{job_id}-other"
    shared_cluster.register(job(other, shell("exec sleep 600"), kind="service"))
    theirs = shared_cluster.running(other)
    pid = next(p for p in processes_of_job(shared_cluster, theirs))
    script = f"kill -9 {pid}; kill -9 {shared_cluster.agent.pid}; kill -9 $PPID; kill -s KILL -- -1"
    shared_cluster.register(job(job_id, shell(f"({script}) 2>&1; true")))
    text = said(shared_cluster, job_id)
    assert text.count("Operation not permitted") >= 3
    assert shared_cluster.running(other)["ID"] == theirs["ID"]
    assert Path(f"/proc/{pid}").exists()


def processes_of_job(cluster, allocation):
    mark = f"NOMAD_ALLOC_ID={allocation['ID']}".encode()
    for process in processes():
        if mark in environment(process.pid):
            yield process.pid


DAEMON = """
import os, time
print(os.getuid(), flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execve("/bin/sleep", ["sleep", "600"], {})
time.sleep(600)
"""


@root_only
def test_what_hides_from_a_killed_guardian_ends_with_its_allocation(own_cluster, job_id):
    """It left the task's session and has an empty environment: only its user tells whose it is."""
    own_cluster.register(job(job_id, python(DAEMON), kind="service"))
    allocation = own_cluster.running(job_id)
    uid = int(own_cluster.log_with("\n", allocation).split()[0])
    deadline = time.monotonic() + 10
    while len(processes_of(uid)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [guardian] = [p.pid for p in processes() if b"shim.py" in command(p.pid) and has_child_of(p.pid, uid)]
    os.kill(guardian, signal.SIGKILL)
    own_cluster.ended(job_id)
    assert gone(uid)


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def has_child_of(pid: int, uid: int) -> bool:
    return any(process.parent == pid and owner(process.pid) == uid for process in processes())


# Each process lives for a moment and leaves another one behind: whoever looks for them comes too late.
RABBITS = """
import os, sys, time
print(os.getuid(), flush=True)
if os.fork() == 0:
    os.setsid()
    until = time.monotonic() + 40
    while time.monotonic() < until:
        if os.fork():
            os._exit(0)
time.sleep(0.5)
"""


@root_only
def test_processes_that_breed_end_with_their_task(own_cluster, job_id):
    own_cluster.register(job(job_id, python(RABBITS)))
    allocation = own_cluster.ended(job_id)
    uid = int(own_cluster.log(allocation).split()[0])
    assert gone(uid, within=5)


@root_only
def test_a_jobs_processes_are_counted(shared_cluster, job_id):
    shared_cluster.register(job(job_id, python("import resource; print(resource.getrlimit(resource.RLIMIT_NPROC)[1])")))
    assert int(said(shared_cluster, job_id)) < 50_000


@root_only
def test_two_agents_of_one_machine_share_no_user(shared_cluster, own_cluster, job_id):
    for cluster in (shared_cluster, own_cluster):
        cluster.register(job(job_id, shell("id -u; id -g")))
    first, second = (said(cluster, job_id).split() for cluster in (shared_cluster, own_cluster))
    assert set(first).isdisjoint(second)


LISTEN = """
import os, socket, sys, time
while True:
    try:
        server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        break
    except OSError:
        time.sleep(0.05)
print("listening", flush=True)
while True:
    connection, _address = server.accept()
    connection.sendall(sys.argv[2].encode())
    connection.close()
"""


def listening(port: str, says: str, **members):
    task = shell("", **members)
    return {**task, "Config": {"command": "python3", "args": ["-c", LISTEN, port, says]}}


@root_only
def test_a_port_is_kept_for_the_job_that_it_was_given_to(shared_cluster, job_id):
    """Eve waits until Ada's service restarts, and then listens in its place: Ada's clients would talk to her."""
    group = {"Networks": [{"Mode": "host", "DynamicPorts": [{"Label": "api"}]}], "RestartPolicy": restarts(5, delay=3)}
    shared_cluster.register(job(job_id, listening("${NOMAD_PORT_api}", "ada"), kind="service", group=group))
    adas = shared_cluster.running(job_id)
    shared_cluster.log_with("listening", adas)
    port = adas["AllocatedResources"]["Shared"]["Ports"][0]["Value"]
    shared_cluster.register(job(f"{job_id}-eve", listening(str(port), "eve"), kind="service"))
    eves = shared_cluster.running(f"{job_id}-eve")
    for pid in processes_of_job(shared_cluster, adas):
        os.kill(pid, signal.SIGKILL)
    shared_cluster.log_with("listening", eves)
    assert shared_cluster.ended(f"{job_id}-eve")["ClientStatus"] == "failed"
    deadline = time.monotonic() + 20
    while answer_at(port) != b"ada":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answer_at(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(10)
    except OSError:
        return b""


# ── The agent ────────────────────────────────────────────────────────────────────────────────────
ASK = """
import sys, urllib.error, urllib.request
for path in ("jobs", "allocations", "var/nomad/jobs/x", "event/stream", "agent/self"):
    for headers in ({}, {"X-Nomad-Token": "guess"}, {"Authorization": "Bearer "}):
        request = urllib.request.Request(f"%s/v1/{path}", headers=headers)
        try:
            print(urllib.request.urlopen(request).status)
        except urllib.error.HTTPError as error:
            print(error.code)
"""


def test_a_task_gets_nothing_from_the_agent(shared_cluster, job_id):
    shared_cluster.register(job(job_id, python(ASK % shared_cluster.agent.address)))
    assert set(said(shared_cluster, job_id).split()) == {"403"}


def test_those_without_a_token_cannot_keep_others_out(own_agent):
    """More connections than the agent has files for, each silent; whoever has the token is answered at once."""
    port = int(own_agent.address.rpartition(":")[2])
    strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(http.STRANGERS * 2)]
    began = time.monotonic()
    assert httpx.get(f"{own_agent.address}/v1/nodes", headers=own_agent.headers).status_code == 200
    assert time.monotonic() - began < 2
    assert len(os.listdir(f"/proc/{own_agent.pid}/fd")) < http.STRANGERS * 1.5
    for stranger in strangers:
        stranger.close()


def test_the_body_of_a_stranger_is_not_taken_in(own_agent):
    port = int(own_agent.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
        stranger.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
        assert stranger.recv(200).startswith(b"HTTP/1.1 403 ")  # before any of it was sent


@pytest.mark.parametrize("plant", ["mkfifo", "mkdir -p", "ln -s /dev/zero"])
def test_what_a_task_leaves_in_the_place_of_a_file_holds_nobody_up(shared_cluster, job_id, plant):
    """The file is written again at a restart; opening a FIFO to write would wait for a reader, for ever."""
    template = {"EmbeddedTmpl": "whole", "DestPath": "local/file", "ChangeMode": "noop"}
    script = f"cat file; test -e been && exit 0; touch been; rm file; {plant} $PWD/file; exit 1"
    task = shell(f"cd local; {script}", Templates=[template], RestartPolicy=restarts(1))
    shared_cluster.register(job(job_id, task))
    allocation = shared_cluster.ended(job_id)
    if plant.startswith("mkdir"):
        assert "Driver Failure" in events(allocation)
    else:
        assert shared_cluster.log(allocation) == "wholewhole"


DIG = """
import os
os.chdir("local")
for number in range(%d):
    os.mkdir("d")
    os.chdir("d")
open("treasure", "w").close()
"""


def test_folders_of_any_depth_are_deleted(shared_cluster, job_id):
    shared_cluster.register(job(job_id, python(DIG % 3_000)))
    allocation = shared_cluster.ended(job_id)
    folder = shared_cluster.agent.tasks / "alloc" / allocation["ID"]
    shared_cluster.stop(job_id, purge=True)
    deadline = time.monotonic() + 20
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_removal_takes_few_open_files_however_deep(place):
    folder = place / "job"
    folder.mkdir()
    here = Path.cwd()
    try:
        os.chdir(folder)
        for _ in range(DEEP * 4):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)
    assert remove(folder) == []
    assert not folder.exists()


@root_only
def test_a_link_in_the_place_of_a_folder_is_not_followed_by_the_agent(shared_cluster, job_id, place):
    """Logs, deleting, restarting: all that the agent does with an allocation after its task has planted links."""
    target = place / "target"
    target.mkdir(mode=0o700)
    (target / "precious").write_text("x")
    plant = " ".join(f"rm -rf {name}; ln -s {target} {name};" for name in ("local", "secrets", "tmp", "../alloc/logs"))
    task = shell(f"{plant} echo said; exit 1", RestartPolicy=restarts(1))
    shared_cluster.register(job(job_id, task))
    allocation = shared_cluster.ended(job_id)
    assert "said" in shared_cluster.log(allocation)
    shared_cluster.stop(job_id, purge=True)
    while shared_cluster.allocations(job_id):
        time.sleep(0.05)
    found = target.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o700)
    assert (target / "precious").read_text() == "x"
