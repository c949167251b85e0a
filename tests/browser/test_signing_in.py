"""Sign-in by OpenID Connect in a real browser, over a real provider of identities."""

import pytest
from playwright.sync_api import expect

from accounts.models import User, create_person
from accounts.oidc.config import Identity, Rules
from tests.browser.test_pages import LOOKS, findings, scrolls_sideways
from tests.unit.oidc.conftest import NAME, _identity_server, server  # noqa: F401  fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

BUTTON = f"Sign in by {NAME}"
SOON = 10_000  # milliseconds


@pytest.fixture
def known(server, live_server, settings, tmp_path):  # noqa: F811
    secret = tmp_path / "secret"
    secret.write_text("a secret of + signs")
    settings.SERAI_URL = live_server.url
    scopes = ("openid", "profile", "email")
    identity = Identity("institute", NAME, server.issuer, "serai", str(secret), scopes, Rules())
    settings.OIDC_PROVIDERS = (identity,)
    server.next(people={"ada": {"name": "Ada Lovelace", "preferred_username": "ada"}})
    return identity


def signs_in_there(page, person: str) -> None:
    """On the provider's own pages."""
    page.fill("input[name=login]", person)
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.get_by_role("button", name="Continue").click()


def ours(complaints: list[str], url: str) -> list[str]:
    """The provider's own pages want fonts of the internet."""
    return [text for text in complaints if f"(on {url}" in text]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_ada_comes_in_by_her_institute_and_goes_out_again(chromium, known, live_server, scripts):
    context = chromium.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.set_default_timeout(SOON)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(f"{said.text} (on {page.url})") if said.type == "error" else None)

    page.goto(f"{live_server.url}/projects/")
    page.get_by_role("button", name=BUTTON).click()
    page.wait_for_url(f"{known.issuer}/**")
    signs_in_there(page, "ada")

    page.wait_for_url(f"{live_server.url}/projects/")
    expect(page.get_by_role("link", name="Ada Lovelace").first).to_be_visible()
    assert User.objects.get().username == "ada"

    page.locator("summary.menu-button").last.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text(f"At {NAME} you are still signed in")).to_be_visible()
    page.get_by_role("link", name="Sign out there, too").click()
    page.wait_for_url(f"{known.issuer}/session/end**")
    assert not ours(complaints, live_server.url)
    context.close()


def test_ada_connects_her_institute_in_her_profile(visit, known):
    ada = create_person("ada", password="difference-engine", full_name="Ada")
    browser = visit(ada)
    browser.page.set_default_timeout(SOON)
    browser.go("/profile")
    browser.page.get_by_role("button", name="Connect").click()
    signs_in_there(browser.page, "ada")
    expect(browser.page.get_by_text(f"You can sign in by {NAME} from now on.")).to_be_visible()
    browser.shoot("signing-in-connected")
    browser.page.get_by_text("Disconnect").first.click()
    browser.page.get_by_role("button", name="Disconnect").click()
    expect(browser.page.get_by_text(f"You can no longer sign in by {NAME}.")).to_be_visible()
    assert not ours(browser.complaints, browser.base_url)


@pytest.mark.parametrize("look", LOOKS)
def test_the_pages_on_the_way_are_sound(visit, known, server, axe_source, look):  # noqa: F811
    width, scheme = LOOKS[look]
    browser = visit(width=width, color_scheme=scheme)
    browser.page.set_default_timeout(SOON)
    browser.page.route(f"{known.issuer}/**", lambda route: route.fulfill(status=204))  # so that one stays here
    wrong: list[str] = []

    def looks_at(name: str) -> None:
        wrong.extend(f"{name}: {finding}" for finding in findings(browser, axe_source))
        if scrolls_sideways(browser):
            wrong.append(f"{name}: it scrolls sideways")
        browser.shoot(f"{look}-signing-in-{name}")

    browser.go("/signin")
    looks_at("door")
    browser.page.get_by_role("button", name=BUTTON).click()
    expect(browser.page.get_by_role("heading", name=f"On to {NAME} …")).to_be_visible()
    looks_at("on-the-way")
    browser.go("/signin")
    server.next(status=503)
    browser.page.get_by_role("button", name=BUTTON).click()
    expect(browser.page.get_by_role("link", name="Back to signing in")).to_be_visible()
    looks_at("refused")
    assert not wrong, "\n".join(wrong)
