"""Containers for real: an engine, a Nomad over it, and what Serai's adapter tells them.

The image is made of this machine's own files (``tests/containers.py``); nothing is pulled.
"""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from accounts.models import create_person
from datacenters.interface import JobStatus, Stage
from datacenters.jobspec import OWN_DATA, File, JobKind, Lifecycle, Mount, Port, Resources, Runtime, TaskSpec
from datacenters.models import Cluster, Datacenter
from datacenters.nomad import GUARDED, NomadAdapter
from datacenters.services import adapter_for, refresh
from jobs import health, reconciling, services, submission
from jobs.models import Deployment, Status
from jobs.requests import DeployRequest, ResourceRequest
from marketplace.models import Asset, Kind, Source, SourceKind
from tests import containers

from .test_adapter import NAMESPACE, Site, eventually

pytestmark = pytest.mark.slow

SMALL = Resources(cpu_cores=0.1, memory_mb=64)
SERVER = """
import http.server, json, os, pathlib, signal, sys
def seen():
    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return {
        "uid": os.getuid(),
        "secret": os.environ.get("TOKEN", ""),
        "said": os.environ.get("SAID", ""),
        "capabilities": int(status["CapEff"], 16),
        "no_new_privileges": status["NoNewPrivs"].strip(),
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "root": sorted(os.listdir("/")),
        "mounted": [line.split()[4] for line in open("/proc/self/mountinfo")],
        "devices": sorted(os.listdir("/dev")),
        "interfaces": sorted(os.listdir("/sys/class/net")),
    }
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(seen()).encode())
def end(*_):
    print("asked politely", flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, end)
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""
# What DEEPaaS's programs are to Serai: an HTTP server with a document, and a training with a result.
DEEPAAS_RUN = """#!/usr/bin/python3
import http.server, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print("model", given["--model-name"], flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/swagger.json" else 404)
        self.end_headers()
        self.wfile.write(b"{}")
http.server.HTTPServer((given["--listen-ip"], int(given["--listen-port"])), Handler).serve_forever()
"""
DEEPAAS_CLI = """#!/usr/bin/python3
import json, sys
output, train, *arguments = sys.argv[1:]
print("training with", arguments, flush=True)
with open(output.removeprefix("--deepaas_method_output="), "w") as file:
    json.dump({"status": "done", "result": {"output": {"arguments": arguments}}}, file)
"""
MODULE = {
    "usr/local/bin/deepaas-run": DEEPAAS_RUN,
    "usr/local/bin/deepaas-cli": DEEPAAS_CLI,
    "module/tiny_module.py": "",
    "module/tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "module/tiny-1.0.dist-info/entry_points.txt": "[deepaas.v2.model]\ntiny = tiny_module\n",
}


@pytest.fixture(scope="module")
def agent():
    if why := containers.why_not():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="serai-containers-"))
    containers.make_images(**MODULE)
    agent = containers.start_nomad_with_containers(folder)
    yield agent
    agent.stop_tasks_and_end()
    containers.remove_images()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def site(agent):
    adapter = NomadAdapter(agent.address, region=agent.region, drivers=GUARDED, timeout=10)
    adapter.ensure_namespace(NAMESPACE)
    site = Site(agent, adapter)
    yield site
    for job_id in site.sent:
        adapter.purge(job_id, NAMESPACE)


def container(name: str = "main", script: str = SERVER, *arguments: str, **changes) -> TaskSpec:
    given = {"image": containers.IMAGE, "command": "python3", "resources": SMALL}
    args = ("${NOMAD_TASK_DIR}/program.py", *arguments)
    files = (File("local/program.py", script),)
    return TaskSpec(name, Runtime.CONTAINER, args=args, files=files, **{**given, **changes})


def a_server(**changes) -> TaskSpec:
    return container("main", SERVER, "0.0.0.0", "${NOMAD_PORT_api}", **changes)


def answer(state, label: str = "api") -> dict:
    where = next(endpoint for endpoint in state.endpoints if endpoint.label == label)
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://{where.host}:{where.port}/", timeout=5) as response:
                return json.load(response)
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline
            time.sleep(0.1)


# ── What a container is given ────────────────────────────────────────────────────────────────────
def test_a_container_answers_at_its_port_with_its_variables_and_its_secret(site):
    server = a_server(env={"SAID": "hello ${NOMAD_JOB_ID}"}, secrets=("TOKEN",))
    spec = site.send(site.spec(server, ports=(Port("api"),)), TOKEN="nobody sees $this")
    state = site.wait(spec, JobStatus.RUNNING)
    assert (state.stage, state.datacenter) == (Stage.HEALTH, "local")
    said = answer(state)
    assert (said["secret"], said["said"]) == ("nobody sees $this", f"hello {spec.id}")
    with site.agent.client() as http:
        for path in (f"job/{spec.id}", f"allocation/{state.allocation_id}", f"job/{spec.id}/evaluations"):
            assert "nobody sees" not in http.get(path, params={"namespace": NAMESPACE}).text


def test_a_container_has_no_privilege_and_sees_nothing_of_the_machine(site):
    spec = site.send(site.spec(a_server(), ports=(Port("api"),)))
    said = answer(site.wait(spec, JobStatus.RUNNING))
    assert (said["uid"], said["capabilities"], said["no_new_privileges"]) == (containers.USER, 0, "1")
    assert len(said["processes"]) <= 3  # init and itself: no process of the machine
    assert not {"work", "srv", "boot", "var"} & set(said["root"])
    assert not {"kvm", "fuse", "vda", "sda", "mem"} & set(said["devices"])
    of_nomad = {path for path in said["mounted"] if path.startswith(("/alloc", "/local", "/secrets"))}
    assert of_nomad == {"/alloc", "/alloc/logs", "/local", "/secrets"}
    assert said["interfaces"] == ["eth0", "lo"]


@pytest.fixture
def mounts(agent):
    """The operator's folder for mounts; what is mounted there later must reach containers, so it is a shared mount."""
    folder = Path(agent.tasks).parent / "mounts"
    folder.mkdir()
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "--make-rshared", folder], check=True)
    yield folder
    subprocess.run(["umount", "--recursive", "--lazy", folder], check=True)


