"""What can be attached, by clicking over the whole stack: a storage with a password, a sweep on its files, JupyterLab on
the same storage, a federated run; and somebody else, who sees none of it. One step after the other."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import handwriting, storages
from tests.browser.conftest import SCREENSHOTS
from tests.browser.test_journey import Traveller
from tests.system.stack import Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

INSTALLED_WITHIN, SOON = 400_000, 60_000  # milliseconds
NAME = "Cloud of the journey"
OUTSIDE = """
from accounts.models import create_person
create_person("vera-outside", password="dark-matter-and-stars", full_name="Vera Rubin")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[storages.Server]:
    server = storages.serve("webdav", tmp_path_factory.mktemp("dav"))
    (server.files / handwriting.FOLDER).mkdir()
    (server.files / handwriting.FOLDER / handwriting.FILE).write_text(handwriting.table())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def grace(chromium: Browser, whole_stack: Stack, axe_source: str) -> Iterator[Traveller]:
    """The person who started Serai, in one browser for the whole journey."""
    wait_for(lambda: whole_stack.parts()["mlflow"] == "up", 240, whole_stack.log)
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    grace = Traveller(context, whole_stack, axe_source)
    grace.page.goto(whole_stack.signin_link())
    grace.page.wait_for_url(f"{whole_stack.url}/")
    yield grace
    context.close()
    with whole_stack.client() as api:
        for deployment in api.get("/api/v1/deployments").json()["items"]:
            api.delete(f"/api/v1/deployments/{deployment['id']}")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The path of each page that the journey made, by what it is."""
    return {}


@pytest.fixture(autouse=True)
def _nothing_to_complain_of(grace) -> Iterator[None]:
    yield
    heard = [*grace.complaints, *grace.findings]
    grace.complaints.clear()
    grace.findings.clear()
    assert not heard, "\n".join(heard)


def path_of(page: Page) -> str:
    return urlsplit(page.url).path


def attach(page: Page) -> None:
    page.get_by_text("Storages and datasets").click()
    page.locator("[name=storages-0-storage]").select_option(label=f"{NAME} (Administrator)")
    page.locator("[name=storages-0-target]").fill("files")


# ── Storage ──────────────────────────────────────────────────────────────────────────────────────
def test_a_storage_with_a_password_is_linked(grace, server, made):
    grace.click("link", "Storage")
    grace.click("link", "Link a storage")
    page = grace.page
    page.get_by_label("Name", exact=False).first.fill(NAME)
    page.get_by_label("Server").select_option("other")
    page.get_by_label("Address").fill(server.url)
    page.get_by_label("User name").fill(storages.USER)
    page.get_by_label("Password").fill(storages.PASSWORD)
    grace.click("button", "Test and save")
    grace.sees("is linked: it answered")
    made["storage"] = path_of(page)
    grace.click("link", handwriting.FOLDER, exact=True)
    expect(page.get_by_role("link", name=handwriting.FILE, exact=True)).to_be_visible()
    grace.looks_at("attached-1-files")


# ── A sweep ──────────────────────────────────────────────────────────────────────────────────────
def test_four_trainings_learn_from_its_files(grace, server, made):
    grace.click("link", "Marketplace")
    grace.click("link", "Digits classifier")
    grace.click("link", "Train")
    page = grace.page
    page.get_by_label("Title").fill("On my own digits")
    page.get_by_label("Data folder").first.fill(f"files/{handwriting.FOLDER}")
    page.get_by_label("Weights folder").first.fill("files/weights")
    page.get_by_text("Several values at once").click()
    page.locator("[name=values-epochs]").fill("1, 30")
    page.locator("[name=values-learning_rate]").fill("0.001, 0.02")
    attach(page)
    expect(page.locator("main")).to_contain_text("4 trainings come out of this")
    grace.looks_at("attached-2-train")
    grace.click("button", "Start training")
    made["sweep"] = path_of(page)
    grace.sees("4 of 4 ended", within=INSTALLED_WITHIN)
    grace.sees("4 completed")
    grace.looks_at("attached-3-sweep")
    assert len(list((server.files / "weights").glob("digits-*.npz"))) == 4
    made["training"] = str(page.get_by_role("link", name="Training 1", exact=True).get_attribute("href"))


def test_its_runs_are_compared(grace, made):
    page = grace.page
    wait_for(lambda: grace.page.reload() and page.locator("main a[href^='/runs/']").count() >= 4, 60, page.content)
    made["run"] = str(page.locator("main table a[href^='/runs/']").first.get_attribute("href"))
    grace.click("link", "Compare its runs")
    expect(page.get_by_role("rowheader", name="learning_rate")).to_be_visible()
    expect(page.get_by_role("rowheader", name="seed")).to_have_count(0)  # the same in all
    expect(page.locator("#metrics canvas").first).to_be_visible()
    grace.looks_at("attached-4-compared")


# ── Learning together ────────────────────────────────────────────────────────────────────────────
def test_a_federated_training_is_started(grace, made):
    grace.page.goto(f"{grace.base_url}/modules/?kind=tool")
    grace.click("link", re.compile("Federated server"))
    grace.click("link", "Deploy", exact=True)
    grace.page.get_by_label("Rounds").fill("2")
    grace.page.get_by_label("Epochs on each client").fill("5")
    grace.click("button", "Deploy")
    made["federation"] = path_of(grace.page)
    grace.becomes("running", within=INSTALLED_WITHIN)
    for part in ("1", "2"):
        grace.click("link", "Add a client here")
        grace.page.get_by_label("Name").fill(f"half {part}")
        grace.page.get_by_label("Part of the data").fill(part)
        grace.click("button", "Start the client")
        grace.page.goto(grace.base_url + made["federation"])


# ── JupyterLab, while its rounds go on ───────────────────────────────────────────────────────────
def test_jupyterlab_on_the_same_storage_reads_the_weights(grace, made):
    grace.page.goto(f"{grace.base_url}/modules/?kind=tool")
    grace.click("link", re.compile("JupyterLab"))
    grace.click("link", "Deploy", exact=True)
    attach(grace.page)
    grace.click("button", "Deploy")
    made["lab"] = path_of(grace.page)
    grace.becomes("running", within=INSTALLED_WITHIN)
    lab = grace.opens("link", re.compile("^Open$"))
    made["lab's host"] = type_and_run(lab, grace)


def type_and_run(lab: Page, grace: Traveller) -> str:
    """The address where the lab is; what it read must be four trainings' weights."""
    lab.wait_for_url("**/lab**", timeout=SOON)
    lab.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=SOON)
    expect(lab.get_by_text("Python 3 | Idle")).to_be_visible(timeout=SOON)
    for text in (handwriting.INSTALL, handwriting.READ):
        lab.locator(".jp-Notebook .jp-Cell .cm-content").last.click()
        lab.keyboard.insert_text(text)
        lab.keyboard.press("Shift+Enter")
        expect(lab.get_by_text("Python 3 | Idle")).to_be_visible(timeout=SOON)
    expect(lab.locator(".jp-OutputArea-output").last).to_contain_text(handwriting.WEIGHTS, timeout=SOON)
    lab.screenshot(path=SCREENSHOTS / "journey-light-attached-5-lab.png", caret="initial")
    address = lab.url
    lab.close()
    return address


