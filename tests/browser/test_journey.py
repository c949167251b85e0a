"""The main journey in a browser over the whole stack: real clicks, nothing faked. One chapter after the other."""

import json
import math
import os
import re
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import SCREENSHOTS, Visit
from tests.browser.test_pages import LOOKS, findings, scrolls_sideways
from tests.system.stack import ROOT, Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODULES = ROOT / "marketplace" / "demo"
STARTS_WITHIN = 120_000  # milliseconds: the first start of a module installs its packages
SOON = 20_000


class Traveller(Visit):
    """Somebody in a browser of their own, who counts clicks and looks twice at each page."""

    def __init__(self, context: BrowserContext, stack: Stack, axe_source: str) -> None:
        super().__init__(context, stack.url)
        self.stack, self.axe_source = stack, axe_source
        self.clicks = 0
        self.findings: list[str] = []
        self.page.set_default_timeout(SOON)

    def click(self, role: str, name: str | re.Pattern[str], *, exact: bool = False) -> None:
        self.page.get_by_role(role, name=name, exact=exact).first.click()
        self.clicks += 1

    def sees(self, text: str | re.Pattern[str], within: int = SOON) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=within)

    def looks_at(self, name: str) -> None:
        """A picture of the page in each look; what axe finds is kept for the end of the chapter."""
        for look, (width, scheme) in LOOKS.items():
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.emulate_media(color_scheme=scheme)
            self.page.wait_for_timeout(100)
            self.shoot(f"journey-{look}-{name}")
            self.findings += [f"{name}, {look}: {finding}" for finding in findings(self, self.axe_source)]
            if scrolls_sideways(self):
                self.findings.append(f"{name}, {look}: it scrolls sideways")
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.emulate_media(color_scheme="light")

    def opens(self, role: str, name: str | re.Pattern[str]) -> Page:
        """The page that a link opens in a tab of its own."""
        with self.page.context.expect_page() as opened:
            self.click(role, name)
        return opened.value

    def becomes(self, status: str, within: int = SOON) -> None:
        expect(self.page.locator("#status .status-line")).to_contain_text(status, timeout=within)


@pytest.fixture(scope="module")
def travellers(chromium: Browser, whole_stack: Stack, axe_source: str) -> Iterator:
    contexts: list[BrowserContext] = []

    def arrive(*, scripts: bool = True) -> Traveller:
        context = chromium.new_context(
            viewport={"width": 1280, "height": 900}, java_script_enabled=scripts, reduced_motion="reduce"
        )
        contexts.append(context)
        return Traveller(context, whole_stack, axe_source)

    yield arrive
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def grace(travellers) -> Traveller:
    """The person who started Serai, in one browser for the whole journey."""
    return travellers()


@pytest.fixture(autouse=True)
def _nothing_to_complain_of(request) -> Iterator[None]:
    yield
    if "grace" in request.fixturenames:
        traveller: Traveller = request.getfixturevalue("grace")
        heard = [*traveller.complaints, *traveller.findings]
        traveller.complaints.clear()
        traveller.findings.clear()
        assert not heard, "\n".join(heard)


@pytest.fixture(scope="module")
def api(whole_stack: Stack) -> Iterator[httpx.Client]:
    with whole_stack.client() as client:
        yield client


@pytest.fixture(scope="module")
def digits(api, grace) -> Iterator[str]:
    """The address of the digits classifier's page, once the journey has made one; away with all at the end."""
    place: list[str] = []
    yield place
    for deployment in api.get("/api/v1/deployments").json()["items"]:
        api.delete(f"/api/v1/deployments/{deployment['id']}")


@pytest.fixture(scope="module")
def scores() -> list[str]:
    """What the classifier said of the same image, before it was trained."""
    return []


def sample(module: str, name: str) -> str:
    return str(MODULES / module / "samples" / name)


