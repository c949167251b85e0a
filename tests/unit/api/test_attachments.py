"""Storages and datasets in requests: by REST, by the page, in clones, and what is refused where."""

import json
import re
import uuid

import pytest
from django.urls import reverse

from jobs.models import Deployment, Storage, StorageKind

pytestmark = pytest.mark.django_db
DOI = "10.5281/zenodo.1234567"


@pytest.fixture
def site(site):
    """The one machine mounts storages."""
    site.copies_storages = site.mounts_storages = True
    site.save()
    return site


def linked(person, name="Photos"):
    return Storage.objects.create(project=person.personal_project, kind=StorageKind.WEBDAV, name=name)


@pytest.fixture
def photos(ada):
    return linked(ada)


@pytest.fixture
def post(client, bearer, ada):
    def post(person=ada, url="/api/v1/deployments", **body):
        body = {"module": "digits", **body}
        return client.post(url, json.dumps(body), content_type="application/json", headers=bearer(person))

    return post


def pointers(answer):
    assert answer.status_code == 422, answer.content
    return {error["pointer"] for error in answer.json()["errors"]}


# ── REST ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_request_names_storages_and_datasets(site, digits, photos, post):
    storages = [{"storage": str(photos.pk), "path": "/2026/june/", "target": "june", "mode": "copy", "read_only": True}]
    answer = post(storages=storages, datasets=[{"source": DOI, "force": True}])
    assert answer.status_code == 201, answer.content
    kept = Deployment.objects.get().request
    assert kept["storages"] == [storages[0] | {"path": "2026/june"}]
    assert kept["datasets"] == [{"source": DOI, "target": "record-1234567", "checksum": "", "force": True}]


def test_names_are_found_for_those_who_give_none(site, digits, photos, post):
    row = {"storage": str(photos.pk)}
    assert post(storages=[row, row | {"path": "b"}]).status_code == 201
    kept = Deployment.objects.get().request["storages"]
    assert [(one["target"], one["mode"]) for one in kept] == [("photos", "mount"), ("photos-2", "mount")]


@pytest.mark.parametrize(
    ("row", "pointer"),
    [
        ({"storage": str(uuid.uuid4())}, "#/storages/0/storage"),
        ({"storage": "1; DROP TABLE"}, "#/storages/0/storage"),
        ({"path": "../up"}, "#/storages/0/path"),
        ({"path": "a/../../b"}, "#/storages/0/path"),
        ({"target": "../etc"}, "#/storages/0/target"),
        ({"target": "${meta.secret}"}, "#/storages/0/target"),
        ({"target": ".state"}, "#/storages/0/target"),
        ({"mode": "sync"}, "#/storages/0/mode"),
        ({"read_only": "perhaps"}, "#/storages/0/read_only"),
        ({"size": 3}, "#/storages/0/size"),
        ({"storage": ""}, "#/storages/0/storage"),
    ],
)
def test_what_is_wrong_with_a_storage_is_said_at_its_place(site, digits, photos, post, row, pointer):
    assert pointer in pointers(post(storages=[{"storage": str(photos.pk), **row}]))


@pytest.mark.parametrize(
    ("row", "pointer"),
    [
        ({"source": "file:///etc/passwd"}, "source"),
        ({"source": "zenodo 1234"}, "source"),
        ({"source": "https://ada:secret@example.org/a.zip"}, "source"),
        ({"source": "https://example.org/a.zip", "checksum": "sha1:00"}, "checksum"),
        ({"checksum": "md5:" + "0" * 32}, "checksum"),
        ({"target": "../../up"}, "target"),
        ({"target": "nowhere/data"}, "target"),
    ],
)
def test_what_is_wrong_with_a_dataset_is_said_at_its_place(site, digits, post, row, pointer):
    assert f"#/datasets/0/{pointer}" in pointers(post(datasets=[{"source": DOI, **row}]))


def test_a_dataset_goes_into_an_attached_storage_that_may_be_written(site, digits, photos, post):
    row = {"storage": str(photos.pk), "target": "in"}
    assert post(storages=[row], datasets=[{"source": DOI, "target": "in/data"}]).status_code == 201
    refused = post(storages=[row | {"read_only": True}], datasets=[{"source": DOI, "target": "in/data"}])
    assert pointers(refused) == {"#/datasets/0/target"}


def test_two_of_one_name_are_refused(site, digits, photos, post):
    row = {"storage": str(photos.pk), "target": "Data"}
    assert pointers(post(storages=[row, row | {"target": "data"}])) == {"#/storages/1/target"}


def test_more_rows_than_are_taken_are_refused(site, digits, photos, post):
    rows = [{"storage": str(photos.pk), "target": f"t{number}"} for number in range(11)]
    assert post(storages=rows).status_code == 422


