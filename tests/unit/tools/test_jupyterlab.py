"""JupyterLab on the real local agent, through the gateway: what it can do, and what it cannot reach."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync

from dashboard.gateway.app import Gateway
from dashboard.models import EndpointPass
from jobs import archive, services, tools
from jobs.models import Deployment, Status
from tests.unit.gateway import Answer, Pairs, call, pages, scope_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(600)]
INSTALLED_WITHIN = 400  # seconds, the first time on a machine
ANSWERED_WITHIN = 60


class Lab:
    """A deployment of JupyterLab as somebody's browser has it."""

    def __init__(self, deployment: Deployment, cookie: str) -> None:
        self.deployment = deployment
        self.host = f"ide-{deployment.pk}.apps.localhost:8000"
        self.headers: Pairs = [("cookie", cookie), ("origin", f"http://{self.host}")]

    def ask(self, method: str, path: str, body: object = None, *, origin: str = "") -> Answer:
        headers = [*self.headers[:1], ("origin", origin)] if origin else self.headers
        data = None if body is None else json.dumps(body).encode()
        return call(path, self.host, method=method, headers=headers, body=data)

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator["Socket"]:
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        said.put_nowait({"type": "websocket.connect"})
        serving = asyncio.create_task(
            Gateway(pages)(scope_of("websocket", self.host, path, self.headers), said.get, heard.put)
        )
        assert (await heard.get())["type"] == "websocket.accept"
        yield Socket(said, heard)
        said.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await serving

    def run(self, code: str) -> str:
        """What a notebook's cell printed, or its traceback."""
        return async_to_sync(self._run)(code, self.kernel)

    async def _run(self, code: str, kernel: str) -> str:
        async with self.socket(f"/api/kernels/{kernel}/channels") as socket:
            header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "s", "version": "5.3"}
            message = {"channel": "shell", "header": header, "content": {"code": code, "silent": False}}
            await socket.say({**message, "parent_header": {}, "metadata": {}, "buffers": []})
            printed = ""
            async for told in socket:
                if told["parent_header"].get("msg_id") != header["msg_id"]:
                    continue
                content = told["content"]
                printed += content.get("text", "") + "\n".join(content.get("traceback", []))
                if content.get("execution_state") == "idle":
                    return printed
        raise AssertionError(printed)

    @property
    def kernel(self) -> str:
        running = self.ask("GET", "/api/kernels").json
        return str((running[0] if running else self.ask("POST", "/api/kernels", {}).json)["id"])

    async def terminal(self, name: str, typed: str, wanted: str) -> str:
        async with self.socket(f"/terminals/websocket/{name}") as socket:
            await socket.say(["stdin", typed])
            shown = ""
            async for kind, *text in socket:
                shown += text[0] if kind == "stdout" else ""
                if wanted in shown:
                    return shown
        raise AssertionError(shown)


class Socket:
    def __init__(self, said: asyncio.Queue[dict[str, Any]], heard: asyncio.Queue[dict[str, Any]]) -> None:
        self._said, self._heard = said, heard

    async def say(self, content: object) -> None:
        await self._said.put({"type": "websocket.receive", "text": json.dumps(content)})

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            message = await asyncio.wait_for(self._heard.get(), ANSWERED_WITHIN)
            assert message["type"] == "websocket.send", message
            yield json.loads(message.get("text") or message["bytes"])


def opened(deployment: Deployment, user, client) -> Lab:
    client.force_login(user)
    code = EndpointPass.code(user, client.session.session_key, deployment, "ide")
    return Lab(deployment, "serai_app=" + EndpointPass.redeem(code, deployment.pk, "ide"))


@pytest.fixture
def lab(world, ide, toy, client, ada) -> Lab:
    deployment = world.again("ide", memory_mb=700)
    return opened(world.until(deployment, Status.RUNNING, INSTALLED_WITHIN), ada, client)


def test_a_notebook_and_a_terminal_work_and_reach_nothing_of_others(lab, world, ada, local_agent, settings):
    page = lab.ask("GET", "/lab")
    assert page.status == 200
    assert b"JupyterLab" in page.body
    _a_cell_runs(lab)
    _a_terminal_runs(lab)
    _the_storage_stays(lab, local_agent)
    _others_are_kept_out(lab)
    assert f"JUPYTER_TOKEN={_token(lab)}" in lab.run("!env")  # its own it may read
    if os.getuid() == 0:
        _it_reaches_nothing_of_others(lab, world, local_agent, settings)
    services.stop(lab.deployment, ada)
    world.until(lab.deployment, Status.STOPPED)
    _its_token_is_told_nowhere(lab, page)