def test_the_federated_training_ends_with_a_joint_model(grace, made):
    grace.page.goto(grace.base_url + made["federation"])
    rounds = grace.page.locator("#rounds tbody tr")
    expect(rounds).to_have_count(2, timeout=4 * SOON)
    expect(rounds.last).to_contain_text("2 of 2")
    grace.looks_at("attached-6-federation")


# ── Somebody else ────────────────────────────────────────────────────────────────────────────────
def test_somebody_else_sees_none_of_it(grace, whole_stack, made):
    whole_stack.manage("shell", "-v0", "-c", OUTSIDE)
    grace.page.locator(".menu-button").last.click()
    grace.click("button", "Sign out")
    grace.page.goto(f"{grace.base_url}/signin")
    grace.page.get_by_label("Username").fill("vera-outside")
    grace.page.get_by_label("Password").fill("dark-matter-and-stars")
    grace.click("button", "Sign in")
    grace.sees("Vera Rubin")
    for room in ("deployments", "sweeps", "runs", "storage"):
        assert grace.go(f"/{room}/") == 200, room
        for title in ("On my own digits", "Federated server", NAME, "JupyterLab", "digits-"):
            expect(grace.page.locator("main")).not_to_contain_text(title)
        grace.looks_at(f"attached-7-{room}-of-somebody-else")
    for what, path in made.items():
        if what != "lab's host":
            assert grace.go(path) == 404, what
    grace.complaints.clear()  # the browser's own word for each 404
    assert grace.page.goto(made["lab's host"]).status in (401, 403, 404)
    grace.complaints.clear()
