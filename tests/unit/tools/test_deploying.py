"""A tool in the marketplace, in its form, in its job, and at work."""

import json
import urllib.request

import pytest

from accounts.models import Membership, Role
from dashboard.forms import DeployForm
from dashboard.gateway.access import Credentials, NotAllowed, find
from dashboard.gateway.places import Place
from datacenters.jobspec import JobKind
from datacenters.nomad.render import TRUSTED, job_json
from jobs import cleaning, services, tools
from jobs.compilers import CannotCompile, compile_deployment
from jobs.models import UNDO_LASTS, Deployment, DeploymentSecret, Status
from jobs.refusals import RequestRefused
from jobs.tools import mirror
from marketplace.models import Asset, Condition, Source
from marketplace.services import switch

pytestmark = pytest.mark.django_db


def compiled(request, ada):
    deployment = services.deploy(request, owner=ada)
    return compile_deployment(Deployment.objects.with_parts().get(pk=deployment.pk))


# ── In the marketplace ───────────────────────────────────────────────────────────────────────────
def test_tools_are_entries_of_the_marketplace_without_remarks(toy):
    listed = Asset.objects.listed().filter(source__slug="serai-tools")
    assert {asset.slug for asset in listed} >= {"ide", "vscode", "toy"}
    assert {(asset.kind, asset.condition, *asset.report) for asset in listed} == {("tool", Condition.VALID)}


def test_mirroring_again_changes_nothing(toy):
    before = list(Asset.objects.order_by("pk").values())
    mirror.ensure()
    assert list(Asset.objects.order_by("pk").values()) == before


def test_a_changed_tool_file_changes_its_entry_and_a_removed_one_leaves(toy, settings, folder, tmp_path):
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "toy").symlink_to(folder / "toy")
    (newer / "toy.yml").write_text((folder / "toy.yml").read_text().replace("Page server", "Better server"))
    settings.SERAI_TOOL_FOLDERS = [newer]
    mirror.ensure()
    assert Asset.objects.get(slug="toy").title == "Better server"
    assert Asset.objects.get(slug="ide").gone


def test_a_tool_file_with_faults_says_so_in_the_marketplace(db, settings, tmp_path):
    (tmp_path / "broken.yml").write_text("id: broken")
    settings.SERAI_TOOL_FOLDERS = [tmp_path]
    mirror.ensure()
    asset = Asset.objects.get(slug="broken")
    assert asset.condition == Condition.NEEDS_REPAIR
    assert "“title” is missing" in asset.report[0]["sentence"]
    assert tools.tool_of(asset) is None


def test_an_administrator_may_switch_the_tools_off(toy, ada):
    switch(Source.objects.get(slug="serai-tools"), on=False, actor=ada)
    mirror.ensure()
    assert not Asset.objects.listed().exists()


def test_a_tool_of_another_catalog_is_shown_and_not_run(site, toy, ask, ada):
    Asset.objects.filter(pk=toy.pk).update(origin="https://example.org/toy")
    with pytest.raises(RequestRefused, match="does not know yet how to run"):
        services.deploy(ask("toy"), owner=ada)


# ── Its form ─────────────────────────────────────────────────────────────────────────────────────
def test_the_form_has_the_tools_fields_with_their_ranges(site, toy, ada):
    form = DeployForm.from_api(body(options={"pages": 10, "colour": "green"}, resources={"memory_mb": 100}), owner=ada)
    problems = dict(form.problems())
    assert "9" in problems["#/options/pages"]
    assert "green" in problems["#/options/colour"]
    assert "150" in problems["#/resources/memory_mb"]


def test_an_untouched_form_asks_for_what_the_file_suggests(site, toy, ada):
    form = DeployForm.from_api(body(), owner=ada)
    assert form.is_valid(), form.problems()
    request = form.deploy_request()
    assert (request.resources.cpu_cores, request.resources.memory_mb) == (0.2, 200)
    assert request.options == {"greeting": "hello", "pages": 3, "colour": "blue", "loud": False}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"module": "toy", "tool": None}, "There is no module “toy”"),
        ({"module": "toy"}, "not both"),
        ({"tool": "nosuch"}, "There is no tool “nosuch”"),
        ({"options": {"size": 3}}, "Taken: greeting, pages, colour, loud"),
    ],
)
def test_what_the_form_does_not_know_gets_its_sentence(site, toy, ada, given, sentence):
    form = DeployForm.from_api(body(**given), owner=ada)
    assert not form.is_valid()
    assert any(sentence in text for _pointer, text in form.problems())


def body(**given):
    lists = ("prefer", "exclude")
    empty = dict.fromkeys(("module", "title", "project", "kind", "datacenter", "max_wait")) | {n: [] for n in lists}
    return {**empty, "tool": "toy", "resources": {}, "options": {}, "arguments": {}, **given}


def test_a_tool_does_not_train(site, toy, ask, ada):
    with pytest.raises(RequestRefused, match="A tool is a service"):
        services.deploy(ask("toy", kind=JobKind.BATCH), owner=ada)


