"""Whatever its form is given, the job of every tool and module holds what our compilers write, and nothing else.

No driver but Nomad's guarded ones, no privilege, no namespace or folder of the machine, no secret, one group, once
(N1, N2, N5 and N10 of the checklist of peers).
"""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.api.schemas import DeploymentIn
from dashboard.forms import DeployForm
from datacenters.jobspec import OWN_DATA, JobKind
from datacenters.models import Datacenter, Node
from datacenters.nomad.render import GUARDED, job_json
from jobs import tools
from jobs.compilers import CannotCompile, compile_deployment
from jobs.models import Deployment, as_json
from jobs.tools import mirror
from marketplace.models import Asset, Kind
from tests.unit.datacenters.test_render import not_allowed

from .conftest import asset_of
from .test_hostile_metadata import nasty

pytestmark = pytest.mark.django_db

MODULES = {"digits": {"package": "git+https://example.org/digits"}, "birds": {"docker_image": "example/birds"}}
ASKED = [*tools.known().tools, *MODULES]
# They belong to a deployment that runs, and there is none: every example is refused.
NEED_ANOTHER = ("flower-client", "cvat-export")
MOST_CPU_CORES, MOST_MEMORY_MB = 4, 16_000  # of the machine that there is

texts = nasty | st.text(max_size=12)
values = texts | st.integers(-10, 10**6) | st.booleans() | st.sampled_from(["none", "latest", "https://example.org/x"])
resources = st.fixed_dictionaries(
    {},
    optional={
        "cpu_cores": st.floats(0.1, MOST_CPU_CORES),
        "memory_mb": st.integers(100, MOST_MEMORY_MB),
        "disk_mb": st.integers(100, 50_000),
        "gpus": st.integers(0, 1),
        "gpu_model": texts,
        "gpu_vendor": texts,
    },
)


@pytest.fixture
def here(site) -> Datacenter:
    """A datacenter of somebody else's that runs both, with a GPU."""
    site.cluster.local = False
    site.cluster.save()
    gpu = {"vendor": "nvidia", "kind": "gpu", "model": "T4", "count": 1, "healthy": 1, "used": 0, "memory_mb": 16_000}
    Node.objects.update(drivers=["docker", "exec"], memory_mb=MOST_MEMORY_MB, devices=[gpu])
    Datacenter.objects.update(offers_containers=True, offers_packages=True)
    mirror.ensure()
    for slug, ways in MODULES.items():
        asset_of(slug, ways.get("package", ""), docker_image=ways.get("docker_image", ""))
    return Datacenter.objects.get()


def fitting(option: tools.ToolOption) -> st.SearchStrategy:
    if option.type == "integer":
        return st.integers(int(option.minimum or 0), int(option.maximum or 100))
    if option.type == "number":
        return st.floats(option.minimum or 0, option.maximum or 100)
    if option.type == "choice":
        return st.sampled_from([value for value, _title in option.choices])
    return {"boolean": st.booleans(), "text": texts}.get(option.type, st.just(option.default))


def bodies(slug: str) -> st.SearchStrategy:
    tool = tools.known().tools.get(slug)
    fit = {option.name: fitting(option) for option in tool.options} if tool else {"docker_tag": texts}
    odd = st.dictionaries(st.sampled_from([*fit, "none"]), values, max_size=2)
    kinds = [str(tool.kind)] if tool else list(map(str, JobKind))
    return st.fixed_dictionaries(
        {"tool" if tool else "module": st.just(slug), "kind": st.sampled_from(kinds)},
        optional={
            "title": texts,
            "resources": resources,
            "options": st.fixed_dictionaries({}, optional=fit) | st.fixed_dictionaries({}, optional=fit) | odd,
            "arguments": st.dictionaries(texts, values, max_size=2),
            "script": texts,
        },
    )


@pytest.mark.parametrize("slug", ASKED)
def test_whatever_is_asked_its_job_stays_within_the_list(here, ada, slug):
    asset = Asset.objects.get(slug=slug)
    seen: list[bool] = []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(bodies(slug))
    def ask(body):
        form = DeployForm.from_api(DeploymentIn(**body).model_dump(), owner=ada)
        if not form.is_valid():
            assert all(sentence for _pointer, sentence in form.problems())
            return
        with suppress(CannotCompile):
            check(*compiled(form, asset, here, ada))
            seen.append(True)

    ask()
    assert len(seen) >= 5 or asset.slug in NEED_ANOTHER, "hardly an example came as far as a job"


def compiled(form: DeployForm, asset: Asset, here: Datacenter, ada) -> tuple[dict, dict, Deployment]:
    request = form.deploy_request()
    deployment, _made = Deployment.objects.update_or_create(
        asset=asset,
        defaults={
            "project": ada.personal_project,
            "owner": ada,
            "asset_slug": asset.slug,
            "asset_kind": asset.kind,
            "title": request.title or asset.slug,
            "kind": str(request.kind),
            "request": json.loads(json.dumps(as_json(request))),
            "datacenter": here,
        },
    )
    spec, secrets = compile_deployment(Deployment.objects.with_parts().get(pk=deployment.pk))
    return job_json(spec, GUARDED), dict(secrets), deployment


def check(job: dict, secrets: dict, deployment: Deployment) -> None:
    assert not not_allowed(job)
    assert (len(job["TaskGroups"]), job["TaskGroups"][0]["Count"], job["Priority"]) == (1, 1, 50)
    assert job["Namespace"] == deployment.namespace
    group = job["TaskGroups"][0]
    assert {network["Mode"] for network in group.get("Networks", [])} <= {"host", "bridge"}
    for task in group["Tasks"]:
        check_task(task, deployment)
    sent = json.dumps(job)
    assert not [name for name, value in secrets.items() if len(value) > 8 and value in sent]
    assert deployment.owner.username not in json.dumps(job["Meta"])


def check_task(task: dict, deployment: Deployment) -> None:
    assert task["Driver"] in ("exec", "docker")
    assert task["Resources"]["MemoryMB"] <= MOST_MEMORY_MB
    assert task["Resources"]["CPU"] <= MOST_CPU_CORES * 1_000
    if task["Driver"] == "docker":
        assert "User" not in task
        assert task["Config"]["security_opt"] == ["no-new-privileges"]
        assert task["Config"]["image"].split(":")[0] in images(deployment)
    for mount in task["Config"].get("mount", []):
        assert mount["source"].startswith((f"{OWN_DATA}/", "${meta.serai_mounts_root}/" + deployment.job_id))


def images(deployment: Deployment) -> set[str]:
    tool = tools.tool_of(deployment.asset)
    if tool is None:
        return {deployment.asset.docker_image.split(":")[0]}
    return {task.image.split(":")[0] for way in tool.runtimes.values() for task in way.tasks}


def test_every_tool_is_asked_for(here):
    assert set(Asset.objects.filter(kind=Kind.TOOL).values_list("slug", flat=True)) <= set(ASKED)
