"""What the author of a module wrote, and what people type, stays text in the job that a datacenter is told."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datacenters.jobspec import JobKind, Runtime
from datacenters.nomad.render import TRUSTED, job_json
from jobs.compilers.module import compile_module
from jobs.models import Deployment
from marketplace.importing import take_over
from marketplace.sources import Contents, Found

pytestmark = pytest.mark.django_db

# All that our compilers write, and nothing else: what a task may learn of its node and of itself.
OURS = {
    "${NOMAD_TASK_DIR}",
    "${NOMAD_IP_api}",
    "${NOMAD_PORT_api}",
    "${NOMAD_META_serai_dollar}",
    "${NOMAD_META_serai_percent}",
    "${meta.serai_packages_root}",
    "${meta.serai_storage_root}",
    "${meta.serai_python}",
    "${meta.serai_uv}",
}
NASTY = [
    "${attr.unique.hostname}",
    "$${meta.x}",
    "$$${NOMAD_TOKEN}",
    "%{ for x in y }",
    "%%{x}",
    '{{ with nomadVar "nomad/jobs/other" }}{{ .KEY }}{{ end }}',
    '{{ key "secret" }}',
    "../../../etc",
    "/etc/passwd",
    "`id`",
    "; id",
    "--privileged",
    "a\nB=1",
    "<%0< {{ }} >1%>",
    "\u202e\u0000",
]
nasty = st.lists(st.sampled_from(NASTY) | st.text(max_size=8), min_size=1, max_size=4).map("".join)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from (*strings(key), *strings(item))
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def tasks(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {task["Name"]: task for task in job["TaskGroups"][0]["Tasks"]}


def check(job: dict[str, Any]) -> None:
    """No interpolation but ours, no template but that of the job's own secrets, no path but below our roots."""
    for task in tasks(job).values():
        files = [template.pop("EmbeddedTmpl") for template in task["Templates"] if not template["Envvars"]]
        assert not any(left in file for file, left in zip(files, delimiters(task), strict=True))
        command = task["Config"].get("command", "")
        assert ".." not in PurePosixPath(command).parts
        assert command == "python3" or command.startswith("${meta.serai_")
    for text in strings(job):
        if "nomadVar" in text:  # as text within a template it would be read
            assert not text.startswith("{{") or f'nomadVar "nomad/jobs/{job["ID"]}"' in text
        assert set(re.findall(r"\$\{[^}]*\}?", text)) <= OURS
        assert "$${" not in text
        assert "%{" not in text


def delimiters(task: dict[str, Any]) -> list[str]:
    return [template["LeftDelim"] for template in task["Templates"] if not template["Envvars"]]


@pytest.fixture
def compiled(deployed):
    """The job of a module with this metadata, for this request."""

    def make(metadata: dict[str, Any], runtime: Runtime, **request: Any) -> dict[str, Any]:
        data = yaml.safe_dump(metadata).encode()
        contents = Contents(metadata=data, installable=True)
        # No folder and no address holds a NUL: sources never find one, whatever a file's text says.
        name = str(metadata.get("title", "x")).replace("\0", "")
        package = f"git+https://git.example.org/{name}@abc" if runtime is Runtime.PACKAGE else ""
        asset, _outcome = take_over(deployed.asset.source, Found(name, f"o-{name}", contents, package=package))
        assert re.fullmatch(r"[a-z0-9_-]+", asset.slug)
        deployment = Deployment.objects.with_parts().get(pk=deployed.pk)
        deployment.asset, deployment.asset_slug = asset, asset.slug
        deployment.kind = request.pop("kind", deployment.kind)
        deployment.title = request.pop("title", deployment.title)
        deployment.request |= request
        return job_json(compile_module(deployment, asset, runtime)[0], TRUSTED)

    return make


loosely = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@loosely
@given(text=nasty)
def test_the_image_of_a_hostile_repository_stays_text(compiled, text):
    links = {"docker_image": f"evil/{text}", "source_code": text}
    job = compiled({"title": text, "summary": text, "description": text, "links": links}, Runtime.CONTAINER)
    check(job)
    config = tasks(job)["main"]["Config"]
    assert set(config) <= {"image", "init", "args", "command", "ports", "pids_limit", "security_opt"}
    assert "User" not in tasks(job)["main"]


@loosely
@given(text=nasty)
def test_the_package_of_a_hostile_repository_stays_text(compiled, text):
    job = compiled({"title": text, "links": {"source_code": text}}, Runtime.PACKAGE)
    check(job)
    assert [name for name, task in tasks(job).items() if "User" in task] == ["storage", "packages"]
    storage = next(task for name, task in tasks(job).items() if name == "storage")["Config"]["args"][1]
    root, project, module = storage.rsplit("/", 2)
    assert (root, project) == ("${meta.serai_storage_root}", "ada")
    assert re.fullmatch(r"[a-z0-9_-]+", module)


@loosely
@given(text=nasty, name=st.from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_what_a_person_types_stays_text(compiled, text, name):
    request = {"arguments": {name: text, "list": [text]}, "options": {"workers": 2}, "title": text}
    job = compiled({"title": "plain"}, Runtime.PACKAGE, kind=JobKind.BATCH, **request)
    check(job)
    assert text not in (job["Meta"], job["ID"])
    assert not [value for value in job["Meta"].values() if value == text]