LOOKS = """
import pathlib, signal, time
there = pathlib.Path("/storage/a file.txt")
while not there.exists():
    print("nothing yet", flush=True)
    time.sleep(0.1)
print(there.read_text(), flush=True)
time.sleep(1)
try:
    there.write_text("x")
except OSError as error:
    print("cannot be written:", error.strerror, flush=True)
"""


def test_a_container_sees_of_the_hosts_folders_its_jobs_own_mount_folder_alone(site, mounts):
    spec = site.spec(a_server(), kind=JobKind.BATCH)
    folder = mounts / spec.id / "data"
    folder.mkdir(parents=True)
    mount = Mount(f"${{meta.serai_mounts_root}}/{spec.id}/data", "/storage", read_only=True)
    site.send(replace(spec, tasks=(container("main", LOOKS, mounts=(mount,)),)))
    site.output(site.wait(spec, JobStatus.RUNNING), holds="nothing yet")
    # As the operator's task does when the storage answers.
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    (folder / "draft").write_text("from the storage")
    (folder / "draft").chmod(0o666)
    (folder / "draft").rename(folder / "a file.txt")
    # A container's read-only bind does not reach what is mounted below it: whoever mounts must say so too.
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    state = site.wait(spec, JobStatus.COMPLETED)
    said = site.output(state, holds="Read-only").splitlines()
    assert said[-2:] == ["from the storage", "cannot be written: Read-only file system"]


def test_a_stop_is_the_signal_that_was_asked_for(site):
    spec = site.send(site.spec(a_server(kill_signal="SIGINT", kill_timeout_seconds=15), ports=(Port("api"),)))
    answer(site.wait(spec, JobStatus.RUNNING))
    began = time.monotonic()
    site.adapter.stop(spec.id, NAMESPACE)
    state = site.wait(spec, JobStatus.STOPPED)
    assert time.monotonic() - began < 10
    assert "asked politely" in site.output(state, holds="politely")
    assert state.tasks[0].exit_code == 0


def test_a_batch_in_a_container_ends_with_its_exit_code(site):
    spec = site.send(site.spec(container("main", "raise SystemExit(7)"), kind=JobKind.BATCH))
    state = site.wait(spec, JobStatus.FAILED)
    assert state.tasks[0].exit_code == 7
    assert "7" in state.reason.sentence


def test_an_image_that_cannot_be_had_is_named(site):
    nowhere = "127.0.0.1:1/nobody/nothing:1"
    spec = site.send(site.spec(container("main", image=nowhere), kind=JobKind.BATCH))
    state = site.wait(spec, JobStatus.FAILED)
    assert "image" in state.reason.sentence
    assert nowhere in f"{state.reason.sentence} {state.reason.evidence}"


def test_a_container_that_needs_more_memory_than_it_asked_for_says_so(site):
    greedy = "x = bytearray(300 * 2**20)\nimport time\ntime.sleep(30)"
    spec = site.send(site.spec(container("main", greedy), kind=JobKind.BATCH))
    reason = site.wait(spec, JobStatus.FAILED).reason
    assert "memory" in reason.sentence
    assert "64" in reason.sentence
    assert reason.advice == "Start it again with more memory."


