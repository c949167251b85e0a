"""Link a storage with a password, upload, look, rename and delete: by clicks, with JavaScript and without."""

import pytest

from accounts.models import create_person
from tests import storages
from tests.browser.test_pages import LOOKS, findings, scrolls_sideways

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

HOSTILE = b"<!DOCTYPE html><script>parent.document.title = 'broken in'</script>"


@pytest.fixture
def ada(db):
    return create_person("ada", password="difference-engine", full_name="Ada Lovelace")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = storages.serve("webdav", tmp_path_factory.mktemp("webdav"))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _loopback_is_trusted(settings):
    settings.SERAI_TRUSTED_HOSTS = ["127.0.0.1"]


def link(visit, server, name: str, password: str = storages.PASSWORD) -> None:
    page = visit.page
    visit.go("/storage/")
    page.get_by_role("link", name="Link a storage").click()
    page.get_by_label("Name", exact=False).first.fill(name)
    page.get_by_label("Server").select_option("other")
    page.get_by_label("Address").fill(server.url)
    page.get_by_label("User name").fill(storages.USER)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Test and save").click()


def test_from_the_link_to_the_last_file(visit, ada, server, axe_source):
    browser = visit(ada)
    page = browser.page
    link(browser, server, "Nextcloud of Ada", "wrong")
    page.get_by_text("does not take this user name, password or key").wait_for()
    browser.shoot("storage-wrong-password")
    browser.complaints.clear()  # the browser's own word for a 422
    page.get_by_label("Password").fill(storages.PASSWORD)
    page.get_by_role("button", name="Test and save").click()
    page.get_by_text("is linked: it answered").wait_for()
    page.get_by_role("heading", name="Nextcloud of Ada").wait_for()

    page.get_by_role("textbox", name="Name").fill("results of 2026")
    page.get_by_role("button", name="Make").click()
    page.get_by_role("link", name="results of 2026", exact=True).click()
    files = [
        {"name": "table.csv", "mimeType": "text/csv", "buffer": b"digit,count\n1,42\n"},
        {"name": "it's $(odd) 😀.txt", "mimeType": "text/plain", "buffer": b"hello"},
        {"name": "page.html", "mimeType": "text/html", "buffer": HOSTILE},
    ]
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("3 files are there.").wait_for()
    browser.shoot("storage-files")
    assert findings(browser, axe_source) == []

    page.get_by_role("link", name="table.csv", exact=True).click()
    page.get_by_role("columnheader", name="digit").wait_for()
    page.get_by_role("cell", name="42").wait_for()
    browser.shoot("storage-table")
    assert findings(browser, axe_source) == []
    page.get_by_role("link", name="results of 2026", exact=True).click()

    page.get_by_role("link", name="page.html", exact=True).click()
    page.get_by_text("parent.document.title").wait_for()
    assert "broken in" not in page.title()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "page.html"
    assert download.value.path().read_bytes() == HOSTILE

    page.get_by_role("link", name="Rename or move").click()
    page.get_by_label("New path").fill("results of 2026/harmless.html")
    page.get_by_role("button", name="Move").click()
    page.get_by_text("It is called “results of 2026/harmless.html” now.").wait_for()
    page.locator("summary", has_text="Delete harmless.html").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("“harmless.html” is deleted.").wait_for()
    page.get_by_role("link", name="table.csv", exact=True).wait_for()
    assert sorted(file.name for file in (server.files / "results of 2026").iterdir()) == [
        "it's $(odd) 😀.txt",
        "table.csv",
    ]  # fmt: skip
    assert browser.complaints == []


def test_files_are_dropped_onto_the_form(visit, ada, server):
    browser = visit(ada)
    page = browser.page
    link(browser, server, "Dropping")
    page.get_by_text("is linked: it answered").wait_for()
    data = page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['dropped'], 'dropped.txt')); return data; }"
    )
    page.dispatch_event("[data-upload]", "drop", {"dataTransfer": data})
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("1 file is there.").wait_for()
    assert (server.files / "dropped.txt").read_text() == "dropped"
    assert browser.complaints == []


def test_without_javascript_everything_works_too(chromium, live_server, client, ada, server):
    context = chromium.new_context(java_script_enabled=False)
    client.force_login(ada)
    cookie = client.cookies["serai_session"].value
    context.add_cookies([{"name": "serai_session", "value": cookie, "url": live_server.url}])
    page = context.new_page()
    page.goto(f"{live_server.url}/storage/link/webdav")
    page.fill("#id_name", "Plain")
    page.select_option("#id_vendor", "other")
    page.fill("#id_url", server.url)
    page.fill("#id_user", storages.USER)
    page.fill("#id_password", storages.PASSWORD)
    page.click("text=Test and save")
    page.set_input_files("#files", [{"name": "plain.txt", "mimeType": "text/plain", "buffer": b"plain"}])
    page.click("button:has-text('Upload')")
    page.wait_for_selector("text=1 file is there.")
    page.click("summary:has-text('Delete plain.txt')")
    page.click("details[open] button:has-text('Delete')")
    page.wait_for_selector("text=“plain.txt” is deleted.")
    assert not (server.files / "plain.txt").exists()
    context.close()


@pytest.mark.parametrize("look", LOOKS)
def test_pages_of_storages_are_sound(visit, ada, server, axe_source, look):
    width, scheme = LOOKS[look]
    browser = visit(ada, width=width, color_scheme=scheme)
    link(browser, server, "Files of the team")
    browser.page.get_by_text("is linked: it answered").wait_for()
    pages = ["/storage/", "/storage/link/s3", "/storage/link/sftp", browser.page.url.removeprefix(browser.base_url)]
    for number, path in enumerate(pages):
        browser.go(path)
        browser.shoot(f"{look}-storage-{number}")
        assert findings(browser, axe_source) == [], path
        assert not scrolls_sideways(browser), path
        assert browser.complaints == [], path
