"""What an annotation server keeps for people: the login of its own, and snapshots to begin again with."""

import json

import pytest
from django.urls import reverse

from accounts.models import AuditEvent, Membership, Role
from datacenters.storage import mkdir
from jobs import tools
from jobs.models import Deployment, Status
from jobs.snapshots import _first_to_write
from jobs.tools import mirror
from marketplace.models import Asset
from tests import storages
from tests.unit.api.conftest import api  # noqa: F401
from tests.unit.jobs.attached import linked
from tests.unit.jobs.conftest import site  # noqa: F401

pytestmark = pytest.mark.django_db
RESOURCES = {"cpu_cores": 2.0, "memory_mb": 6500, "disk_mb": 10000, "gpus": 0}


@pytest.fixture
def cvat(ada) -> Deployment:
    """Ada's, which runs."""
    mirror.ensure()
    found = Deployment.objects.create(
        project=ada.personal_project,
        owner=ada,
        asset=Asset.objects.get(slug="cvat"),
        asset_slug="cvat",
        asset_kind="tool",
        title="Labels",
        request={"resources": RESOURCES, "options": {"restore": "none", "keep": 4}, "storages": [], "arguments": {}},
        status=Status.RUNNING,
    )
    tools.secrets_of(found)
    return found


@pytest.fixture
def adas(client, ada):
    client.force_login(ada)
    return client


def page(name: str, deployment: Deployment) -> str:
    return reverse(name, args=[deployment.pk])


# ── The login ────────────────────────────────────────────────────────────────────────────────────
def test_the_login_is_shown_at_a_press_and_the_history_says_to_whom(adas, cvat, ada):
    password = tools.secrets_of(cvat)["CVAT_PASSWORD"]
    shown = adas.get(page("deployment", cvat)).content.decode()
    assert "Show its login" in shown
    assert password not in shown
    answer = adas.post(page("deployment-credentials", cvat))
    assert password in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    event = AuditEvent.objects.get(action="deployment.credentials_shown")
    assert (event.actor, event.detail) == (ada, {"users": ["serai"]})
    assert password not in json.dumps(event.detail)
    assert "looked at the login of" in adas.get(page("deployment", cvat)).content.decode()


def test_looking_at_its_address_shows_nothing(adas, cvat):
    assert adas.get(page("deployment-credentials", cvat)).status_code == 405
    assert not AuditEvent.objects.filter(action="deployment.credentials_shown").exists()


def test_who_only_looks_at_the_project_sees_no_login_and_eve_nothing(client, cvat, ada, bob, eve):
    Membership.objects.update_or_create(user=bob, project=ada.personal_project, defaults={"role": Role.VIEWER})
    client.force_login(bob)
    assert "Show its login" not in client.get(page("deployment", cvat)).content.decode()
    assert client.post(page("deployment-credentials", cvat)).status_code == 403
    client.force_login(eve)
    for ask in (client.post(page("deployment-credentials", cvat)), client.get(page("deployment-snapshots", cvat))):
        assert ask.status_code == 404
    assert not AuditEvent.objects.filter(action="deployment.credentials_shown").exists()


def test_by_rest_too(api, cvat, eve):  # noqa: F811
    answer = api.post(f"deployments/{cvat.pk}/credentials")
    password = tools.secrets_of(cvat)["CVAT_PASSWORD"]
    assert answer.json()["items"] == [{"endpoint": "web", "user": "serai", "password": password}]
    assert api.post(f"deployments/{cvat.pk}/credentials", as_=eve).status_code == 404
    assert AuditEvent.objects.filter(action="deployment.credentials_shown").count() == 1


def test_a_tool_with_a_token_alone_has_no_login_to_show(adas, api, cvat):  # noqa: F811
    Deployment.objects.update(asset=Asset.objects.get(slug="ide"), asset_slug="ide")
    tools.secrets_of(Deployment.objects.get())
    assert adas.post(page("deployment-credentials", cvat)).status_code == 404
    assert adas.get(page("deployment-snapshots", cvat)).status_code == 404
    assert api.post(f"deployments/{cvat.pk}/credentials").json()["items"] == []
    assert "Its own server" not in adas.get(page("deployment", cvat)).content.decode()


# ── Snapshots ────────────────────────────────────────────────────────────────────────────────────
def attach(cvat: Deployment, *rows: dict[str, object]) -> None:
    cvat.request["storages"] = [{"path": "", "mode": "mount", "read_only": False, **row} for row in rows]
    cvat.save()


def test_without_a_storage_it_says_that_nothing_is_kept(adas, cvat, api):  # noqa: F811
    assert "No storage that can be written is attached" in adas.get(page("deployment-snapshots", cvat)).content.decode()
    assert api.get(f"deployments/{cvat.pk}/snapshots").json()["items"] == []


@pytest.mark.slow
def test_snapshots_are_listed_and_the_form_opens_with_the_one_that_is_chosen(
    adas,
    api,  # noqa: F811
    site,  # noqa: F811
    cvat,
    ada,
    settings,
    tmp_path,
):
    settings.SERAI_TRUSTED_HOSTS = ["127.0.0.1"]
    server = storages.serve("webdav", tmp_path)
    try:
        storage = linked(ada, server)
        attach(cvat, {"storage": str(storage.pk), "target": "photos", "path": "labels"})
        assert "There is no snapshot in “Photos” yet" in adas.get(page("deployment-snapshots", cvat)).content.decode()
        mkdir(server.remote(), "labels/cvat/snapshots")
        for name in ("2026-11-20T10-00-00Z.sql.gz", "2026-11-21T15-04-00Z.sql.gz", ".draft-x.sql.gz"):
            (server.files / "labels/cvat/snapshots" / name).write_bytes(b"dump")
        items = api.get(f"deployments/{cvat.pk}/snapshots").json()["items"]
        assert [item["name"] for item in items] == ["2026-11-21T15-04-00Z", "2026-11-20T10-00-00Z"]
        shown = adas.get(page("deployment-snapshots", cvat)).content.decode()
        assert "draft" not in shown
        form = adas.get(
            reverse("deploy", args=["cvat"]), {"clone": cvat.pk, "option-restore": "2026-11-20T10-00-00Z"}
        ).content.decode()
        assert 'value="2026-11-20T10-00-00Z"' in form
        assert 'name="option-keep" value="4"' in form
    finally:
        server.stop()
    assert "could not be looked into" in adas.get(page("deployment-snapshots", cvat)).content.decode()
    assert api.get(f"deployments/{cvat.pk}/snapshots").status_code == 502


def test_of_several_storages_it_is_the_first_by_name_that_can_be_written(adas, cvat):
    missing = "00000000-0000-0000-0000-000000000000"
    attach(
        cvat,
        {"storage": missing, "target": "a", "read_only": True},
        {"storage": missing, "target": "c"},
        {"storage": missing, "target": "B"},
    )
    assert _first_to_write(cvat)["target"] == "B"