# ── Several containers of one job ────────────────────────────────────────────────────────────────
PREPARE = """
import os, pathlib
folder = pathlib.Path("/alloc/data/files")
folder.mkdir()
(folder / "prepared").write_text("prepared")
"""
DATABASE = """
import http.server, pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(pathlib.Path("/alloc/data/files/prepared").read_bytes())
http.server.HTTPServer(("127.0.0.1", 5432), Handler).serve_forever()
"""
PAGE = """
import http.server, json, pathlib, signal, sys, urllib.request
def asked():
    return urllib.request.urlopen("http://127.0.0.1:5432/").read().decode()
def end(*_):
    # The database still answers: it is stopped after all that use it.
    print("at the end:", asked(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps([asked(), pathlib.Path("/files/prepared").read_text()]).encode())
http.server.HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""


def test_containers_of_one_job_share_a_network_and_a_folder_and_end_in_order(site):
    if why := containers.why_no_own_network():
        pytest.skip(why)
    tasks = (
        container("prepare", PREPARE, lifecycle=Lifecycle.PRESTART),
        container("database", DATABASE, lifecycle=Lifecycle.PRESTART_SIDECAR, restarts=5),
        container("page", PAGE, mounts=(Mount(f"{OWN_DATA}/files", "/files"),)),
    )
    spec = site.send(site.spec(*tasks, ports=(Port("web", inside=8000),), own_network=True))
    state = site.wait(spec, JobStatus.RUNNING)
    assert [endpoint.label for endpoint in state.endpoints] == ["web"]
    assert answer(state, "web") == ["prepared", "prepared"]
    site.adapter.stop(spec.id, NAMESPACE)
    state = site.wait(spec, JobStatus.STOPPED)
    assert "at the end: prepared" in site.output(state, "page", holds="at the end")
    ended = {task.name: task.finished for task in state.tasks}
    assert ended["page"] < ended["database"]


# ── The whole way ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def deploy(agent, db, settings, tmp_path):
    """Ada deploys a module that is an image: through the services, with the worker and the watcher by hand."""
    settings.SERAI_DATA = tmp_path
    ada = create_person("ada", password="difference-engine")
    cluster = Cluster.objects.create(name="ifca", address=agent.address)
    assert refresh(cluster), Cluster.objects.get().problem
    assert Datacenter.objects.get().offers_containers
    source = Source.objects.create(slug="here", title="Here", kind=SourceKind.FOLDER, location="/nowhere")
    Asset.objects.create(
        slug="tiny", kind=Kind.MODULE, source=source, origin="tiny", title="Tiny", docker_image=containers.IMAGE
    )
    sent: list[Deployment] = []

    def deploy(kind: JobKind, **arguments: object) -> Deployment:
        small = ResourceRequest(cpu_cores=0.2, memory_mb=100, disk_mb=200)
        project = ada.personal_project.slug
        request = DeployRequest("tiny", "Tiny", project, kind=kind, resources=small, arguments=arguments)
        sent.append(services.deploy(request, owner=ada))
        return sent[-1]

    yield deploy
    for deployment in sent:
        adapter_for(cluster).purge(deployment.job_id, deployment.namespace)


def step() -> None:
    for pk in list(Deployment.objects.due().values_list("pk", flat=True)):
        submission.submit(pk)
    for pk in list(Deployment.objects.to_withdraw().values_list("pk", flat=True)):
        submission.withdraw(pk)
    reconciling.reconcile()
    for deployment in health.to_probe():
        health.note(deployment, health.probe(deployment))


def until(deployment: Deployment, status: Status) -> Deployment:
    def now() -> Deployment:
        step()
        deployment.refresh_from_db()
        return deployment

    return eventually(now, lambda row: row.status == status)


def log_of(deployment: Deployment) -> str:
    adapter = adapter_for(deployment.datacenter.cluster)
    return adapter.log(deployment.allocation_id, deployment.namespace, "main", "stdout").decode()


def test_a_module_that_is_an_image_runs_is_healthy_and_stops(deploy, agent):
    deployment = until(deploy(JobKind.SERVICE), Status.RUNNING)
    assert deployment.healthy
    (endpoint,) = deployment.endpoints
    where = f"http://{endpoint['host']}:{endpoint['port']}/swagger.json"
    assert urllib.request.urlopen(where, timeout=5).read() == b"{}"
    eventually(lambda: log_of(deployment), lambda text: "model tiny" in text)
    services.stop(deployment, deployment.owner)
    until(deployment, Status.STOPPED)
    with suppress(urllib.error.URLError):
        urllib.request.urlopen(where, timeout=5)
        raise AssertionError("it still answers")


def test_a_training_in_a_container_completes(deploy):
    deployment = until(deploy(JobKind.BATCH, epochs=3), Status.COMPLETED)
    eventually(lambda: log_of(deployment), lambda text: "training with ['--epochs=3']" in text)
