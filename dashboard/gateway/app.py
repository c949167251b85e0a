"""The ASGI application in front of Django: endpoints on their own hosts, ``/d/…`` for scripts, the rest is Django's."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from http import HTTPMethod

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host
from django.utils.translation import gettext as _

from accounts.models import TOKEN_PREFIX
from dashboard.models import CodeRefused

from . import doors, forward_auth, sockets
from .access import Credentials, Doorkeeper, NotAllowed, NotFound, NotReady, Refusal, Upstream, may_ask
from .answers import Receive, Scope, Send, refusal_response, send_response
from .bodies import body_limit, declares_too_much, limited, too_much
from .headers import Caller, Pairs, cookie_name, cookies_named, scheme, value_of
from .http import Exchange, forward
from .places import MAIN_HOST_ROOM, Place, is_apps_host, place_of_host, place_of_path
from .pools import Pools
from .use import UseNotes

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
CHECKED_AGAIN_SECONDS = 10.0
METHODS = frozenset(HTTPMethod) - {HTTPMethod.CONNECT, HTTPMethod.TRACE}
NOT_IN_A_TARGET = re.compile(rb"[^\x21-\x7e]")
READING = frozenset(("GET", "HEAD", "OPTIONS"))


class Malformed(Refusal):
    status, slug = 400, "malformed"


class TooMuch(Refusal):
    status, slug = 413, "too-large"


class CrossOrigin(Refusal):
    status, slug = 403, "cross-origin"


class Gateway:
    def __init__(self, pages: ASGIApp) -> None:
        self.pages = pages
        self.doorkeeper = Doorkeeper()
        self.use = UseNotes()
        self.pools = Pools()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif forward_auth.is_check(scope) and not _is_below_apps(scope):
            await send_response(send, await self._check(scope))
        elif _is_ours(scope):
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await sockets.refuse(receive, send)
        elif declares_too_much(scope):
            await send_response(send, refusal_response(TooMuch(too_much()), scope, None))
        else:
            await self.pages(scope, limited(receive, body_limit()), send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.pools.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        place: Place | None = None
        try:
            place, path = _place(scope)
            if not place.prefix and path.startswith(doors.OUR_ROOM):
                await self._enter(scope, place, path, receive, send)
            else:
                await self._pass(scope, place, path, receive, send)
        except Refusal as refusal:
            if scope["type"] == "websocket":
                await sockets.refuse(receive, send)
            else:
                await send_response(send, refusal_response(refusal, scope, place))

    async def _check(self, scope: Scope) -> HttpResponse:
        """What a proxy is told that asks about a request to an endpoint's own host."""
        place: Place | None = None
        asked = scope
        try:
            asked = forward_auth.asked_about(scope)
            place, path = _place(asked)
            if place.prefix:
                raise NotFound(_("There is nothing here, or it is not yours."))
            caller, upstream = await self._admit(asked, place, path)
        except Refusal as refusal:
            return refusal_response(refusal, asked, place)
        self.use.note(place)
        return forward_auth.yes(asked, place, upstream, caller)

    async def _enter(self, scope: Scope, place: Place, path: bytes, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or path != doors.ENTER or scope["method"] != "POST":
            raise NotFound(_("There is nothing here."))
        if not doors.is_from_our_pages(value_of(scope["headers"], b"origin")):
            raise CrossOrigin(_("Open this endpoint from its deployment's page."))
        body = await _small_body(receive)
        try:
            response = await sync_to_async(doors.enter)(body, place)
        except CodeRefused as error:
            raise NotAllowed(str(error), _("Open this endpoint again from its deployment's page.")) from error
        await send_response(send, response)

    async def _pass(self, scope: Scope, place: Place, path: bytes, receive: Receive, send: Send) -> None:
        caller, upstream = await self._admit(scope, place, path)
        exchange = Exchange(scope, place, upstream, caller, _target(scope, path))
        await self._exchange(exchange, _credentials(scope["headers"], place), receive, send)

    async def _admit(self, scope: Scope, place: Place, path: bytes) -> tuple[Caller, Upstream]:
        """Who asks, and where the endpoint answers; Refusal if this request may not reach it."""
        host = value_of(scope["headers"], b"host") or ""
        credentials = _credentials(scope["headers"], place)
        if credentials.token is None:
            _check_origin(scope, host)
        upstream = await self.doorkeeper.admit(credentials, place)
        if not may_ask(upstream, path) or (upstream.only and scope["type"] != "http"):
            raise NotFound(_("There is nothing here, or it is not yours."))
        return _caller(scope, host, credentials), upstream

    async def _exchange(self, exchange: Exchange, credentials: Credentials, receive: Receive, send: Send) -> None:
        watching = asyncio.create_task(self._until_not_allowed(credentials, exchange.place, exchange.upstream))
        try:
            if exchange.scope["type"] == "websocket":
                await sockets.relay(exchange, receive, send, watching)
            else:
                pool = await self.pools.of(exchange.upstream.authority)
                await forward(pool, exchange, receive, send, watching)
        except NotReady:
            # It may have moved, or ended: the next request looks again.
            self.doorkeeper.forget(credentials, exchange.place)
            raise
        finally:
            watching.cancel()

    async def _until_not_allowed(self, credentials: Credentials, place: Place, upstream: Upstream) -> None:
        """Returns when what is open must be closed: signed out, no longer a member, stopped, or moved."""
        while True:
            self.use.note(place)
            await asyncio.sleep(CHECKED_AGAIN_SECONDS)
            try:
                if await self.doorkeeper.admit(credentials, place) != upstream:
                    return
            except Refusal:
                return


def _is_ours(scope: Scope) -> bool:
    return _is_below_apps(scope) or scope["raw_path"].startswith(MAIN_HOST_ROOM)


def _is_below_apps(scope: Scope) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    return any(is_apps_host(host) for host in hosts)


def _place(scope: Scope) -> tuple[Place, bytes]:
    """The endpoint and the path on it; Refusal for any host or path that is not exactly ours."""
    host = value_of(scope["headers"], b"host")
    raw_path: bytes = scope["raw_path"]
    if host is None or not raw_path.startswith(b"/") or b"#" in raw_path:
        raise Malformed(_("The request names no host or no path."))
    if scope["type"] == "http" and scope["method"] not in METHODS:
        raise Malformed(_("This method is not passed on."))
    if is_apps_host(host):
        place = place_of_host(host)
        found = (place, raw_path) if place else None
    else:
        found = place_of_path(raw_path) if _is_main_host(host) else None
    if found is None:
        raise NotFound(_("There is nothing here, or it is not yours."))
    return found


def _is_main_host(host: str) -> bool:
    hostname, _port = split_domain_port(host)
    return bool(hostname) and validate_host(hostname, settings.ALLOWED_HOSTS)


def _credentials(headers: Pairs, place: Place) -> Credentials:
    authorization = value_of(headers, b"authorization") or ""
    kind, _space, value = authorization.partition(" ")
    token = value.strip() if kind.lower() == "bearer" else None
    if place.prefix:
        return Credentials(token=token or "")  # never cookies here
    if token and token.startswith(TOKEN_PREFIX):
        return Credentials(token=token)
    return Credentials(passes=tuple(cookies_named(headers, cookie_name())))


def _caller(scope: Scope, host: str, credentials: Credentials) -> Caller:
    address = scope["client"][0] if scope.get("client") else ""
    return Caller(host=host, address=address, by_token=credentials.token is not None)


def _target(scope: Scope, path: bytes) -> bytes:
    query: bytes = scope["query_string"]
    target = path + b"?" + query if query else path
    # Some clients send letters beyond ASCII as they are, which no request line may hold.
    return NOT_IN_A_TARGET.sub(lambda found: b"%%%02X" % found[0][0], target)


def _check_origin(scope: Scope, host: str) -> None:
    """Other endpoints' pages are of the same site, so that SameSite does not keep their requests out."""
    own = f"{scheme()}://{host}".lower()
    origin = value_of(scope["headers"], b"origin")
    if scope["type"] == "websocket":
        fine = origin is not None and origin.lower() == own
    elif scope["method"] in READING:
        fine = _reads_for_itself(scope["headers"])
    else:
        fine = origin is None or origin.lower() == own
    if not fine:
        raise CrossOrigin(_("Another site asked for this; open the endpoint itself."))


def _reads_for_itself(headers: Pairs) -> bool:
    site, mode = value_of(headers, b"sec-fetch-site"), value_of(headers, b"sec-fetch-mode")
    return site in (None, "same-origin", "none") or mode == "navigate"


async def _small_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > doors.FORM_LIMIT:
            raise Malformed(_("The form is too large."))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return bytes(body)