def test_a_place_that_only_copies_says_so(site, digits, photos, post):
    site.mounts_storages = False
    site.save()
    row = {"storage": str(photos.pk)}
    assert pointers(post(storages=[row | {"mode": "mount"}])) == {"#/storages/0/mode"}
    assert post(storages=[row]).status_code == 201
    assert Deployment.objects.get().request["storages"][0]["mode"] == "copy"
    site.copies_storages = False
    site.save()
    assert pointers(post(storages=[row | {"mode": "copy"}])) == {"#/storages"}


def test_storages_of_others_are_not_there_for_me(site, digits, eve, bob, photos, post):
    """Bob works in Ada's project; Eve does not know it."""
    row = {"storage": str(photos.pk)}
    assert pointers(post(eve, storages=[row])) == {"#/storages/0/storage"}
    assert pointers(post(bob, storages=[row])) == {"#/storages/0/storage"}  # in a deployment of his own project
    assert post(bob, storages=[row], project="ada").status_code == 201
    assert post(bob, storages=[{"storage": str(linked(bob).pk)}], project="ada").status_code == 201


def test_the_forms_schema_describes_both(client, bearer, ada, site, digits):
    schema = client.get("/api/v1/modules/digits/form", headers=bearer(ada)).json()["properties"]
    assert set(schema["storages"]["items"]["properties"]) == {"storage", "path", "target", "mode", "read_only"}
    assert schema["datasets"]["items"]["required"] == ["source"]


# ── The page ─────────────────────────────────────────────────────────────────────────────────────
def sent(**more):
    return {"title": "Digits", "project": "ada", **more}


def test_the_page_leads_to_the_files_of_a_storage_for_those_who_may_see_them(
    client, ada, bob, site, digits, photos, post
):
    bobs = linked(bob, "Diary")
    rows = [{"storage": str(photos.pk), "path": "2026/june"}, {"storage": str(bobs.pk)}]
    deployment = post(bob, storages=rows, project="ada").json()["id"]
    address = reverse("storage", args=[photos.pk])
    client.force_login(ada)
    page = client.get(reverse("deployment", args=[deployment])).content.decode()
    assert f'href="{address}?path=2026%2Fjune"' in page or f'href="{address}?path=2026/june"' in page
    assert "Diary" in page
    assert reverse("storage", args=[bobs.pk]) not in page


def test_the_page_attaches_what_its_rows_say(client, ada, site, digits, photos):
    client.force_login(ada)
    rows = {"storages-0-storage": str(photos.pk), "storages-0-path": "in", "datasets-0-source": DOI}
    answer = client.post(reverse("deploy", args=["digits"]), sent(**rows))
    assert answer.status_code == 302, re.findall(r'class="[^"]*error[^"]*">[^<]*', answer.content.decode())
    kept = Deployment.objects.get().request
    assert kept["storages"][0]["path"] == "in"
    assert kept["datasets"][0]["source"] == DOI


def test_rows_that_are_left_empty_ask_for_nothing(client, ada, site, digits, photos):
    client.force_login(ada)
    client.post(reverse("deploy", args=["digits"]), sent(**{"storages-0-storage": "", "storages-0-mode": "mount"}))
    assert Deployment.objects.get().request["storages"] == []


def test_another_row_comes_without_losing_what_was_typed(client, ada, site, digits, photos):
    client.force_login(ada)
    rows = {"storages-0-storage": str(photos.pk), "storages-0-path": "in it", "add": "storages"}
    answer = client.post(reverse("deploy", args=["digits"]), sent(title="Mine", **rows))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert Deployment.objects.count() == 0
    assert 'value="in it"' in page
    assert 'value="Mine"' in page
    assert 'name="storages-1-storage"' in page
    assert 'name="storages-2-storage"' not in page
    assert 'name="datasets-1-source"' not in page


def test_a_row_without_its_storage_is_asked_for_it(client, ada, site, digits, photos):
    client.force_login(ada)
    answer = client.post(reverse("deploy", args=["digits"]), sent(**{"storages-0-path": "in"}))
    assert answer.status_code == 422
    assert "leave the whole row empty" in answer.content.decode()


def test_a_clone_has_the_same_attached(client, ada, site, digits, photos, post):
    post(storages=[{"storage": str(photos.pk), "path": "in", "read_only": True}], datasets=[{"source": DOI}])
    client.force_login(ada)
    address = client.get(reverse("deployment-clone", args=[Deployment.objects.get().pk]))["Location"]
    page = client.get(address).content.decode()
    assert f'<option value="{photos.pk}" selected>' in page
    assert 'value="in"' in page
    assert f'value="{DOI}"' in page
    assert re.search(r'name="storages-0-read_only"[^>]*checked', page)