# ── In ───────────────────────────────────────────────────────────────────────────────────────────
def test_the_printed_link_lets_me_in(grace, whole_stack):
    grace.page.goto(whole_stack.signin_link())
    grace.page.wait_for_url(f"{whole_stack.url}/")
    grace.sees("Welcome, Administrator")
    grace.looks_at("1-home-new")


# ── Deploy and use ───────────────────────────────────────────────────────────────────────────────
def test_a_first_prediction_takes_five_clicks(grace, digits):
    grace.clicks = 0
    search = grace.page.get_by_role("searchbox").first
    search.fill("digits")
    search.press("Enter")
    grace.looks_at("2-found")
    grace.click("link", "Digits classifier")
    grace.looks_at("3-module")
    grace.click("link", "Deploy", exact=True)
    grace.looks_at("4-deploy")
    grace.click("button", "Deploy")
    digits.append(grace.page.url)
    seen = stages_until_ready(grace)
    assert len(seen) >= 2, seen
    grace.looks_at("6-running")
    grace.click("link", "Use it")
    grace.looks_at("7-use")
    grace.click("button", "A seven")
    expect(grace.page.locator("#result .use-bars tr").first).to_contain_text("7")
    assert grace.clicks <= 5
    grace.looks_at("8-answer")


def stages_until_ready(traveller: Traveller) -> list[str]:
    """The stages that came up on the page while nobody touched it."""
    page = traveller.page
    page.evaluate("window.neverLoadedAgain = true")
    seen: list[str] = []

    def ready() -> bool:
        seen.extend(page.locator(".stage-now .stage-title").all_inner_texts())
        if len(seen) == 2:
            traveller.shoot("journey-light-5-starting")
        page.wait_for_timeout(100)
        return page.get_by_role("link", name="Use it").is_visible()

    wait_for(ready, STARTS_WITHIN / 1000, lambda: page.inner_text("#status"))
    assert page.evaluate("window.neverLoadedAgain")
    return list(dict.fromkeys(seen))


def test_an_image_of_my_own_is_answered_and_the_copied_call_says_the_same(grace, whole_stack, scores):
    page = grace.page
    page.get_by_label("Image").set_input_files(sample("digits-classifier", "three.png"))
    expect(page.locator("#use-form .use-preview")).to_be_visible()
    grace.click("button", "Predict")
    expect(page.locator("#result .facts")).to_contain_text("3")
    scores.append(page.locator("#result .use-bars").inner_text())
    for language in ("curl", "Python", "JavaScript"):
        expect(page.get_by_role("tab", name=language)).to_be_visible()
    answer = run(copied(grace, "#call"), whole_stack, cwd=sample("digits-classifier", ""))
    assert json.loads(answer)["predictions"]["label"] == "3"


def test_coming_back_the_history_is_there(grace):
    grace.click("link", "Home")
    grace.sees("Running now")
    grace.looks_at("9-home")
    grace.click("link", "Deployments")
    grace.looks_at("9-deployments")
    grace.click("link", "Digits classifier")
    for _reloaded in range(2):
        grace.sees("became ready")
        grace.sees("by Administrator")
        grace.page.reload()


# ── Train ────────────────────────────────────────────────────────────────────────────────────────
def test_a_training_is_watched_to_its_result(grace, whole_stack):
    wait_for(lambda: whole_stack.parts()["mlflow"] == "up", 240, whole_stack.log)
    grace.click("link", "Digits classifier", exact=True)
    grace.click("link", "Train")
    grace.page.get_by_role("spinbutton", name="Epochs").fill("5")
    grace.looks_at("10-train")
    grace.click("button", "Start training")
    grace.page.evaluate("window.neverLoadedAgain = true")
    grace.becomes("completed", within=60_000)
    grace.sees("test_accuracy: ")
    grace.sees("train_loss: ")
    expect(grace.page.locator("#metrics canvas")).to_have_count(3)
    expect(grace.page.locator("#outcome .facts")).to_contain_text("test_accuracy")
    assert grace.page.evaluate("window.neverLoadedAgain")
    grace.looks_at("11-trained")


