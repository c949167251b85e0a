"""Every tool, as a real Nomad reads its job: what it would refuse, and where it would go."""

import pytest

from accounts.models import create_person
from datacenters.jobspec import JobSpec, Runtime
from datacenters.models import Cluster, Datacenter
from datacenters.nomad import GUARDED, TRUSTED, NomadAdapter
from jobs import tools
from jobs.compilers import OF_TOOLS
from jobs.compilers.tool import compile_tool
from jobs.models import Deployment, as_json
from jobs.requests import DeployRequest, ResourceRequest
from jobs.tools import Tool, mirror
from marketplace.models import Asset
from tests.agents import Agent, nomad_binary

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

# Their compilers add where another deployment is, and there is none: the file's own job is read.
NEED_ANOTHER = ("flower-client", "cvat-export")
WAYS = [(name, runtime) for name, tool in tools.known().tools.items() for runtime in tool.runtimes]


@pytest.fixture
def nomad(agent) -> Agent:
    if agent.kind != "nomad":
        pytest.skip("asked of a real Nomad alone")
    return agent


@pytest.fixture
def place(db):
    cluster = Cluster.objects.create(name="ifca", address="http://127.0.0.1:1")
    return Datacenter.objects.create(name="ifca", cluster=cluster, nomad_name="local")


def deployment_of(tool: Tool, place: Datacenter) -> Deployment:
    """Asked for as its untouched form does."""
    mirror.ensure()
    ada = create_person("ada", password="difference-engine")
    options = {option.name: option.default for option in tool.options}
    asked = DeployRequest(
        tool.id, tool.title, "ada", kind=tool.kind, resources=ResourceRequest(**tool.resources), options=options
    )
    return Deployment.objects.create(
        project=ada.personal_project,
        owner=ada,
        asset=Asset.objects.get(slug=tool.id),
        asset_slug=tool.id,
        asset_kind="tool",
        title=tool.title,
        kind=tool.kind,
        request=as_json(asked),
        datacenter=place,
    )


def spec_of(name: str, runtime: Runtime, place: Datacenter) -> JobSpec:
    tool = tools.known().tools[name]
    compiler = compile_tool if name in NEED_ANOTHER else OF_TOOLS.get(name, compile_tool)
    spec, _secrets = compiler(deployment_of(tool, place), tool, runtime)
    return spec


@pytest.mark.parametrize(("name", "runtime"), WAYS)
def test_nomad_finds_no_fault_in_a_tools_job(nomad, place, name, runtime):
    adapter = NomadAdapter(nomad.address, drivers=GUARDED)
    spec = spec_of(name, runtime, place)
    adapter.ensure_namespace(spec.namespace)
    with nomad.client() as http:
        query = {"namespace": spec.namespace}
        said = http.post("validate/job", params=query, json={"Job": adapter.job_json(spec)}).json()
    assert (said["ValidationErrors"], said["Error"]) == (None, ""), said
    warnings = [line for line in said["Warnings"].splitlines() if line.startswith("*")]
    # Endpoints are found by Serai's own gateway, which nobody has to be given time to leave.
    assert all("shutdown_delay" in line for line in warnings), warnings


@pytest.mark.parametrize(("name", "runtime"), [way for way in WAYS if way[1] is Runtime.CONTAINER])
def test_where_no_machine_runs_containers_nomads_plan_says_so(nomad, place, name, runtime):
    adapter = NomadAdapter(nomad.address, drivers=TRUSTED)
    spec = spec_of(name, runtime, place)
    adapter.ensure_namespace(spec.namespace)
    forecast = adapter.plan(spec)
    assert not forecast.placeable
    assert "docker" in f"{forecast.reason.sentence} {forecast.reason.evidence}".lower()


def test_there_is_no_tool_without_a_case_here():
    assert nomad_binary() is None or {name for name, _runtime in WAYS} == set(tools.known().tools)
