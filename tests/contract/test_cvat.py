"""The whole job of the annotation server, by a real Nomad and engine, with stand-ins in the place of CVAT's images.

What is seen: that its containers start in order, share a network and folders, that the page's port alone is open, and
that the last snapshot is made while the database still answers. What CVAT itself does is not seen here.
"""

import gzip
import urllib.request
from dataclasses import replace

import pytest

from accounts.models import create_person
from datacenters.interface import Endpoint, JobState, JobStatus
from datacenters.jobspec import JobSpec, Lifecycle, Mount, TaskSpec
from datacenters.models import Cluster
from datacenters.services import adapter_for, refresh
from jobs import tools
from jobs.compilers.tool import compile_tool
from jobs.models import Deployment, as_json
from jobs.requests import DeployRequest, ResourceRequest
from jobs.tools import mirror
from marketplace.models import Asset
from tests import containers

from .test_adapter import eventually
from .test_containers import agent, mounts  # noqa: F401 the same machine

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(300)]

ENTRY = """#!/usr/bin/bash
echo "began: $*"
case "$1" in
bash) shift; exec bash "$@" ;;
sh) exec "$@" ;;
nginx) exec python3 /serve.py 0.0.0.0 8000 ;;
*) [ "$2" = server ] && [ -x /home/django/manage.py ] && exec python3 /serve.py 0.0.0.0 8080; exec sleep infinity ;;
esac
"""
# As PostgreSQL's image: what lies among the hooks is run in a new database, then it listens.
POSTGRES = """#!/usr/bin/bash
for hook in /docker-entrypoint-initdb.d/*.sh; do . "$hook"; done
exec python3 /serve.py 127.0.0.1 5432
"""
SERVE = """
import http.server, os, signal, sys
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"it answers")
server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
print("listens", flush=True)
server.serve_forever()
"""
FILES = {
    "entry": ENTRY,
    "serve.py": SERVE,
    "usr/local/bin/docker-entrypoint.sh": POSTGRES,
    "usr/local/bin/pg_isready": "#!/usr/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/5432\n",
    "usr/local/bin/pg_dump": "#!/usr/bin/bash\nfor one; do [[ $one != --file=* ]] || echo dump | gzip >${one#--file=}; done\n",
    "home/django/backend_entrypoint.sh": '#!/usr/bin/bash\n[ "$1" = init ] || exec /entry "$@"\n',
    "home/django/manage.py": "import sys, time\ntime.sleep(10**6 if sys.argv[1] == 'rqworker' else 0)\n",
}


@pytest.fixture
def stand_ins(agent):  # noqa: F811
    if why := containers.why_no_own_network():
        pytest.skip(why)
    tasks = next(iter(tools.known().tools["cvat"].runtimes.values())).tasks
    tags = {task.image: "1000" if "server" in task.image else "0" for task in tasks}
    if here := [tag for tag in tags if containers.have_image(tag)]:
        pytest.skip(f"{here[0]} is here for real: a stand-in would take its place")
    containers.make_stand_ins(tags, **FILES)
    yield
    containers.remove_images(*tags)


def spec_of(place: Cluster) -> tuple[JobSpec, dict[str, str]]:
    mirror.ensure()
    ada = create_person("ada", password="difference-engine")
    tool = tools.known().tools["cvat"]
    options = {option.name: option.default for option in tool.options}
    resources = ResourceRequest(cpu_cores=1, memory_mb=5_000, disk_mb=2_000)
    deployment = Deployment.objects.create(
        project=ada.personal_project,
        owner=ada,
        asset=Asset.objects.get(slug="cvat"),
        asset_slug="cvat",
        asset_kind="tool",
        title="Birds",
        request=as_json(DeployRequest("cvat", "Birds", "ada", resources=resources, options=options)),
        datacenter=place.datacenters.get(),
    )
    spec, secrets = compile_tool(deployment, tool, next(iter(tool.runtimes)))
    return spec, dict(secrets)


def with_storage(spec: JobSpec) -> JobSpec:
    """As an attached storage is shown to what starts when it is there."""
    shown = Mount(f"${{meta.serai_mounts_root}}/{spec.id}", "/storages")

    def seeing(task: TaskSpec) -> TaskSpec:
        if task.lifecycle is not Lifecycle.MAIN:
            return task
        return replace(task, mounts=(*task.mounts, shown), env={**task.env, "SERAI_STORAGES_DIR": "/storages"})

    return replace(spec, tasks=tuple(map(seeing, spec.tasks)))


def answer(endpoint: Endpoint) -> bytes:
    try:
        return urllib.request.urlopen(f"http://{endpoint.host}:{endpoint.port}/", timeout=5).read()
    except OSError:
        return b""


def test_the_annotation_server_starts_in_order_and_leaves_a_snapshot(stand_ins, agent, mounts):  # noqa: F811
    cluster = Cluster.objects.create(name="ifca", address=agent.address)
    assert refresh(cluster)
    spec, secrets = spec_of(cluster)
    storage = mounts / spec.id / "photos"
    storage.mkdir(parents=True)
    adapter = adapter_for(cluster)
    adapter.ensure_namespace(spec.namespace)
    adapter.submit(with_storage(spec), secrets)
    try:
        state = eventually(lambda: adapter.state(spec.id, spec.namespace), has_started)
        (endpoint,) = state.endpoints
        eventually(lambda: answer(endpoint), lambda said: said == b"it answers")
        read = lambda: adapter.log(state.allocation_id, spec.namespace, "database", "stdout").decode()  # noqa: E731
        eventually(read, lambda text: "listens" in text)
        adapter.stop(spec.id, spec.namespace)
        state = eventually(lambda: adapter.state(spec.id, spec.namespace), lambda now: now.status is JobStatus.STOPPED)
    finally:
        adapter.purge(spec.id, spec.namespace)
    (snapshot,) = storage.glob("cvat/snapshots/*.sql.gz")
    assert gzip.decompress(snapshot.read_bytes()) == b"dump\n"
    ended = {task.name: task.finished for task in state.tasks}
    assert ended["database"] > max(when for name, when in ended.items() if name != "database")


def has_started(state: JobState) -> bool:
    """All that goes on does, and what prepares has ended."""
    return len(state.tasks) == 10 and all(
        task.state == ("dead" if task.name == "folders" else "running") and not task.failed for task in state.tasks
    )