def test_its_run_opens_in_mlflow_on_an_origin_of_its_own(grace):
    opened = grace.opens("link", "Open in MLflow")
    expect(opened.get_by_text("train_loss").first).to_be_visible(timeout=60_000)
    assert urlsplit(opened.url).hostname.startswith("mlflow-")
    assert urlsplit(opened.url).hostname.endswith(".apps.localhost")
    opened.screenshot(path=SCREENSHOTS / "journey-light-12-mlflow.png", caret="initial")
    opened.close()


def test_it_is_found_among_the_runs_with_its_curves_and_its_data(grace):
    training = grace.page.url
    grace.click("link", "Runs")
    grace.looks_at("12-runs")
    grace.page.locator(".table-runs a.fw-bold").first.click()
    expect(grace.page.locator("#metrics canvas")).to_have_count(3, timeout=SOON)
    grace.sees("scikit-learn: load_digits")
    grace.looks_at("12-run")
    grace.page.locator("main").get_by_role("link", name="Digits classifier").first.click()
    grace.page.wait_for_url(training)


def test_its_log_is_searched(grace):
    grace.click("link", "Open the log")
    grace.sees("The log ended.")
    grace.looks_at("13-log")
    grace.page.get_by_role("searchbox", name="Search in the log").fill("step 3")
    expect(grace.page.locator("pre.log")).to_have_text(re.compile(r"^step 3: train_loss.*$"))
    grace.sees("1 lines")


def test_the_service_answers_with_what_was_learned(grace, digits, scores):
    grace.click("link", "Deployments")
    grace.page.locator(f"a[href='{urlsplit(digits[0]).path}']").click()
    grace.click("link", "Use it")
    grace.click("button", "A three")
    expect(grace.page.locator("#result .facts")).to_contain_text("3")
    assert grace.page.locator("#result .use-bars").inner_text() != scores[0]


def test_a_log_is_followed_as_it_grows(grace, digits, api):
    grace.page.go_back()
    grace.click("link", "Open the log")
    grace.sees("GET /swagger.json")
    grace.page.evaluate("window.neverLoadedAgain = true")
    api.get(f"/d/{digits[0].split('/')[-2]}/api/v2/models/?sign=of-the-journey")
    expect(grace.page.locator("pre.log")).to_contain_text("sign=of-the-journey")
    assert grace.page.evaluate("window.neverLoadedAgain")


# ── By script, and elsewhere ─────────────────────────────────────────────────────────────────────
def test_the_copied_request_deploys_the_same(grace, whole_stack, api):
    grace.click("link", "Marketplace")
    grace.click("link", "Digits classifier")
    grace.click("link", "Deploy", exact=True)
    grace.page.get_by_label("Title").fill("From a script")
    expect(grace.page.locator("#copy-as")).to_contain_text("From a script")
    made = json.loads(run(copied(grace, "#copy-as"), whole_stack))
    assert (made["title"], made["module"]) == ("From a script", "digits-classifier")
    assert api.delete(f"/api/v1/deployments/{made['id']}").status_code == 202


def test_the_endpoint_opens_on_a_host_of_its_own(grace, digits):
    grace.page.goto(digits[0])
    opened = grace.opens("link", "Open")
    host = f"api-{digits[0].split('/')[-2]}.apps.localhost"
    opened.wait_for_url(re.compile(rf"^http://{host}:\d+/"))
    expect(opened.get_by_text("/v2/models/digits-classifier/predict/").first).to_be_visible(timeout=SOON)
    opened.screenshot(path=SCREENSHOTS / "journey-light-14-endpoint.png", caret="initial")
    assert "code=" not in opened.url
    opened.close()


