"""WebSocket through the gateway, to a real server."""

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from dashboard.gateway import app as gateway_app
from dashboard.gateway.app import Gateway
from dashboard.models import EndpointPass
from jobs.models import Deployment, Status, TrackingAccount

from . import Pairs, pages, scope_of


def converse(socket: ServerConnection) -> None:
    """Tells what it was asked, then echoes; closes as told."""
    request = socket.request
    told = [request.headers.get(name) for name in ("Cookie", "Authorization", "Host", "Origin")]
    socket.send(f"{request.path} " + " ".join(map(str, told)))
    try:
        for message in socket:
            if message == "close":
                socket.close(4002, "as you wish")
                return
            socket.send(message)
    except ConnectionClosed:
        pass
    finally:
        seen.append((socket.close_code, socket.close_reason))


def pick(_socket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in offered if name == "v2.kernel"), None)


seen: list[tuple[int | None, str | None]] = []


@pytest.fixture(scope="session")
def socket_port() -> Iterator[int]:
    with serve(converse, "127.0.0.1", 0, select_subprotocol=pick, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()


@pytest.fixture(autouse=True)
def _endpoint(deployment: Deployment, socket_port: int) -> None:
    Deployment.objects.update(endpoints=[{"label": "api", "host": "127.0.0.1", "port": socket_port, "healthy": True}])
    seen.clear()


def talk(
    host: str,
    headers: Pairs,
    messages: list[dict[str, Any]],
    *,
    path: str = "/chat?x=%2F",
    subprotocols: tuple[str, ...] = (),
    then: Callable[[], object] = bool,
) -> list[dict[str, Any]]:
    """What the client hears when it says this, one message after each answer."""
    heard: list[dict[str, Any]] = []
    waiting = iter(messages)

    async def run() -> None:
        answered = asyncio.Semaphore(0)
        first = True

        async def receive() -> dict[str, Any]:
            nonlocal first
            if first:
                first = False
                return {"type": "websocket.connect"}
            await answered.acquire()
            message = next(waiting, None)
            if message is None:
                await sync_to_async(then)()
                await asyncio.sleep(60)
            return message or leave()

        async def send(message: dict[str, Any]) -> None:
            heard.append(message)
            if message["type"] == "websocket.send":
                answered.release()

        scope = scope_of("websocket", host, path, headers) | {"subprotocols": list(subprotocols)}
        async with asyncio.timeout(10):
            await Gateway(pages)(scope, receive, send)

    async_to_sync(run)()
    return heard


def say(text: str | None = None, content: bytes | None = None) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": text, "bytes": content}


def leave(code: int = 1000) -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code}


@pytest.fixture
def here(ada, host, cookie) -> Pairs:
    return [*cookie(ada), ("origin", f"http://{host}")]


def test_texts_and_bytes_pass_both_ways(host, here) -> None:
    heard = talk(host, here, [say("hello"), say(content=b"\x00\xff"), say("x" * 2_000_000), leave()])
    assert heard[0]["type"] == "websocket.accept"
    assert heard[1]["text"] == f"/chat?x=%2F None None {host} http://{host}"
    assert [message.get("text") or message.get("bytes") for message in heard[2:]] == [
        "hello",
        b"\x00\xff",
        "x" * 2_000_000,
    ]


def test_the_endpoint_picks_the_subprotocol(host, here) -> None:
    heard = talk(host, here, [leave()], subprotocols=("v9", "v2.kernel"))
    assert heard[0] == {"type": "websocket.accept", "subprotocol": "v2.kernel"}


def test_an_endpoint_with_a_login_of_its_own_gets_it_and_is_called_by_its_own_address(
    client, settings, ada, deployment, socket_port
) -> None:
    settings.MLFLOW_URL = f"http://127.0.0.1:{socket_port}"
    client.force_login(ada)
    code = EndpointPass.code(ada, client.session.session_key, deployment, "mlflow")
    cookie = "serai_app=" + EndpointPass.redeem(code, deployment.pk, "mlflow")
    host = f"mlflow-{deployment.pk}.apps.localhost:8000"
    heard = talk(host, [("cookie", cookie), ("origin", f"http://{host}"), ("authorization", "token mine")], [leave()])
    account = TrackingAccount.objects.get(project=ada.personal_project)
    login = base64.b64encode(f"{account.username}:{account.password}".encode()).decode()
    assert heard[1]["text"] == f"/chat?x=%2F None Basic {login} 127.0.0.1:{socket_port} None"


@pytest.mark.parametrize(("code", "told"), [(4001, 4001), (1000, 1000), (1005, 1000), (1006, 1011)])
def test_the_endpoint_hears_why_the_client_left(host, here, code, told) -> None:
    talk(host, here, [leave(code)])
    for _ in range(100):
        if seen:
            break
        threading.Event().wait(0.02)
    assert seen[0][0] == told


def test_the_client_hears_why_the_endpoint_closed(host, here) -> None:
    heard = talk(host, here, [say("close")])
    assert heard[-1] == {"type": "websocket.close", "code": 4002, "reason": "as you wish"}


def test_our_cookie_and_token_are_not_passed_on(deployment, ada, host, here, bearer) -> None:
    (name, ours), *rest = here
    heard = talk(host, [(name, ours + "; theirs=1"), *rest], [leave()])
    assert heard[1]["text"].split()[:3] == ["/chat?x=%2F", "theirs=1", "None"]
    by_token = list(bearer(ada, "call").items())
    heard = talk("127.0.0.1:8000", by_token, [leave()], path=f"/d/{deployment.pk}/api/chat")
    assert heard[1]["text"].split()[:3] == ["/chat", "None", "None"]


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:8000", "https://HOST"])
def test_other_origins_are_refused(ada, host, cookie, origin) -> None:
    headers = cookie(ada) + ([("origin", origin.replace("HOST", host))] if origin else [])
    assert talk(host, headers, []) == [{"type": "websocket.close"}]


def test_without_a_pass_it_is_refused(host, here) -> None:
    assert talk(host, here[1:], []) == [{"type": "websocket.close"}]


def test_a_dead_endpoint_is_refused(host, here) -> None:
    Deployment.objects.update(endpoints=[{"label": "api", "host": "127.0.0.1", "port": 1, "healthy": True}])
    assert talk(host, here, []) == [{"type": "websocket.close"}]


def test_an_endpoint_that_speaks_no_websocket_is_refused(host, here, echo) -> None:
    Deployment.objects.update(endpoints=[{"label": "api", "host": "127.0.0.1", "port": echo, "healthy": True}])
    assert talk(host, here, []) == [{"type": "websocket.close"}]
    redirect = talk(host, here, [], path="/redirect?to=ws://127.0.0.1:1/")
    assert redirect == [{"type": "websocket.close"}]


def test_the_pages_have_no_websocket(db) -> None:
    assert talk("127.0.0.1:8000", [], [], path="/deployments/") == [{"type": "websocket.close"}]


def test_an_open_one_is_closed_when_its_right_ends(host, here, monkeypatch) -> None:
    monkeypatch.setattr(gateway_app, "CHECKED_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr("dashboard.gateway.access.REMEMBERED_SECONDS", 0.01)

    stop = lambda: Deployment.objects.update(status=Status.STOPPED)  # noqa: E731
    heard = talk(host, here, [say("still here")], then=stop)
    assert heard[-2]["text"] == "still here"
    assert heard[-1] == {"type": "websocket.close", "code": 1008, "reason": "no longer allowed"}