# ── Its job ──────────────────────────────────────────────────────────────────────────────────────
def test_the_job_has_what_the_file_says_and_no_secret(site, toy, ask, ada):
    spec, secrets = compiled(ask("toy", options={"greeting": "a ${NOMAD_SECRETS_DIR} b", "loud": True}), ada)
    main = spec.tasks[-1]
    assert [task.name for task in spec.tasks] == ["storage", "main"]
    assert (main.command, main.secrets) == ("${meta.serai_python}", ("PAGE_KEY",))
    assert main.env["OPTION_GREETING"] == "a $${NOMAD_SECRETS_DIR} b"
    assert (main.env["OPTION_LOUD"], main.env["OPTION_PAGES"]) == ("true", "3")
    assert main.env["SERAI_STORAGE_DIR"] == "${meta.serai_storage_root}/ada/toy"
    assert len(secrets["PAGE_KEY"]) >= 32
    assert secrets["PAGE_KEY"] not in json.dumps(job_json(spec, TRUSTED))


def test_a_tool_with_a_lock_is_installed_by_the_same_installer_as_modules(site, ide, ask, ada):
    spec, secrets = compiled(ask("ide", memory_mb=500), ada)
    packages, main = spec.tasks[1:]
    assert (packages.name, packages.operator) == ("packages", True)
    assert "--requirements=${NOMAD_TASK_DIR}/requirements.txt" in packages.args
    assert any("jupyterlab==4.6" in file.content for file in packages.files)
    key = next(arg for arg in packages.args if arg.startswith("--key=")).removeprefix("--key=")
    assert main.env["SERAI_ENVIRONMENT"] == "${meta.serai_packages_root}/" + key
    assert not any(secret in json.dumps(job_json(spec, TRUSTED)) for secret in secrets.values())
    assert not any("TOKEN" in arg.upper() for arg in main.args)


def test_a_secret_is_kept_encrypted_stays_the_same_and_goes_with_the_deployment(site, toy, ask, ada):
    deployment = services.deploy(ask("toy"), owner=ada)
    other = services.deploy(ask("toy"), owner=ada)
    first = tools.secrets_of(deployment)
    assert tools.secrets_of(deployment) == first != tools.secrets_of(other)
    row = DeploymentSecret.objects.filter(deployment=deployment)
    assert row.extra(select={"raw": "value"}).values_list("raw", flat=True)[0] != first["PAGE_KEY"]
    ended = Deployment.objects.filter(pk=deployment.pk)
    ended.update(status=Status.STOPPED, datacenter=None, deleted=deployment.created - UNDO_LASTS)
    cleaning.clean()
    assert not row.exists()


def test_a_tool_whose_file_is_gone_cannot_be_started_again(site, toy, ask, ada, settings):
    deployment = services.deploy(ask("toy"), owner=ada)
    settings.SERAI_TOOL_FOLDERS = []
    with pytest.raises(CannotCompile, match="no longer in the marketplace"):
        compile_deployment(Deployment.objects.with_parts().get(pk=deployment.pk))


# ── Through the gateway ──────────────────────────────────────────────────────────────────────────
@pytest.fixture
def running(site, ide, ask, ada) -> Deployment:
    deployment = services.deploy(ask("ide", memory_mb=500), owner=ada)
    tools.secrets_of(deployment)
    endpoints = [{"label": "ide", "host": "127.0.0.1", "port": 9, "healthy": True}]
    Deployment.objects.update(status=Status.RUNNING, endpoints=endpoints)
    return deployment


def test_the_gateway_shows_the_tools_own_token(running, ada, bearer):
    upstream = find(Credentials(token=plain(bearer(ada))), Place(running.pk, "ide"))
    assert upstream.login.authorization.decode() == f"token {tools.secrets_of(running)['JUPYTER_TOKEN']}"
    assert "token" not in repr(upstream)


def test_whoever_only_looks_at_a_project_opens_no_tool_of_it(running, ada, bob, bearer):
    place, token = Place(running.pk, "ide"), Credentials(token=plain(bearer(bob)))
    assert find(token, place)
    Membership.objects.filter(user=bob, project=ada.personal_project).update(role=Role.VIEWER)
    with pytest.raises(NotAllowed, match="look at this project"):
        find(token, place)


def plain(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


# ── At work ──────────────────────────────────────────────────────────────────────────────────────
def test_a_tool_that_was_put_into_a_folder_runs_and_nothing_else_was_touched(world, toy):
    service = world.again("toy", options={"greeting": "good day ${HOME}", "pages": 5})
    world.until(service, Status.RUNNING)
    assert service.healthy
    (endpoint,) = service.endpoints
    assert endpoint["label"] == "page"
    with urllib.request.urlopen(f"http://{endpoint['host']}:{endpoint['port']}/index.txt") as answer:
        greeting, key_length, pages, colour, loud, storage = answer.read().decode().split("|")
    assert (greeting, pages, colour, loud) == ("good day ${HOME}", "5", "blue", "false")
    assert int(key_length) >= 32
    assert storage.endswith(f"/storage/{service.project.slug}/toy")
