"""A real provider of identities in a process of its own, and people who sign in there."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client

from accounts.oidc.config import Identity, Rule, Rules
from tests.agents import ROOT

SCRIPT = Path(__file__).with_name("provider.mjs")
SECRET = "a secret of + signs"
NAME = "Difference Institute"


class IdentityServer:
    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def next(self, **settings: object) -> None:
        """What it does from now on: its people, and what is spoilt of its answers."""
        httpx.post(f"{self.issuer}/_test/next", json=settings).raise_for_status()

    def heard(self) -> str:
        """By which of HTTP's schemes the client last showed its secret; none: in the form."""
        return httpx.get(f"{self.issuer}/_test/heard").text

    def sign_in(self, url: str, person: str = "ada", *, agrees: bool = True, stays: httpx.Client | None = None) -> str:
        """Go through its pages as a person does; where it sends the browser in the end."""
        browser = stays or httpx.Client()
        page = self._follow(browser, browser.get(url))
        if "login" in page.text and "prompt" in page.text and 'name="login"' in page.text:
            page = self._submit(browser, page, {"prompt": "login", "login": person, "password": "any"})
        if page.is_success and agrees:
            page = self._submit(browser, page, {"prompt": "consent"})
        elif page.is_success:
            page = self._follow(browser, browser.get(str(page.url) + "/abort"))
        return page.headers["Location"]

    def _submit(self, browser: httpx.Client, page: httpx.Response, fields: dict[str, str]) -> httpx.Response:
        action = re.search(r'action="([^"]+)"', page.text)
        assert action, page.text
        return self._follow(browser, browser.post(httpx.URL(str(page.url)).join(unescape(action[1])), data=fields))

    def _follow(self, browser: httpx.Client, answer: httpx.Response) -> httpx.Response:
        """As long as it stays there."""
        while answer.is_redirect and str(answer.url.join(answer.headers["Location"])).startswith(self.issuer):
            answer = browser.get(answer.url.join(answer.headers["Location"]))
        return answer


@pytest.fixture(scope="session")
def _identity_server() -> Iterator[IdentityServer]:
    node = shutil.which("node")
    if not node or not (ROOT / "node_modules" / "oidc-provider").exists():
        pytest.skip("Node or the package oidc-provider is not installed: npm ci")
    command = [node, "--no-warnings", str(SCRIPT)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://127.0.0.1:"), "the provider does not start"
        yield IdentityServer(issuer)
        process.terminate()


@pytest.fixture
def server(_identity_server: IdentityServer) -> IdentityServer:
    _identity_server.next()
    return _identity_server


@pytest.fixture
def known(server, tmp_path, settings):
    """Serai knows this provider; ``known(*rules, issuer=…)`` names it again otherwise."""
    secret = tmp_path / "client-secret"
    secret.write_text(f"{SECRET}\n")
    settings.SERAI_URL = "http://127.0.0.1:8000"

    def name_it(*rules: Rule, admit: str = "everybody", **changes: object) -> Identity:
        facts = {
            "id": "institute",
            "name": NAME,
            "issuer": server.issuer,
            "client_id": "serai",
            "secret_file": str(secret),
            "scopes": ("openid", "profile", "email", "entitlements"),
            "rules": Rules(admit, rules),
        }
        identity = Identity(**{**facts, **changes})
        settings.OIDC_PROVIDERS = (identity,)
        return identity

    name_it()
    return name_it


@pytest.fixture
def arrive(server, known):
    """Somebody signs in by the provider in a browser of their own: ``client, answer = arrive("ada")``."""

    def come(person: str = "ada", *, client: Client | None = None, agrees: bool = True, **form: str):
        client = client or Client()
        back = server.sign_in(way_out(client.post("/signin/with/institute", form)), person, agrees=agrees)
        return client, client.get(local(back))

    return come


def way_out(page) -> str:
    """Where the page that leads on leads."""
    assert page.status_code == 200, page.content.decode()
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.content.decode())
    assert found
    return unescape(found[1])


def local(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"
