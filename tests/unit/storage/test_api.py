"""Storages and their files by REST alone, over real servers."""

import hashlib
import json
import os

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Membership, Role, create_person
from jobs.models import Storage
from tests import storages
from tests.unit.answers import whole
from tests.unit.storage.test_pages import typed

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/storages"


@pytest.fixture
def ask(client, ada, bearer):
    """``ask("get", "", who=eve)``: one call below ``storages`` as this person, else as Ada."""
    headers = {}

    def call(method: str, route: str, body: object = None, *, who=ada, **more):
        headers.setdefault(who.pk, bearer(who))
        if body is not None:
            more |= {"data": json.dumps(body), "content_type": "application/json"}
        return getattr(client, method)(f"{ROOT}{route}", headers=headers[who.pk], **more)

    return call


@pytest.fixture
def link(ask, ada):
    def linked(server: storages.Server, **changes: object):
        options = {**typed(server), **changes}
        body = {"kind": server.kind, "name": "By REST", "project": ada.personal_project.slug, "options": options}
        return ask("post", "", body)

    return linked


@pytest.fixture
def linked(link, server) -> str:
    return link(server).json()["id"]


@pytest.fixture
def webdav(link, servers) -> str:
    return link(servers("webdav")).json()["id"]


def test_a_storage_is_linked_listed_tested_renamed_and_unlinked(ask, link, server):
    made = link(server)
    assert made.status_code == 201, made.content
    route = f"/{made.json()['id']}"
    assert made["Location"] == ROOT + route
    assert [item["name"] for item in ask("get", "?kind=" + server.kind).json()["items"]] == ["By REST"]
    assert ask("post", f"{route}/test", {}).json() == {"answers": True, "problem": None}
    assert ask("patch", route, {"name": "Renamed"}).json()["name"] == "Renamed"
    assert ask("delete", route).status_code == 204
    assert ask("get", route).status_code == 404


def test_no_answer_holds_the_secret(ask, link, server):
    secret = storages.SECRET_KEY if server.kind == "s3" else storages.PASSWORD
    made = link(server)
    route = f"/{made.json()['id']}"
    kept = json.loads(Storage.objects.get(pk=made.json()["id"]).secrets).values()
    for answer in (made, ask("get", ""), ask("get", route), ask("patch", route, {"name": "x"})):
        assert secret not in answer.content.decode()
        assert not any(value in answer.content.decode() for value in kept)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"url": "http://10.1.2.3/"}, "#/options/url"),
        ({"password": "guess"}, "#/options/password"),
        ({"folder": "no/such"}, "#/options/folder"),
        ({"colour": "red"}, "#/options/colour"),
        ({"vendor": "abacus"}, "#/options/vendor"),
        ({"project": "engine"}, "#/options/project"),
    ],
)
def test_what_is_wrong_is_pointed_at(link, servers, changes, pointer):
    answer = link(servers("webdav"), **changes)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_an_address_is_changed_with_its_secret_only(ask, webdav, servers, tmp_path):
    other = storages.serve("webdav", tmp_path)
    answer = ask("patch", f"/{webdav}", {"options": {"url": other.url}})
    assert answer.json()["errors"][0]["pointer"] == "#/options/password"
    both = {"url": other.url, "password": storages.PASSWORD}
    assert ask("patch", f"/{webdav}", {"options": both}).status_code == 200
    other.stop()


def test_a_file_goes_up_and_comes_down_with_its_hash(ask, linked):
    data = os.urandom(3_000_000)
    where = f"/{linked}/files/content?path=rest/weights%20%24x.bin"
    put = {"data": data, "content_type": "application/octet-stream"}
    assert ask("put", where, **put).status_code == 201
    again = ask("put", where, **put)
    assert (again.status_code, again.json()["size"]) == (200, len(data))
    answer = ask("get", where)
    assert hashlib.sha256(whole(answer)).digest() == hashlib.sha256(data).digest()
    assert answer["Content-Length"] == str(len(data))
    assert answer["Content-Disposition"] == "attachment; filename*=UTF-8''weights%20%24x.bin"


def test_folders_are_made_listed_moved_and_deleted(ask, webdav):
    files = f"/{webdav}/files"
    assert ask("post", f"{files}/folder", {"path": "tree"}).status_code == 201
    assert ask("post", f"{files}/folder", {"path": "tree"}).json()["type"].endswith("already-there")
    onto = ask("put", f"{files}/content?path=tree", data=b"x", content_type="text/plain")
    assert (onto.status_code, onto.json()["detail"]) == (409, "“tree” is a folder.")
    upload = [SimpleUploadedFile(name, b"x") for name in ("a", "b")]
    assert ask("post", f"{files}?path=tree", data={"files": upload}).status_code == 201
    assert ask("post", f"{files}?path=tree", data={"files": [SimpleUploadedFile("a", b"y")]}).status_code == 409
    listed = ask("get", f"{files}?path=tree&limit=1").json()
    assert (listed["count"], listed["items"][0]["path"], listed["items"][0]["type"]) == (2, "tree/a", "file")
    rest = ask("get", f"{files}?path=tree&cursor={listed['next']}").json()
    assert [item["name"] for item in rest["items"]] == ["b"]
    assert ask("post", f"{files}/move", {"path": "tree/a", "to": "tree/c"}).json()["path"] == "tree/c"
    assert ask("delete", f"{files}?path=tree").status_code == 204
    assert ask("get", f"{files}?path=tree").status_code == 404


def test_a_path_that_leads_out_is_malformed(ask, webdav):
    files = f"/{webdav}/files"
    for answer in (
        ask("get", f"{files}?path=../x"),
        ask("get", f"{files}/content?path=../x"),
        ask("put", f"{files}/content?path=a/../../x", data=b"x", content_type="text/plain"),
        ask("delete", f"{files}?path=.."),
        ask("delete", f"{files}?path="),
        ask("post", f"{files}/move", {"path": "a", "to": "../a"}),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "#/path"


def test_a_storage_that_went_away_is_a_bad_gateway_with_a_sentence(ask, link, tmp_path):
    server = storages.serve("webdav", tmp_path)
    gone = link(server).json()["id"]
    server.stop()
    answer = ask("get", f"/{gone}/files")
    assert answer.status_code == 502
    assert "does not answer" in answer.json()["detail"]
    assert ask("post", f"/{gone}/test", {}).json()["answers"] is False


def test_eve_finds_nothing_and_a_viewer_only_looks(ask, webdav, ada, eve):
    vera = create_person("vera")
    Membership.objects.create(project=ada.personal_project, user=vera, role=Role.VIEWER)
    file = f"/{webdav}/files/content?path=seen-by-rest"
    assert ask("put", file, data=b"x", content_type="text/plain").status_code in (200, 201)
    for route in ("", "/files", "/files/content?path=seen-by-rest"):
        assert ask("get", f"/{webdav}{route}", who=eve).status_code == 404
        assert ask("get", f"/{webdav}{route}", who=vera).status_code == 200
    for person, status in ((eve, 404), (vera, 403)):
        assert ask("put", file, who=person, data=b"y", content_type="text/plain").status_code == status
        assert ask("delete", f"/{webdav}/files?path=seen-by-rest", who=person).status_code == status
        assert (
            ask("post", f"/{webdav}/files/move", {"path": "seen-by-rest", "to": "x"}, who=person).status_code == status
        )
        assert ask("patch", f"/{webdav}", {"name": "x"}, who=person).status_code == status
        assert ask("delete", f"/{webdav}", who=person).status_code == status
    assert whole(ask("get", file)) == b"x"
