"""A small HTTP/1.1 server: h11 reads and writes the protocol, asyncio moves the bytes.

The usual servers cost as much memory as the whole agent may have; this one needs what one local client needs.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import h11

log = logging.getLogger("serai.local")

LINGER = 2.0  # seconds
# Any task of this machine may connect: those that have shown no token wait in a short queue, not for long, and
# nothing they send beyond a request's head is read.
STRANGERS, STRANGER_SECONDS = 128, 10.0
BODY_LIMIT = 8 * 1024 * 1024
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Request:
    method: str
    segments: tuple[str, ...]  # of the path, unquoted one by one: a job id may hold a slash
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""

    def ask(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]

    def flag(self, name: str) -> bool:
        return self.ask(name).lower() in ("true", "1")


@dataclass(frozen=True)
class Response:
    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """An answer that goes on; it ends with the iterator, or when the client has gone."""

    pieces: AsyncGenerator[bytes, None]
    content_type: str = "application/json"


Handler = Callable[[Request], Awaitable[Response | Stream]]
Admits = Callable[[Request], bool]


def answer(document: Any, index: int) -> Response:
    """A document, with the headers Nomad's clients read."""
    headers = {"X-Nomad-Index": str(index), "X-Nomad-KnownLeader": "true", "X-Nomad-LastContact": "0"}
    return Response(json.dumps(document).encode(), headers=headers)


def text(message: str, status: int) -> Response:
    return Response(message.encode(), status, TEXT)


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, admits: Admits) -> None:
        self.reader, self.writer, self.admits = reader, writer, admits
        self.protocol = h11.Connection(h11.SERVER)
        self.stranger = True  # until a request showed the token

    async def request(self) -> Request | None:
        """The next request, or None when the client has gone; a stranger's comes without its body."""
        async with asyncio.timeout(STRANGER_SECONDS if self.stranger else None):
            head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        self.stranger = not self.admits(_request(head, b""))
        return _request(head, b"" if self.stranger else await self._body(head))

    async def _body(self, head: h11.Request) -> bytes:
        announced = dict(head.headers).get(b"content-length", b"0")
        body = bytearray()
        while int(announced) <= BODY_LIMIT and isinstance(piece := await self._event(), h11.Data):
            body += piece.data
            if len(body) > BODY_LIMIT:
                break
        if max(int(announced), len(body)) > BODY_LIMIT:
            raise h11.RemoteProtocolError("The body is too large.", error_status_hint=413)
        return bytes(body)

    async def _event(self) -> Any:
        while (event := self.protocol.next_event()) is h11.NEED_DATA:
            if self.protocol.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self.protocol.receive_data(await self.reader.read(65_536))
        return event

    async def send(self, *events: Any) -> None:
        for event in events:
            self.writer.write(self.protocol.send(event) or b"")
        await self.writer.drain()

    async def respond(self, response: Response) -> None:
        headers = {
            "Content-Type": response.content_type,
            "Content-Length": str(len(response.body)),
            **response.headers,
        }
        head = h11.Response(status_code=response.status, headers=list(headers.items()))
        await self.send(head, h11.Data(data=response.body), h11.EndOfMessage())

    async def let_go(self) -> None:
        """Read what is still on its way: to close on unread bytes would tear our answer from the client."""
        self.writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while await self.reader.read(65_536):
                    pass

    async def stream(self, stream: Stream) -> None:
        """Send pieces as they come; a client that went away is noticed by its end of input."""
        head = h11.Response(status_code=200, headers=[("Content-Type", stream.content_type), ("Connection", "close")])
        sending = asyncio.ensure_future(self._pieces(head, stream))
        leaving = asyncio.ensure_future(self.reader.read(1))
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not sending.done():
            sending.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _pieces(self, head: h11.Response, stream: Stream) -> None:
        await self.send(head)
        async for piece in stream.pieces:
            await self.send(h11.Data(data=piece))
        await self.send(h11.EndOfMessage())


def _request(head: h11.Request, body: bytes) -> Request:
    path, _, query = head.target.decode("ascii").partition("?")
    return Request(
        method=head.method.decode("ascii"),
        segments=tuple(unquote(segment) for segment in path.strip("/").split("/")),
        query=parse_qs(query, keep_blank_values=True),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
    )


async def _answered(request: Request, handler: Handler) -> Response | Stream:
    """A fault of ours must reach the log, and the client must hear of it."""
    try:
        return await handler(request)
    except Exception:
        log.exception("%s /%s", request.method, "/".join(request.segments))
        return text("The local datacenter has a fault; its log says more.", 500)


async def converse(connection: Connection, handler: Handler) -> None:
    """Answer one client until it leaves, or after a stream."""
    while (request := await connection.request()) is not None:
        response = await _answered(request, handler)
        if isinstance(response, Stream):
            async with aclosing(response.pieces):
                await connection.stream(response)
            return
        await connection.respond(response)
        if connection.stranger:
            await connection.let_go()
            return
        if connection.protocol.our_state is h11.MUST_CLOSE:
            return
        connection.protocol.start_next_cycle()


async def serve(handler: Handler, admits: Admits, port: int) -> asyncio.Server:
    """Listen on loopback; one task a connection."""
    connections: dict[Connection, None] = {}  # in the order they came

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, admits)
        connections[connection] = None
        _turn_away(connections)
        try:
            await converse(connection, handler)
        except h11.RemoteProtocolError as error:
            if connection.protocol.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await connection.respond(text(str(error), error.error_status_hint))
                await connection.let_go()
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            return  # the client left, or the agent ends: either way nobody is left to tell
        finally:
            connections.pop(connection, None)
            writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", port)


def _turn_away(connections: dict[Connection, None]) -> None:
    """When too many strangers wait, the one that waits longest goes: whoever has a token shows it at once."""
    strangers = [connection for connection in connections if connection.stranger]
    if len(strangers) > STRANGERS:
        del connections[strangers[0]]
        strangers[0].writer.transport.abort()
