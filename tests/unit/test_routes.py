"""Who gets what from every address: a table, and no address without its line.

Ada manages the shared project, Bob works in it, Vera looks at it, Eve is outside, Grace runs the platform, and
nobody is somebody who is not signed in.
"""

import json
import re
from collections.abc import Iterator
from copy import copy
from urllib.parse import urlencode

import pytest
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.models import ApiToken, Project, Scope
from accounts.oidc.config import Identity
from dashboard.api.v1 import api
from datacenters.jobspec import JobKind
from datacenters.models import Node
from jobs import services, sweeps
from jobs.models import Deployment, FederationClient, Status, Storage
from jobs.tools import mirror
from tests.unit.projects.conftest import ask, bob, digits, engine, grace, site, vera, who  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
NOBODY = "http://127.0.0.1:9"  # where no provider of identities answers
NAMES = ("nobody", "eve", "vera", "bob", "ada", "grace")

# Pages. 405 for all who get so far: not written down.
PAGES = """
GET  home                   302 200 200 200 200 200
GET  welcome                200 200 200 200 200 200
POST welcome                422 422 422 422 422 422
GET  signin                 200 302 302 302 302 302
POST signin                 422 302 302 302 302 302
POST signout                302 302 302 302 302 302
POST signin-with            503 302 302 302 302 302
GET  signin-back            400 400 400 400 400 400
POST connect-identity       302 503 503 503 503 503
POST disconnect-identity    302 404 404 404 302 404
POST theme                  302 302 302 302 302 302
GET  healthz                200 200 200 200 200 200
GET  docs                   200 200 200 200 200 200
GET  docs-page              200 200 200 200 200 200
GET  profile                302 200 200 200 200 200
POST profile                302 302 302 302 302 302
GET  password               302 200 200 200 200 200
POST password               302 422 422 422 422 422
GET  tokens                 302 200 200 200 200 200
POST create-token           302 422 422 422 422 422
POST revoke-token           302 404 404 404 302 404
GET  people                 302 403 403 403 403 200
GET  invite                 302 403 403 403 403 200
POST invite                 302 403 403 403 403 422
GET  person                 302 403 403 403 403 200
POST person                 302 403 403 403 403 422
GET  person-quota           302 403 403 403 403 200
POST person-quota           302 403 403 403 403 302
POST person-link            302 403 403 403 403 200
POST person-switch          302 403 403 403 403 302
GET  clusters               302 403 403 403 403 200
GET  new-cluster            302 403 403 403 403 200
POST new-cluster            302 403 403 403 403 422
GET  cluster                302 403 403 403 403 200
POST cluster                302 403 403 403 403 200
POST cluster-test           302 403 403 403 403 404
POST cluster-remove         302 403 403 403 403 302
GET  project-tokens         302 403 403 403 403 404
POST project-tokens         302 403 403 403 403 404
POST cluster-token-renew    302 403 403 403 403 404
POST project-token-forget   302 403 403 403 403 404
GET  audit                  302 403 403 403 403 200
GET  projects               302 200 200 200 200 200
GET  new-project            302 200 200 200 200 200
POST new-project            302 302 302 302 302 302
POST choose-project         302 302 302 302 302 302
GET  project                302 404 200 200 200 200
GET  edit-project           302 404 403 403 200 200
POST edit-project           302 404 403 403 302 302
GET  project-quota          302 403 403 403 403 200
POST project-quota          302 403 403 403 403 302
GET  project-audit          302 404 403 403 200 200
POST archive-project        302 404 403 403 302 302
POST restore-project        302 404 403 403 302 302
GET  project-members        302 404 302 302 302 302
POST project-members        302 404 403 403 302 302
POST project-member         302 404 403 403 302 302
POST remove-member          302 404 302 403 302 302
GET  modules                302 200 200 200 200 200
GET  module                 302 200 200 200 200 200
GET  module-metadata        302 200 200 200 200 200
GET  sources                302 403 403 403 403 200
POST sources                302 403 403 403 403 422
POST source-sync            302 403 403 403 403 302
POST source-switch          302 403 403 403 403 302
GET  deploy                 302 200 200 200 200 200
POST deploy                 302 422 422 302 302 422
POST deploy-beside          302 200 200 200 200 200
GET  train                  302 200 200 200 200 200
POST train                  302 422 422 302 302 422
POST train-beside           302 200 200 200 200 200
GET  sweeps                 302 200 200 200 200 200
GET  sweep                  302 404 200 200 200 404
POST sweep-stop             302 404 403 302 302 404
GET  deployments            302 200 200 200 200 200
GET  deployments-stream     302 200 200 200 200 200
GET  deployment             302 404 200 200 200 404
GET  deployment-status      302 404 200 200 200 404
GET  deployment-timeline    302 404 200 200 200 404
GET  deployment-outcome     302 404 200 200 200 404
GET  deployment-stream      302 404 200 200 200 404
GET  deployment-log         302 404 200 200 200 404
GET  deployment-log-text    302 404 200 200 200 404
GET  deployment-log-stream  302 404 200 200 200 404
GET  deployment-usage       302 404 200 200 200 404
GET  deployment-metrics     302 404 200 200 200 404
GET  deployment-spec        302 404 200 200 200 404
POST deployment-stop        302 404 403 302 302 404
POST deployment-start       302 404 403 302 302 404
POST deployment-restart     302 404 403 302 302 404
POST deployment-delete      302 404 403 302 302 404
POST deployment-restore     302 404 403 302 302 404
GET  federation-clients     302 404 200 200 200 404
GET  federation-rounds      302 404 200 200 200 404
GET  federation-figures     302 404 200 200 200 404
GET  federation-add-outside 302 404 302 200 200 404
POST federation-add-outside 302 404 302 200 200 404
GET  federation-add-inside  302 404 302 200 200 404
POST federation-add-inside  302 404 302 422 422 404
POST federation-revoke      302 404 403 302 302 404
POST federation-report      401 401 401 401 401 401
POST deployment-extend      302 404 403 302 302 404
POST deployment-credentials 302 404 404 404 404 404
GET  deployment-snapshots   302 404 404 404 404 404
GET  deployment-clone       302 404 302 302 302 404
GET  open-endpoint          302 404 200 200 200 404
GET  use                    302 404 200 200 200 404
POST use                    302 404 409 409 409 404
GET  runs                   302 200 200 200 200 200
GET  runs-compare           302 200 200 200 200 200
GET  runs-compare-metrics   302 404 404 404 404 404
GET  run                    302 404 200 200 200 404
GET  run-metrics            302 404 200 200 200 404
GET  run-file               302 404 404 404 404 404
GET  datacenters            302 200 200 200 200 200
GET  datacenter             302 200 200 200 200 200
POST datacenter             302 403 403 403 403 422
POST announce-maintenance   302 403 403 403 403 422
POST call-off-maintenance   302 403 403 403 403 404
GET  datacenter-statistics  302 200 200 200 200 200
GET  topology               302 403 403 403 403 200
GET  node                   302 200 200 200 200 200
POST node-eligibility       302 403 403 403 403 302
POST node-test              302 403 403 403 403 302
POST node-drain             302 403 403 403 403 422
POST node-stop-drain        302 403 403 403 403 302
GET  storages               302 200 200 200 200 200
GET  link-storage-webdav    302 200 200 200 200 200
POST link-storage-webdav    302 422 422 422 422 422
GET  link-storage-s3        302 200 200 200 200 200
POST link-storage-s3        302 422 422 422 422 422
GET  link-storage-sftp      302 200 200 200 200 200
POST link-storage-sftp      302 422 422 422 422 422
GET  storage                302 404 200 200 200 404
GET  storage-preview        302 404 404 404 404 404
GET  storage-download       302 404 404 404 404 404
GET  storage-inline         302 404 404 404 404 404
POST storage-upload         302 404 403 302 302 404
POST storage-folder         302 404 403 302 302 404
POST storage-delete         302 404 403 302 302 404
GET  storage-move           302 404 403 200 200 404
POST storage-move           302 404 403 422 422 404
GET  storage-edit           302 404 403 200 200 404
POST storage-edit           302 404 403 422 422 404
POST storage-test           302 404 302 302 302 404
POST storage-unlink         302 404 403 302 302 404
GET  storage-place          302 404 403 200 200 404
POST storage-place          302 404 403 302 302 404
POST my-favour              302 302 302 302 302 302
POST project-favour         302 404 403 403 302 302
GET  project-queue          302 404 200 200 200 200
GET  datacenter-footprint   302 403 403 403 403 200
POST datacenter-footprint   302 403 403 403 403 302
GET  api-docs               302 200 200 200 200 200
"""
FORMS = {
    "profile": {"full_name": "Somebody"},
    "password": {"new_password1": "1"},
    "theme": {"theme": "dark"},
    "welcome": {"code": "guess"},
    "signin": {"username": "ada", "password": "guess"},
    "invite": {"username": "!"},
    "person": {"level": "99"},
    "sources": {"location": "http://127.0.0.1/"},
    "new-project": {"name": "Another"},
    "edit-project": {"name": "Another"},
    "project-members": {"username": "eve", "role": "member"},
    "project-member": {"role": "member"},
    "deploy": {"project": "engine"},
    "federation-add-outside": {"name": "Hospital"},
    "train": {"project": "engine"},
}
# A module whose training takes one argument.
TRAINS = {
    "swagger": "2.0",
    "paths": {
        "/models/digits/train/": {"post": {"parameters": [{"name": "epochs", "in": "query", "type": "integer"}]}}
    },
}
# By a token with every scope; the last column is the one scope that is enough.
OPERATIONS = """
GET    me                       401 200 200 200 200 200 read
GET    list_people              401 403 403 403 403 200 read
GET    get_person               401 404 200 404 404 200 read
PATCH  change_person            401 404 403 404 404 200 write
GET    list_projects            401 200 200 200 200 200 read
POST   create_project           401 201 201 201 201 201 write
GET    get_project              401 404 200 200 200 200 read
PATCH  change_project           401 404 403 403 200 200 write
DELETE archive_project          401 404 403 403 409 409 write
POST   restore_project          401 404 403 403 200 200 write
GET    list_members             401 404 200 200 200 200 read
POST   add_member               401 404 403 403 201 201 write
PATCH  change_member            401 404 403 403 200 200 write
DELETE remove_member            401 404 204 403 204 204 write
GET    get_project_quotas       401 404 200 200 200 200 read
PUT    set_project_quotas       401 404 403 403 403 200 write
GET    get_person_quotas        401 404 200 404 404 200 read
PUT    set_person_quotas        401 404 403 404 404 200 write
GET    list_modules             401 200 200 200 200 200 read
GET    get_module               401 200 200 200 200 200 read
GET    get_module_form          401 200 200 200 200 200 read
GET    list_tools               401 200 200 200 200 200 read
GET    get_tool                 401 404 404 404 404 404 read
GET    get_tool_form            401 404 404 404 404 404 read
POST   create_deployment        401 422 422 201 201 422 write
GET    list_deployments         401 200 200 200 200 200 read
POST   plan_deployment          401 422 422 200 200 422 read
GET    get_deployment           401 404 200 200 200 404 read
DELETE delete_deployment        401 404 403 202 202 404 write
POST   stop_deployment          401 404 403 202 202 404 write
POST   start_deployment         401 404 403 202 202 404 write
POST   extend_deployment        401 404 403 409 409 404 write
POST   show_deployment_credentials 401 404 403 200 200 404 write
GET    list_deployment_snapshots 401 404 404 404 404 404 read
POST   restore_deployment       401 404 403 202 202 404 write
GET    get_deployment_logs      401 404 200 200 200 404 read
GET    list_deployment_events   401 404 200 200 200 404 read
GET    list_deployment_storages 401 404 200 200 200 404 read
GET    list_federation_clients  401 404 200 200 200 404 read
POST   add_federation_client    401 404 403 201 201 404 write
DELETE revoke_federation_client 401 404 403 204 204 404 write
POST   create_sweep             401 422 422 201 201 422 write
GET    list_sweeps              401 200 200 200 200 200 read
GET    get_sweep                401 404 200 200 200 404 read
POST   stop_sweep               401 404 403 202 202 404 write
GET    list_runs                401 200 200 200 200 200 read
GET    compare_runs             401 422 422 422 422 422 read
GET    get_run                  401 404 200 200 200 404 read
GET    get_run_metrics          401 404 503 503 503 404 read
GET    list_run_files           401 404 503 503 503 404 read
GET    get_run_file             401 422 422 422 422 422 read
GET    list_storages            401 200 200 200 200 200 read
POST   link_storage             401 422 422 422 422 422 write
GET    get_storage              401 404 200 200 200 404 read
PATCH  change_storage           401 404 403 200 200 404 write
DELETE unlink_storage           401 404 403 204 204 404 write
POST   test_storage             401 404 200 200 200 404 write
GET    list_files               401 404 502 502 502 404 read
GET    get_file                 401 404 404 404 404 404 read
PUT    put_file                 401 404 403 422 422 404 write
POST   upload_files             401 404 403 422 422 404 write
DELETE delete_file              401 404 403 422 422 404 write
POST   make_folder              401 404 403 502 502 404 write
POST   move_file                401 404 403 502 502 404 write
GET    list_datacenters         401 200 200 200 200 200 read
GET    get_datacenter           401 200 200 200 200 200 read
PATCH  describe_datacenter      401 403 403 403 403 200 write
POST   announce_maintenance     401 403 403 403 403 422 write
DELETE call_off_maintenance     401 403 403 403 403 404 write
GET    get_footprint            401 200 200 200 200 200 read
PATCH  describe_footprint       401 403 403 403 403 200 write
GET    get_storage_place        401 404 200 200 200 404 read
PUT    set_storage_place        401 404 403 200 200 404 write
GET    get_my_favour            401 200 200 200 200 200 read
PUT    set_my_favour            401 200 200 200 200 200 write
GET    get_project_favour       401 404 200 200 200 200 read
GET    get_project_queue        401 404 200 200 200 200 read
PUT    set_project_favour       401 404 403 403 200 200 write
GET    get_datacenter_statistics 401 200 200 200 200 200 read
GET    list_nodes               401 200 200 200 200 200 read
GET    get_node                 401 200 200 200 200 200 read
PATCH  change_node              401 403 403 403 403 409 write
GET    list_node_tests          401 200 200 200 200 200 read
POST   test_node                401 403 403 403 403 202 write
POST   drain_node               401 403 403 403 403 409 write
DELETE end_drain                401 403 403 403 403 409 write
GET    list_clusters            401 403 403 403 403 200 read
POST   add_cluster              401 403 403 403 403 422 write
GET    get_cluster              401 403 403 403 403 200 read
PATCH  change_cluster           401 403 403 403 403 404 write
POST   test_cluster             401 403 403 403 403 404 write
DELETE remove_cluster           401 403 403 403 403 409 write
GET    list_cluster_tokens      401 403 403 403 403 404 read
PUT    give_cluster_token       401 403 403 403 403 404 write
DELETE forget_cluster_token     401 403 403 403 403 404 write
POST   renew_cluster_token      401 403 403 403 403 404 write
GET    list_audit               401 200 200 200 200 200 read
"""
BODIES = {
    "link_storage": {"kind": "webdav", "name": "Files", "project": "engine"},
    "change_storage": {"name": "Other files"},
    "set_my_favour": {"favour": "green"},
    "set_project_favour": {"favour": "near"},
    "make_folder": {"path": "data"},
    "move_file": {"path": "a", "to": "b"},
    "create_project": {"name": "Another"},
    "change_project": {"name": "Another"},
    "add_member": {"username": "eve"},
    "change_member": {"role": "member"},
    "create_deployment": {"module": "digits", "project": "engine"},
    "plan_deployment": {"module": "digits", "project": "engine"},
    "add_cluster": {"name": "garden", "address": "nowhere"},
    "renew_cluster_token": {"management_token": "m" * 36},
    "change_node": {"eligible": False},
    "drain_node": {"reason": "new disk"},
    "announce_maintenance": {"starts": "2026-01-02T00:00:00Z", "ends": "2026-01-01T00:00:00Z", "reason": "Cooling"},
    "add_federation_client": {"name": "Hospital"},
    "create_sweep": {"module": "digits", "project": "engine", "grid": {"epochs": [1, 2]}},
}


