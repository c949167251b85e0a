"""Caddy in front of endpoints, configured as the how-to says: it asks Serai, and passes by itself."""

import re
import shutil
import subprocess

import httpx
import pytest

from accounts.models import ApiToken
from dashboard.models import EndpointPass
from jobs.models import Deployment, Status
from tests.agents import ROOT, free_port
from tests.unit.gateway import serving

from .site import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("caddy"), reason="no caddy here: it is not tried")]
PAGE = ROOT / "docs" / "how-to" / "put-an-ingress-before-endpoints.md"


@pytest.fixture
def ingress(site, tmp_path):
    """Caddy's port, with Serai's pages behind it."""
    port = free_port()
    site.variables["SERAI_APPS_HOST"] = f"apps.localhost:{port}"
    site.web()
    (tmp_path / "Caddyfile").write_text(adapted(PAGE.read_text(), port, site.port))
    with (tmp_path / "log").open("wb") as log:
        command = ["caddy", "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
        caddy = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(tmp_path)})
    try:
        wait_for(lambda: answers(port), 20, (tmp_path / "log").read_text)
        yield port
    finally:
        caddy.terminate()
        caddy.wait(10)


def adapted(page: str, port: int, web: int) -> str:
    """The how-to's configuration, without HTTPS and at this test's ports."""
    text = re.search(r"```\n(\*\.serai-apps.*?)```", page, re.DOTALL)[1]
    changes = {
        "*.serai-apps.example.net {": f"http://*.apps.localhost:{port} {{\n\tbind 127.0.0.1",
        "\nserai.example.org {": f"\nhttp://127.0.0.1:{port} {{\n\tbind 127.0.0.1",
        "serai.example.org": f"127.0.0.1:{web}",
        "127.0.0.1:8000": f"127.0.0.1:{web}",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return "{\n\tadmin off\n\tauto_https off\n}\n" + text


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code in (200, 503)
    except httpx.TransportError:
        return False


def test_requests_pass_by_caddy_with_serais_permissions(ingress, site, ada, eve, client):
    with serving() as echo:
        deployment = Deployment.objects.create(
            project=ada.personal_project,
            owner=ada,
            asset_slug="echo",
            title="Echo",
            request={},
            status=Status.RUNNING,
            endpoints=[{"label": "api", "host": "127.0.0.1", "port": echo, "healthy": True}],
        )
        host = f"api-{deployment.pk}.apps.localhost:{ingress}"

        def ask(path="/page?a=1", method="GET", **headers):
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            return httpx.request(method, f"http://127.0.0.1:{ingress}{path}", headers={"Host": host, **names})

        client.force_login(ada)
        code = EndpointPass.code(ada, client.session.session_key, deployment, "api")
        entered = httpx.post(
            f"http://127.0.0.1:{ingress}/.serai/enter",
            headers={"Host": host},
            data={"code": code, "next": "/docs"},
        )
        assert (entered.status_code, entered.headers["location"]) == (303, "/docs")
        ours = entered.headers["set-cookie"].partition(";")[0]

        forged = {"x_serai_upstream": "127.0.0.1:1", "x_forwarded_host": "evil.example"}
        told = ask(cookie=f"{ours}; theirs=1", **forged).json()
        got = {name.lower(): value for name, value in told["headers"]}
        assert told["line"] == "GET /page?a=1 HTTP/1.1"
        assert got["cookie"] == "theirs=1"
        assert "x-serai-upstream" not in got

        plain = ApiToken.issue(ada, "script")[1]
        assert plain not in ask("/x", "POST", authorization=f"Bearer {plain}").text
        assert ask(authorization=f"Bearer {ApiToken.issue(eve, 'script')[1]}").status_code == 404
        assert ask().status_code == 401
        assert ask(accept="text/html", sec_fetch_mode="navigate").status_code == 303
        Deployment.objects.update(status=Status.STOPPED)
        wait_for(lambda: ask(cookie=ours).status_code == 503, 20)