# ── Stop ─────────────────────────────────────────────────────────────────────────────────────────
def test_stop_start_again_delete_and_undo(grace):
    grace.click("button", "Stop")
    grace.becomes("stopped")
    grace.looks_at("15-stopped")
    grace.click("button", "Start again")
    grace.becomes("running", within=STARTS_WITHIN)

    grace.page.locator("summary", has_text="Delete").click()
    grace.click("button", "Delete")
    grace.sees("was deleted")
    grace.looks_at("16-deleted")
    grace.click("button", "Undo")
    grace.sees("is back")
    grace.becomes("running", within=STARTS_WITHIN)
    grace.click("button", "Stop")
    grace.becomes("stopped")


# ── The other modules ────────────────────────────────────────────────────────────────────────────
def test_an_image_comes_back_as_an_image(grace):
    deploy_from_home(grace, "Image stylist")
    grace.page.get_by_label("Image").set_input_files(sample("image-stylist", "bowl.png"))
    grace.click("button", "Predict")
    image = grace.page.locator("#result .use-image")
    expect(image).to_be_visible(timeout=60_000)
    assert image.evaluate("image => image.naturalWidth") > 100
    grace.looks_at("17-stylist")
    stop_it(grace)


def test_numbers_come_back_as_a_chart(grace):
    deploy_from_home(grace, "Trend forecaster")
    wave = [round(20 + 6 * math.sin(month * math.pi / 6), 1) for month in range(36)]
    grace.page.get_by_label("Values").fill(", ".join(map(str, wave)))
    grace.click("button", "Predict")
    expect(grace.page.locator("#result .use-chart svg").first).to_be_visible(timeout=60_000)
    grace.looks_at("18-forecaster")
    stop_it(grace)


def deploy_from_home(traveller: Traveller, title: str) -> None:
    traveller.click("link", "Home")
    traveller.click("link", f"Deploy {title}")
    traveller.click("button", "Deploy")
    expect(traveller.page.get_by_role("link", name="Use it")).to_be_visible(timeout=STARTS_WITHIN)
    traveller.click("link", "Use it")


def stop_it(traveller: Traveller) -> None:
    traveller.page.locator(".page-head-back").click()
    traveller.click("button", "Stop")
    traveller.becomes("stopped")


def copied(traveller: Traveller, snippets: str) -> str:
    """What the first copy button of these snippets puts into the clipboard."""
    traveller.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    traveller.page.locator(f"{snippets} .copy-button").first.click()
    return str(traveller.page.evaluate("navigator.clipboard.readText()"))


def run(command: str, stack: Stack, cwd: str = "/") -> str:
    """As somebody does who pastes it into a terminal."""
    environment = {"PATH": os.environ["PATH"], "SERAI_TOKEN": stack.token}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ── Without JavaScript ───────────────────────────────────────────────────────────────────────────
def test_the_same_without_javascript(travellers, whole_stack):
    ada = travellers(scripts=False)
    address, _, code = whole_stack.signin_link().partition("#")
    ada.page.goto(address)
    ada.page.get_by_label("Code").fill(code)
    ada.click("button", "Come in")
    ada.click("link", "Deploy Digits classifier")
    ada.click("button", "Deploy")
    reload_until(ada, "running")
    ada.click("link", "Use it")
    ada.page.get_by_label("Image").set_input_files(sample("digits-classifier", "seven.png"))
    ada.click("button", "Predict")
    expect(ada.page.locator("#result .facts")).to_contain_text("7")
    ada.shoot("journey-light-19-without-javascript")
    ada.page.locator(".page-head-back").click()
    ada.click("button", "Stop")
    reload_until(ada, "stopped")
    assert not ada.complaints


def reload_until(traveller: Traveller, status: str) -> None:
    def is_it() -> bool:
        traveller.page.reload()
        return status in traveller.page.locator("#status .status-line").inner_text()

    wait_for(is_it, STARTS_WITHIN / 1000, lambda: traveller.page.inner_text("#status"))