def lines(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


PAGE_LINES = {(method, name): statuses for method, name, *statuses in lines(PAGES)}
OPERATION_LINES = {name: (method, statuses, scope) for method, name, *statuses, scope in lines(OPERATIONS)}


def patterns(found: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for item in found:
        if isinstance(item, URLPattern):
            yield item
        elif not item.namespace:  # what has one is REST's
            yield from patterns(item.url_patterns)


def pages() -> dict[str, URLPattern]:
    found = patterns(get_resolver().url_patterns)
    return {item.name: item for item in found if item.name}


def operations() -> Iterator[tuple[str, tuple[str, str]]]:
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], (method.upper(), path)


ADDRESSES = dict(operations())


@pytest.fixture
def things(engine, site, digits, ask, ada, settings):  # noqa: F811
    """What the addresses name: a running deployment, a deleted one, a token of Ada's."""
    settings.MLFLOW_URL = ""
    running, deleted = (services.deploy(ask(project="engine"), owner=ada) for _ in range(2))
    Deployment.objects.filter(pk=running.pk).update(status=Status.RUNNING)
    Deployment.objects.filter(pk=deleted.pk).update(status=Status.STOPPED, deleted=timezone.now())
    trained = services.deploy(ask(project="engine"), owner=ada)
    Deployment.objects.filter(pk=trained.pk).update(status=Status.COMPLETED, kind="batch", run_id="0a1b2c")
    settings.OIDC_PROVIDERS = (Identity("institute", "Institute", issuer=NOBODY, client_id="serai"),)
    SocialAccount.objects.create(user=ada, provider=NOBODY, uid="ada")
    token, _plain = ApiToken.issue(ada, "laptop")
    digits.api_document = TRAINS
    digits.save()
    sweep = sweeps.start_sweep(ask(project="engine", kind=JobKind.BATCH), [{"epochs": 1}], at_once=1, owner=ada)
    mirror.ensure()
    server = Deployment.objects.get(pk=services.deploy(ask("flower", project="engine"), owner=ada).pk)
    client = FederationClient.objects.create(server=server, name="Institute", public_key="k")
    ours = {
        "running": running,
        "deleted": deleted,
        "token": token,
        "sweep": sweep,
        "federation": server,
        "client": client,
    }
    return {"run": "0a1b2c", **{name: row.pk for name, row in ours.items()}}


OF_STORAGES = re.compile(r"storage|^(list|get|put|upload|delete|move)_files?$|^make_folder$")


def a_storage() -> Storage:
    """Of the shared project; never reached, since its address is a private one."""
    address = {"url": "http://127.0.0.1:9", "vendor": "other"}
    values = {"project": Project.objects.get(slug="engine"), "kind": "webdav", "name": "Files"}
    return Storage.objects.get_or_create(**values, defaults={"address": address})[0]


ONE_OF_A_KIND = {
    "docs-page": lambda: "tutorial/first-prediction",
    "disconnect-identity": lambda: SocialAccount.objects.get().pk,
}


def named(name: str, part: str, things) -> object:
    """What stands in an address for this part of it."""
    if "federation" in name:
        return things["client" if part.startswith("client") else "federation"]
    if (part in ("pk", "id") and "deployment" in name) or name in ("open-endpoint", "use"):
        return {"label": "api"}.get(part, things["deleted" if "restore" in name else "running"])
    if part in ("pk", "id") and OF_STORAGES.search(name):
        return a_storage().pk
    if part in ("pk", "id") and "sweep" in name:
        return things["sweep"]
    if name in ONE_OF_A_KIND:
        return ONE_OF_A_KIND[name]()
    if part == "run_id" or (part == "id" and "run" in name):
        return things["run"]
    if "node" in name or "drain" in name:
        return Node.objects.get().pk
    if "cluster" in name or "maintenance" in name:
        return "ifca" if part == "name" or "cluster" in name else 1
    if part in ("slug", "id"):
        of_project = "project" in name or "member" in name
        return "engine" if of_project else "here" if name.startswith("source") else "digits"
    fixed = {"username": "vera", "name": "ifca", "label": "api", "provider": "institute"}
    return {**fixed, "token_id": things["token"]}[part]


class Undone(Exception):
    """What was done is taken back."""


def status_of(client: Client, method: str, address: str, body: bytes, content_type: str, **headers: str) -> int:
    """What one request is answered, without what it did."""
    cookies = copy(client.cookies)
    try:
        with transaction.atomic():
            answer = client.generic(method, address, data=body, content_type=content_type, headers=headers)
            raise Undone
    except Undone:
        client.cookies = cookies
        return answer.status_code


def ask_page(client: Client, method: str, name: str, things) -> int:
    parts = pages()[name].pattern.converters
    address = reverse(name, kwargs={part: named(name, part, things) for part in parts})
    return status_of(client, method, address, urlencode(FORMS.get(name, {})).encode(), FORM)


def signed_in(person, **more) -> Client:
    client = Client(**more)
    client.force_login(person)
    return client


def wrong(expected: dict[str, str], answered: dict[str, int]) -> list[str]:
    """Where an answer is not the table's, to be read."""
    return [
        f"{name}: {answered[name]} instead of {status}"
        for name, status in expected.items()
        if str(answered[name]) != status
    ]


# ── Pages ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("person", NAMES)
def test_pages_answer_each_person_as_the_table_says(things, who, person):  # noqa: F811
    client = Client() if person == "nobody" else signed_in(who(person))
    expected = {" ".join(line): statuses[NAMES.index(person)] for line, statuses in PAGE_LINES.items()}
    assert wrong(expected, {" ".join(line): ask_page(client, *line, things) for line in PAGE_LINES}) == []


def test_every_page_has_its_line(things, who):  # noqa: F811
    client = signed_in(who("grace"))
    asked = [(method, name) for name in pages() for method in ("GET", "POST") if (method, name) not in PAGE_LINES]
    assert [line for line in asked if ask_page(client, *line, things) != 405] == []
    assert {name for _method, name in PAGE_LINES} == set(pages())


def test_no_form_is_taken_from_another_site(things, who):  # noqa: F811
    """Without the form's token, or from another site's page with the token that it made up."""
    client = signed_in(who("grace"), enforce_csrf_checks=True)
    by_a_secret = "federation-report"  # no browser comes there
    names = [name for method, name in PAGE_LINES if method == "POST" and name != by_a_secret]
    assert {ask_page(client, "POST", name, things) for name in names} == {403}
    client.cookies["serai_csrf"] = "a" * 32
    client.defaults |= {"HTTP_ORIGIN": "http://api-x.apps.localhost:8000", "HTTP_X_CSRFTOKEN": "a" * 32}
    assert {ask_page(client, "POST", name, things) for name in names} == {403}
    client.defaults["HTTP_ORIGIN"] = "http://testserver"
    assert 403 not in {ask_page(client, "POST", name, things) for name in names}  # so the checks above can fail


# ── REST ─────────────────────────────────────────────────────────────────────────────────────────
def ask_api(things, name: str, headers: dict[str, str]) -> int:
    method, path = ADDRESSES[name]
    parts = [part.split("}")[0] for part in path.split("{")[1:]]
    address = path.format(**{part: named(name, part, things) for part in parts})
    return status_of(Client(), method, address, json.dumps(BODIES.get(name, {})).encode(), JSON, **headers)


def ask_all(things, headers: dict[str, str]) -> dict[str, int]:
    return {name: ask_api(things, name, headers) for name in OPERATION_LINES}


@pytest.mark.parametrize("person", NAMES)
def test_operations_answer_each_person_as_the_table_says(things, who, bearer, person):  # noqa: F811
    expected = {name: statuses[NAMES.index(person)] for name, (_method, statuses, _scope) in OPERATION_LINES.items()}
    assert wrong(expected, ask_all(things, {} if person == "nobody" else bearer(who(person)))) == []


@pytest.mark.parametrize("scope", Scope.values)
def test_operations_want_their_scope_and_no_other_will_do(things, who, bearer, scope):  # noqa: F811
    expected = {
        name: statuses[NAMES.index("ada")] if scope == enough else "403"
        for name, (_method, statuses, enough) in OPERATION_LINES.items()
    }
    assert wrong(expected, ask_all(things, bearer(who("ada"), scope))) == []


def test_every_operation_has_its_line():
    there = {(name, method) for name, (method, _path) in ADDRESSES.items()}
    assert there == {(name, method) for name, (method, _statuses, _scope) in OPERATION_LINES.items()}


def test_a_session_opens_no_operation(things, who):  # noqa: F811
    """Another site's page could make the browser send it."""
    cookies = "; ".join(f"{key}={value.value}" for key, value in signed_in(who("ada")).cookies.items())
    assert set(ask_all(things, {"Cookie": cookies}).values()) == {401}