def _token(lab: Lab) -> str:
    return tools.secrets_of(lab.deployment)["JUPYTER_TOKEN"]


def _a_cell_runs(lab: Lab) -> None:
    assert lab.run("print(sum(range(100)))") == "4950\n"
    assert "ZeroDivisionError" in lab.run("1 / 0")
    assert lab.run("import sys; print(sys.prefix)").endswith("/.venv\n")
    assert lab.run("import pip, ipykernel; print('there')") == "there\n"


def _a_terminal_runs(lab: Lab) -> None:
    name = lab.ask("POST", "/api/terminals").json["name"]
    shown = async_to_sync(lab.terminal)(name, "echo $((6 * 7)) && pwd && echo e''nd\r", "end\r\n")
    assert "42" in shown
    assert "/main/local" in shown


def _the_storage_stays(lab: Lab, local_agent) -> None:
    saved = {"type": "file", "format": "text", "content": "seeds"}
    assert lab.ask("PUT", "/api/contents/storage/kept.txt", saved).status == 201
    kept = local_agent.tasks / "storage" / lab.deployment.project.slug / "ide" / "kept.txt"
    assert kept.read_text() == "seeds"
    assert lab.ask("DELETE", "/api/contents/storage/kept.txt").status == 204


def _others_are_kept_out(lab: Lab) -> None:
    assert lab.ask("POST", "/api/kernels", {}, origin="http://evil.example").status == 403
    assert call("/lab", lab.host, headers=[("accept", "application/json")]).status == 401
    (endpoint,) = lab.deployment.endpoints
    with httpx.Client(base_url=f"http://{endpoint['host']}:{endpoint['port']}", trust_env=False) as direct:
        assert direct.get("/api").status_code == 200  # its health is nobody's secret
        assert direct.get("/api/contents").status_code == 403
        assert direct.post("/api/kernels", json={}).status_code == 403
        token = {"Authorization": f"token {_token(lab)}"}
        assert direct.get("/api/contents", headers=token).status_code == 200
        # Even with its token it answers under no name but its own address: no page of another site gets at it.
        assert direct.get("/api/contents", headers={**token, "Host": "evil.example"}).status_code == 403


def _its_token_is_told_nowhere(lab: Lab, page: Answer) -> None:
    token = _token(lab).encode()
    logs = [archive.read(lab.deployment, "main", stream) for stream in archive.STREAMS]
    assert b"Jupyter Server" in b"".join(logs)
    assert not any(token in text for text in (page.body, *logs, json.dumps(page.headers).encode()))


def _it_reaches_nothing_of_others(lab: Lab, world, local_agent, settings) -> None:
    other = world.until(world.again("toy"), Status.RUNNING)
    (settings.SERAI_DATA / "secret.key").write_text("the key")
    folder = local_agent.tasks / "alloc" / other.allocation_id
    state = local_agent.tasks.parent
    own = local_agent.tasks / "alloc" / lab.deployment.allocation_id
    wanted = [
        settings.SERAI_DATA / "secret.key",
        state / "token",
        state / "data" / "state.sqlite",
        folder / "main" / "local" / "serve.py",
        folder / "main" / "secrets" / "serai.env",
        own / ".logs",
        local_agent.tasks / "storage" / lab.deployment.project.slug / "toy" / "..",
    ]
    assert (folder / "main" / "secrets" / "serai.env").exists()
    cell = f"""
import os
for path in {[str(path) for path in wanted]!r}:
    try:
        print("got", os.listdir(path) if os.path.isdir(path) else open(path).read())
    except PermissionError:
        print("refused")
"""
    *refused, shared = lab.run(cell).splitlines()
    assert refused == ["refused"] * (len(wanted) - 1)
    assert shared.startswith("got")  # what the project shares, it shares
    key = tools.secrets_of(other)["PAGE_KEY"]
    environments = lab.run("!cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -a -e KEY= -e TOKEN=")
    assert "JUPYTER_TOKEN=" in environments  # its own, so the search itself works
    assert "PAGE_KEY=" not in environments
    assert key not in environments
    assert local_agent.token not in environments


def test_a_deployment_that_is_started_again_has_its_storage_and_a_new_home(lab, world, ada, client):
    lab.run("open('gone', 'w'); open('storage/stays', 'w')")
    services.restart(lab.deployment, ada)
    world.until(lab.deployment, lambda row: row.status == Status.RUNNING and row.starts == 2, INSTALLED_WITHIN)
    again = opened(lab.deployment, ada, client)
    assert again.run("import os; print(os.path.exists('gone'), os.path.exists('storage/stays'))") == "False True\n"
    again.run("os.remove('storage/stays')")
