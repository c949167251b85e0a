"""HTTP to an endpoint and back, streamed both ways: no more than a few chunks of it are ever in memory."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpcore
from django.utils.translation import gettext as _

from jobs.federation.keys import INNER_NAME

from .access import BadAnswer, NotReady, Upstream
from .answers import Receive, Scope, Send
from .headers import Caller, Headers, as_itself, framing, request_headers, response_headers
from .places import Place

CONNECT_SECONDS = 5.0
# Shorter than the keep-alive of common servers, so that a connection is seldom closed under a request.
KEEPALIVE_SECONDS = 1.5
REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS"))


class ClientLeft(Exception):
    """The client closed the connection before its request was whole."""


class RequestBody:
    """The client's body as it comes, and afterwards the moment it leaves."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._whole = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._whole.is_set():
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            if not message.get("more_body"):
                self._whole.set()
            yield message.get("body", b"")

    async def client_left(self) -> None:
        """Returns when the client has gone; what it still sends to an answered request is thrown away."""
        await self._whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def is_over(self) -> None:
        """The endpoint answered; nobody will ask for the rest of the body."""
        self._whole.set()


@dataclass(frozen=True)
class Exchange:
    """One request for one endpoint."""

    scope: Scope
    place: Place
    upstream: Upstream
    caller: Caller
    target: bytes  # path and query, byte for byte as the client wrote them

    def request(self, body: RequestBody) -> httpcore.Request:
        frame = framing(self.scope["headers"])
        scheme = b"https" if self.upstream.authority else b"http"
        return httpcore.Request(
            self.scope["method"].encode(),
            httpcore.URL(scheme=scheme, host=self.upstream.host.encode(), port=self.upstream.port, target=self.target),
            headers=self.headers() + frame,
            content=body if frame else b"",
            extensions={"timeout": {"connect": CONNECT_SECONDS}, "sni_hostname": INNER_NAME},
        )

    def headers(self) -> Headers:
        """What the endpoint gets, the host among it."""
        headers = request_headers(self.scope["headers"], self.place, self.caller)
        return as_itself(headers, self.upstream) if self.upstream.login.headers() else headers


def new_pool(authority: str = "") -> httpcore.AsyncConnectionPool:
    """For endpoints by plain HTTP, or by TLS with whom this authority vouches for."""
    return httpcore.AsyncConnectionPool(
        ssl_context=ssl.create_default_context(cadata=authority) if authority else None,
        max_connections=None,
        max_keepalive_connections=50,
        keepalive_expiry=KEEPALIVE_SECONDS,
    )


async def forward(
    pool: httpcore.AsyncConnectionPool, exchange: Exchange, receive: Receive, send: Send, stop: asyncio.Task[None]
) -> None:
    """Relay one exchange; ends early, and the endpoint's side with it, when the client leaves or at ``stop``.

    Raises Refusal as long as nothing was sent to the client.
    """
    body = RequestBody(receive)
    if not framing(exchange.scope["headers"]):
        body.is_over()
    relaying = asyncio.create_task(_relay(pool, exchange, body, send))
    leaving = asyncio.create_task(body.client_left())
    try:
        await asyncio.wait((relaying, leaving, stop), return_when=asyncio.FIRST_COMPLETED)
        if relaying.done():
            relaying.result()
    finally:
        await _end(relaying, leaving)


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _relay(pool: httpcore.AsyncConnectionPool, exchange: Exchange, body: RequestBody, send: Send) -> None:
    try:
        response = await _answer(pool, exchange, body)
    except ClientLeft:
        return
    body.is_over()
    try:
        await _stream(exchange, response, send)
    finally:
        await response.aclose()


async def _stream(exchange: Exchange, response: httpcore.Response, send: Send) -> None:
    headers = response_headers(response.headers, exchange.place, str(exchange.upstream), exchange.caller.host)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    try:
        async for chunk in response.aiter_stream():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except (httpcore.NetworkError, httpcore.ProtocolError):
        return  # unfinished: the server closes the connection, so that the client sees it was cut
    await send({"type": "http.response.body", "body": b""})


async def _answer(pool: httpcore.AsyncConnectionPool, exchange: Exchange, body: RequestBody) -> httpcore.Response:
    try:
        response = await _ask(pool, exchange, body)
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise not_answering() from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise BadAnswer(_("The endpoint broke off before it answered."), _("Its log may say why.")) from error
    if response.status < 200:
        await response.aclose()
        raise BadAnswer(_("The endpoint changed to a protocol that nobody asked for."))
    return response


async def _ask(pool: httpcore.AsyncConnectionPool, exchange: Exchange, body: RequestBody) -> httpcore.Response:
    request = exchange.request(body)
    try:
        return await pool.handle_async_request(request)
    except (httpcore.ReadError, httpcore.RemoteProtocolError):
        # A kept connection may have been closed at this very moment. Only what may be asked twice is.
        if exchange.scope["method"] not in REPEATABLE or framing(exchange.scope["headers"]):
            raise
        return await pool.handle_async_request(exchange.request(body))


def not_answering() -> NotReady:
    return NotReady(
        _("The endpoint does not answer."),
        _("It may still be starting, or it has crashed: its log says more."),
        retry_after=5,
    )
