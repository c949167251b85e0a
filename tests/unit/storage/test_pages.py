"""The pages of storages, over real servers: link, look, upload, preview, move, delete, unlink."""

import json
import time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Membership, Role, create_person
from jobs.models import Deployment, Status, Storage
from jobs.storages import link_storage
from tests import storages
from tests.unit.answers import whole

pytestmark = pytest.mark.django_db


@pytest.fixture
def values(server, ada) -> dict[str, object]:
    """What Ada types into the form of this kind."""
    common = {"project": ada.personal_project.slug, "name": "My files"}
    return common | typed(server)


def typed(server: storages.Server, password: str = "") -> dict[str, object]:
    if server.kind == "webdav":
        where = {"url": server.url, "vendor": "other", "user": storages.USER}
        return where | {"password": password or storages.PASSWORD}
    if server.kind == "s3":
        where = {"endpoint": server.url, "bucket": storages.BUCKET, "access_key": storages.ACCESS_KEY}
        return where | {"secret_key": password or storages.SECRET_KEY}
    where = {"host": "127.0.0.1", "port": server.port, "user": storages.USER}
    return where | {"password": password or storages.PASSWORD}


@pytest.fixture
def browser(client, ada) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture
def linked(servers, ada) -> Storage:
    server = servers("webdav")
    return link_storage(
        ada,
        ada.personal_project,
        kind="webdav",
        name="Nextcloud",
        address={"url": server.url, "vendor": "other", "user": storages.USER, "root": ""},
        secret={"pass": storages.PASSWORD},
    )


@pytest.fixture
def folder(servers):
    """The folder on the server that this module's tests write in."""
    return servers("webdav").files


def link(browser, server, values):
    return browser.post(reverse(f"link-storage-{server.kind}"), values)


def send(browser, storage, path="", *files, **more):
    return browser.post(f"{reverse('storage-upload', args=[storage.pk])}?path={path}", {"files": list(files), **more})


def said(answer) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


# ── Link ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_storage_that_answers_is_linked_and_shows_its_files(browser, server, values):
    (server.files / "hello.txt").write_text("x")
    answer = link(browser, server, values)
    time.sleep(1.2)  # the server may have listed its folder for the test before, and remembers that for a second
    storage = Storage.objects.get(name="My files")
    assert answer.url == reverse("storage", args=[storage.pk])
    assert "hello.txt" in browser.get(answer.url).content.decode()


def test_a_wrong_secret_is_said_at_its_field_and_nothing_is_kept(browser, server, values, ada):
    answer = link(browser, server, values | typed(server, "guess"))
    assert answer.status_code == 422
    field = next(iter(answer.context["form"].SECRETS))
    assert "does not take this user name, password or key" in str(answer.context["form"].errors[field])
    assert not Storage.objects.filter(name="My files").exists()


def test_no_page_says_the_secret_again(browser, server, values):
    secret = str(values.get("secret_key") or values["password"])
    wrong = link(browser, server, values | {"name": ""}).content.decode()
    link(browser, server, values)
    storage = Storage.objects.get(name="My files")
    pages = [wrong] + [browser.get(reverse(name, args=args)).content.decode() for name, args in [
        ("storages", []), ("storage", [storage.pk]), ("storage-edit", [storage.pk])]]  # fmt: skip
    kept = json.loads(storage.secrets)
    for text in pages:
        assert secret not in text
        assert not any(value in text for value in kept.values())


