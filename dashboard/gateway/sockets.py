"""WebSocket to an endpoint and back."""

import asyncio

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from .answers import Message, Receive, Send
from .headers import Headers, value_of
from .http import CONNECT_SECONDS, Exchange

MESSAGE_LIMIT = 64 * 1024 * 1024  # bytes, from the endpoint; the server limits those of clients
WITHOUT_A_CODE, NORMAL, BROKEN, NOT_ALLOWED = 1005, 1000, 1011, 1008
NEVER_ON_THE_WIRE = {WITHOUT_A_CODE: NORMAL, 1006: BROKEN, 1015: BROKEN}
SET_BY_THE_CLIENT_LIBRARY = frozenset((b"host", b"origin"))


class Connect(connect):
    """Never follows a redirect: the address is the one the datacenter reported, or none."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def relay(exchange: Exchange, receive: Receive, send: Send, no_longer_allowed: asyncio.Task[None]) -> None:
    """Connect to the endpoint first, so that it picks the subprotocol; then pass messages until one side closes."""
    await receive()  # websocket.connect
    try:
        upstream = await _connect(exchange)
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError):
        await send({"type": "websocket.close"})  # before accept: the server answers 403
        return
    try:
        await send({"type": "websocket.accept", "subprotocol": upstream.subprotocol})
        await _until_one_closes(upstream, receive, send, no_longer_allowed)
    finally:
        await upstream.close()


async def refuse(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close"})


def _connect(exchange: Exchange) -> Connect:
    headers = exchange.headers()
    offered = [Subprotocol(name) for name in exchange.scope.get("subprotocols", ())]
    return Connect(
        f"ws://{value_of(headers, b'host')}{exchange.target.decode('latin-1')}",
        host=exchange.upstream.host,
        port=exchange.upstream.port,
        additional_headers=_text(headers),
        subprotocols=offered or None,
        proxy=None,
        compression=None,
        user_agent_header=None,
        open_timeout=CONNECT_SECONDS,
        ping_interval=None,
        close_timeout=CONNECT_SECONDS,
        max_size=MESSAGE_LIMIT,
    )


def _text(headers: Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers if name != b"host"]


async def _until_one_closes(
    upstream: ClientConnection, receive: Receive, send: Send, no_longer_allowed: asyncio.Task[None]
) -> None:
    to_endpoint = asyncio.create_task(_to_endpoint(upstream, receive))
    to_client = asyncio.create_task(_to_client(upstream, send))
    tasks = (to_endpoint, to_client)
    try:
        await asyncio.wait((*tasks, no_longer_allowed), return_when=asyncio.FIRST_COMPLETED)
        if no_longer_allowed.done() and not any(task.done() for task in tasks):
            await send({"type": "websocket.close", "code": NOT_ALLOWED, "reason": "no longer allowed"})
    finally:
        for task in tasks:
            task.cancel()
        left, _ = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(left, tuple):
        await upstream.close(*left)


async def _to_endpoint(upstream: ClientConnection, receive: Receive) -> tuple[int, str] | None:
    """Passes messages until the client leaves; its words of farewell, unless the endpoint left first."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return _closing(message.get("code"), message.get("reason"))
        try:
            await upstream.send(_content(message))
        except ConnectionClosed:
            await asyncio.Event().wait()  # the other direction tells the client


async def _to_client(upstream: ClientConnection, send: Send) -> None:
    try:
        while True:
            content = await upstream.recv()
            key = "text" if isinstance(content, str) else "bytes"
            await send({"type": "websocket.send", key: content})
    except ConnectionClosed:
        code, reason = _closing(upstream.close_code, upstream.close_reason)
        await send({"type": "websocket.close", "code": code, "reason": reason})


def _content(message: Message) -> str | bytes:
    text: str | None = message.get("text")
    content: bytes = message.get("bytes") or b""
    return content if text is None else text


def _closing(code: int | None, reason: str | None) -> tuple[int, str]:
    """A code that may stand on the wire; some only tell a program that none came."""
    said = WITHOUT_A_CODE if code is None else code
    return NEVER_ON_THE_WIRE.get(said, said), reason or ""