def test_in_the_database_the_secret_is_encrypted(browser, server, values, django_db_blocker):
    link(browser, server, values)
    raw = Storage.objects.extra(select={"raw": "secrets"}).filter(name="My files").values_list("raw", flat=True)[0]
    assert str(values.get("secret_key") or values["password"]) not in raw


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"url": "http://127.0.0.1:9/"}, "url", "does not answer"),
        ({"url": "http://10.0.0.1/dav"}, "url", "private network"),
        ({"url": "http://169.254.169.254/"}, "url", "private network"),
        ({"url": "ftp://x.org"}, "url", "no web address"),
        ({"url": "http://ada:pw@127.0.0.1/"}, "url", "fields of their own"),
        ({"folder": "not/there"}, "folder", "no such folder"),
        ({"folder": "../up"}, "folder", "..”"),
        ({"password": ""}, "password", "needed"),
        ({"project": "engine"}, "project", "engine"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(browser, servers, ada, changes, field, sentence):
    server = servers("webdav")
    values = {"project": ada.personal_project.slug, "name": "My files", **typed(server), **changes}
    answer = link(browser, server, values)
    assert answer.status_code == 422
    assert sentence in str(answer.context["form"].errors[field])


def test_two_storages_of_a_project_have_two_names(browser, servers, linked, ada):
    answer = link(browser, servers("webdav"), {**typed(servers("webdav")), "name": "Nextcloud",
                                               "project": ada.personal_project.slug})  # fmt: skip
    assert "of this name already" in str(answer.context["form"].errors["name"])


# ── Change, unlink ───────────────────────────────────────────────────────────────────────────────
def edited(storage, server, **changes):
    values = {"name": storage.name, "url": server.url, "vendor": "other", "user": storages.USER, "folder": ""}
    return {**values, **changes}


def test_an_empty_secret_keeps_the_former(browser, servers, linked):
    answer = browser.post(reverse("storage-edit", args=[linked.pk]), edited(linked, servers("webdav"), name="Cloud"))
    assert answer.status_code == 302
    linked.refresh_from_db()
    assert linked.name == "Cloud"
    assert browser.get(reverse("storage", args=[linked.pk])).context.get("problem") is None


def test_who_changes_the_address_must_know_the_secret(browser, servers, linked, tmp_path):
    """Bob could else have Ada's password sent to a server of his."""
    other = storages.serve("webdav", tmp_path)
    url = reverse("storage-edit", args=[linked.pk])
    answer = browser.post(url, edited(linked, other))
    assert "enter the secret again" in str(answer.context["form"].errors["password"])
    assert browser.post(url, edited(linked, other, password=storages.PASSWORD)).status_code == 302
    other.stop()


def test_a_storage_in_use_is_not_unlinked(browser, linked, ada):
    running = Deployment.objects.create(
        project=ada.personal_project, owner=ada, asset_slug="digits", title="My digits", status=Status.RUNNING,
        request={"storages": [{"storage": str(linked.pk)}]},
    )  # fmt: skip
    url = reverse("storage-unlink", args=[linked.pk])
    assert "“My digits”. Stop it first." in said(browser.post(url, follow=True))
    Deployment.objects.filter(pk=running.pk).update(status=Status.STOPPED)
    browser.post(url)
    assert not Storage.objects.filter(pk=linked.pk).exists()
    assert AuditEvent.objects.filter(action="storage.unlinked", object_id=str(linked.pk)).exists()


def test_a_storage_that_went_away_is_said_to_be_away(browser, ada, tmp_path):
    server = storages.serve("webdav", tmp_path)
    address = {"url": server.url, "vendor": "other", "user": storages.USER}
    storage = link_storage(ada, ada.personal_project, kind="webdav", name="Gone", address=address,
                           secret={"pass": storages.PASSWORD})  # fmt: skip
    server.stop()
    assert "does not answer" in browser.get(reverse("storage", args=[storage.pk])).content.decode()
    assert "does not answer" in said(browser.post(reverse("storage-test", args=[storage.pk]), follow=True))
    storage.refresh_from_db()
    assert "does not answer" in storage.problem
    server.start()
    assert "answers" in said(browser.post(reverse("storage-test", args=[storage.pk]), follow=True))
    server.stop()


# ── Files ────────────────────────────────────────────────────────────────────────────────────────
def test_several_files_go_up_at_once_and_come_down_as_they_were(browser, linked, folder):
    files = [SimpleUploadedFile("a b.txt", b"first"), SimpleUploadedFile("ümläut 😀.csv", b"x,y\n1,2\n")]
    assert "2 files are there" in said(browser.get(send(browser, linked, "up", *files).url))
    assert (folder / "up" / "a b.txt").read_bytes() == b"first"
    answer = browser.get(reverse("storage-download", args=[linked.pk]), {"path": "up/ümläut 😀.csv"})
    assert whole(answer) == b"x,y\n1,2\n"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["Content-Security-Policy"] == "sandbox"
    assert answer["Content-Type"] == "application/octet-stream"


def test_a_file_that_is_there_is_only_replaced_when_asked(browser, linked, folder):
    send(browser, linked, "", SimpleUploadedFile("twice", b"first"))
    page = browser.get(send(browser, linked, "", SimpleUploadedFile("twice", b"second")).url)
    assert "is there already" in said(page)
    assert (folder / "twice").read_bytes() == b"first"
    send(browser, linked, "", SimpleUploadedFile("twice", b"second"), replace="1")
    assert (folder / "twice").read_bytes() == b"second"


def test_a_folder_is_made_and_a_file_renamed_and_deleted(browser, linked, folder):
    browser.post(f"{reverse('storage-folder', args=[linked.pk])}?path=", {"name": "data $x"})
    assert (folder / "data $x").is_dir()
    send(browser, linked, "data%20$x", SimpleUploadedFile("old", b"x"))
    move = f"{reverse('storage-move', args=[linked.pk])}?path=data%20$x/old"
    assert browser.get(move).status_code == 200
    browser.post(move, {"to": "data $x/new name"})
    assert (folder / "data $x" / "new name").exists()
    browser.post(f"{reverse('storage-delete', args=[linked.pk])}?path=data%20$x")
    assert not (folder / "data $x").exists()


@pytest.mark.parametrize("path", ["../etc", "a/../../b", "a//b", "."])
@pytest.mark.parametrize("page", ["storage", "storage-preview", "storage-download", "storage-inline", "storage-move"])
def test_a_path_that_leads_out_is_nowhere(browser, linked, page, path):
    assert browser.get(reverse(page, args=[linked.pk]), {"path": path}).status_code == 404


def test_a_name_that_leads_out_is_refused_at_the_upload(browser, linked, folder):
    browser.post(f"{reverse('storage-folder', args=[linked.pk])}?path=", {"name": "../outside"})
    assert not (folder.parent / "outside").exists()
    browser.post(f"{reverse('storage-move', args=[linked.pk])}?path=twice", {"to": "../outside"})
    assert not (folder.parent / "outside").exists()


def preview(browser, storage, name, data):
    send(browser, storage, "look", SimpleUploadedFile(name, data), replace="1")
    return browser.get(reverse("storage-preview", args=[storage.pk]), {"path": f"look/{name}"})


def test_texts_tables_and_json_are_shown(browser, linked):
    assert "Dear diary" in preview(browser, linked, "a.txt", b"Dear diary").content.decode()
    table = preview(browser, linked, "a.csv", b"name;age\nAda;36\n")
    assert table.context["preview"].rows == [["name", "age"], ["Ada", "36"]]
    assert '  "a": 1' in preview(browser, linked, "a.json", b'{"a":1}').context["preview"].text
    assert preview(browser, linked, "a.bin", b"\x00\xff\x00").context["preview"].kind == "none"
    assert preview(browser, linked, "long.txt", b"x" * 300_000).context["preview"].cut


HOSTILE = b"<script>alert(document.cookie)</script>"


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.txt", "a.csv", "a.json", "a.xhtml", "a"])
def test_no_file_runs_in_our_origin(browser, linked, name):
    page = preview(browser, linked, name, HOSTILE)
    assert HOSTILE.decode() not in page.content.decode()
    where = {"path": f"look/{name}"}
    assert browser.get(reverse("storage-inline", args=[linked.pk]), where).status_code == 404
    download = browser.get(reverse("storage-download", args=[linked.pk]), where)
    assert download["Content-Type"] == "application/octet-stream"
    assert download["X-Content-Type-Options"] == "nosniff"
    assert download["Content-Disposition"].startswith("attachment")


def test_a_picture_is_shown_as_the_picture_it_says_to_be_and_never_sniffed(browser, linked):
    preview(browser, linked, "a.png", HOSTILE)
    answer = browser.get(reverse("storage-inline", args=[linked.pk]), {"path": "look/a.png"})
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert answer["Content-Security-Policy"] == "sandbox"


def test_what_is_not_there_is_404(browser, linked):
    for page in ("storage", "storage-preview", "storage-download"):
        assert browser.get(reverse(page, args=[linked.pk]), {"path": "not/there"}).status_code == 404


def test_files_are_sorted_as_asked_with_folders_first(browser, linked):
    for name, data in [("big", b"x" * 50), ("small", b"x"), ("folder/in", b"")]:
        path, _slash, last = name.rpartition("/")
        send(browser, linked, f"sorted/{path}".strip("/"), SimpleUploadedFile(last, data))
    page = browser.get(reverse("storage", args=[linked.pk]), {"path": "sorted", "sort": "size", "order": "descending"})
    assert [entry.name for entry in page.context["page"]] == ["folder", "big", "small"]


# ── Who may ──────────────────────────────────────────────────────────────────────────────────────
LOOKING = ["storage", "storage-preview", "storage-download", "storage-inline"]
WRITING = ["storage-upload", "storage-folder", "storage-delete", "storage-move", "storage-edit", "storage-unlink"]


def test_eve_finds_nothing(client, eve, linked):
    client.force_login(eve)
    assert str(linked.pk) not in client.get(reverse("storages")).content.decode()
    for page in LOOKING:
        assert client.get(reverse(page, args=[linked.pk]), {"path": "a.png"}).status_code == 404
    for page in [*WRITING, "storage-test"]:
        assert client.post(f"{reverse(page, args=[linked.pk])}?path=a").status_code == 404


def test_a_viewer_looks_and_does_not_write(client, ada, linked, browser, folder):
    vera = create_person("vera")
    Membership.objects.create(project=ada.personal_project, user=vera, role=Role.VIEWER)
    send(browser, linked, "seen", SimpleUploadedFile("file.txt", b"to be seen"))
    hers = Client()
    hers.force_login(vera)
    assert "file.txt" in hers.get(reverse("storage", args=[linked.pk]), {"path": "seen"}).content.decode()
    assert hers.get(reverse("storage-download", args=[linked.pk]), {"path": "seen/file.txt"}).status_code == 200
    for page in WRITING:
        answer = hers.post(f"{reverse(page, args=[linked.pk])}?path=seen/file.txt", {"name": "x", "to": "y"})
        assert answer.status_code == 403, page
    assert (folder / "seen" / "file.txt").read_bytes() == b"to be seen"


def test_bob_who_works_there_writes_and_the_audit_says_so(client, bob, linked, folder):
    client.force_login(bob)
    send(client, linked, "bobs", SimpleUploadedFile("file", b"x"))
    assert (folder / "bobs" / "file").exists()
    event = AuditEvent.objects.get(action="storage.written")
    assert (event.actor, event.detail["path"]) == (bob, "bobs/file")
