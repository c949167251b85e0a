"""Which headers pass, and what becomes of them on the way. Pure functions over ASGI's byte pairs."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

from accounts.models import TOKEN_PREFIX

from .access import Upstream
from .places import Place

Headers = list[tuple[bytes, bytes]]
Pairs = Iterable[tuple[bytes, bytes]]

# RFC 9110, section 7.6.1: these speak to the next machine, not to the endpoint.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade http2-settings expect".split()
)
# Framing and address are ours to say; what a client says of its own address is not to be believed.
OURS_TO_SAY = frozenset(b"host content-length forwarded x-real-ip x-client-ip x-serai-user".split())
HANDSHAKE = b"sec-websocket-"
# An endpoint may not speak for other hosts, or send browsers elsewhere for this one. Clear-Site-Data
# would clear the cookies of Serai's own pages where both lie below one domain.
NOT_ITS_TO_SAY = frozenset(
    b"alt-svc clear-site-data strict-transport-security public-key-pins expect-ct nel report-to "
    b"reporting-endpoints".split()
)
# On the main host, whose pages hold people's sessions, even less.
NOT_ON_THE_MAIN_HOST = frozenset(
    b"set-cookie service-worker-allowed content-security-policy content-security-policy-report-only "
    b"access-control-allow-origin access-control-allow-credentials x-content-type-options".split()
)
POINTING = frozenset((b"location", b"content-location"))


@dataclass(frozen=True)
class Caller:
    """What the endpoint is told of who asks."""

    host: str
    address: str
    # Asked by a bearer token: its Authorization is ours, whatever it holds.
    by_token: bool


def cookie_name() -> str:
    """``__Host-`` keeps other hosts from setting it, but browsers take it over HTTPS alone."""
    return "__Host-serai_app" if settings.HTTPS else "serai_app"


def our_cookies() -> frozenset[str]:
    names = (cookie_name(), settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    return frozenset(name.lower() for name in names)


def scheme() -> str:
    return "https" if settings.HTTPS else "http"


def value_of(headers: Pairs, name: bytes) -> str | None:
    """The header's value if it came exactly once."""
    found = [value for key, value in headers if key.lower() == name]
    return found[0].decode("latin-1") if len(found) == 1 else None


def cookies_named(headers: Pairs, name: str) -> list[str]:
    pairs = [pair.partition("=") for pair in _cookie_pairs(headers)]
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def request_headers(headers: Sequence[tuple[bytes, bytes]], place: Place, caller: Caller) -> Headers:
    """What the endpoint gets of a request; framing is the sender's business."""
    dropped = HOP_BY_HOP | OURS_TO_SAY | _named_in_connection(headers)
    passing = [
        (name, value)
        for name, value in headers
        if name.lower() not in dropped
        and not name.lower().startswith((HANDSHAKE, b"x-forwarded-"))
        and not (name.lower() == b"authorization" and _is_ours(value, caller))
        and name.lower() != b"cookie"
    ]
    return [(b"host", caller.host.encode()), *passing, *_cookie_header(headers), *_forwarded(place, caller)]


def as_itself(headers: Headers, upstream: Upstream) -> Headers:
    """The request with the endpoint's own login, from the address that the server knows itself by.

    Origin was compared with the endpoint's host before; a server that compares it with its own would refuse it.
    """
    replaced = (b"host", b"authorization", b"origin", b"cookie")
    passing = [(name, value) for name, value in headers if name.lower() not in replaced]
    shown = [(b"authorization", upstream.login.authorization)] if upstream.login.authorization else []
    return [(b"host", str(upstream).encode()), *shown, *passing, *_cookies_with(upstream.login.cookie, headers)]


def _cookies_with(login: bytes, headers: Headers) -> Headers:
    """The client's cookies, but for one of the login's name, and the login itself."""
    name = login.partition(b"=")[0].decode()
    theirs = [pair for pair in _cookie_pairs(headers) if not name or pair.partition("=")[0].strip() != name]
    pairs = [*theirs, login.decode()] if login else theirs
    return [(b"cookie", "; ".join(pairs).encode("latin-1"))] if pairs else []


def framing(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    """How the body is framed anew: by the length that the server verified, or in chunks."""
    if value_of(headers, b"transfer-encoding") is not None:
        return [(b"transfer-encoding", b"chunked")]
    length = value_of(headers, b"content-length")
    return [(b"content-length", length.encode())] if length is not None else []


def response_headers(headers: Sequence[tuple[bytes, bytes]], place: Place, upstream: str, host: str) -> Headers:
    """What the client gets of an answer. ``upstream`` is the endpoint's own ``host:port``."""
    dropped = (HOP_BY_HOP | NOT_ITS_TO_SAY | _named_in_connection(headers)) - {b"content-length"}
    if place.prefix:
        dropped = dropped | NOT_ON_THE_MAIN_HOST
    passing = [(name, value) for name, value in headers if name.lower() not in dropped]
    return [*_pass_on(passing, place, upstream, host), *_seal(place)]


def _pass_on(headers: Headers, place: Place, upstream: str, host: str) -> Headers:
    kept: Headers = []
    for name, value in headers:
        if name.lower() == b"set-cookie":
            kept += [(name, cookie) for cookie in _own_cookie(value)]
        elif name.lower() in POINTING:
            kept.append((name, _point_here(value, place, upstream, host)))
        else:
            kept.append((name, value))
    return kept


def _seal(place: Place) -> Headers:
    if place.prefix:
        return [(b"content-security-policy", b"sandbox"), (b"x-content-type-options", b"nosniff")]
    # A second policy can only narrow what the endpoint's own allows: other endpoints may not frame it.
    return [(b"content-security-policy", b"frame-ancestors 'self'")]


def _named_in_connection(headers: Pairs) -> frozenset[bytes]:
    values = [value for name, value in headers if name.lower() == b"connection"]
    return frozenset(token.strip().lower() for value in values for token in value.split(b","))


def _is_ours(authorization: bytes, caller: Caller) -> bool:
    return caller.by_token or TOKEN_PREFIX.encode() in authorization + _basic(authorization)


def _basic(authorization: bytes) -> bytes:
    """Name and password of a basic authorization: somebody may have put a token there."""
    kind, _, value = authorization.partition(b" ")
    try:
        return base64.b64decode(value) if kind.lower() == b"basic" else b""
    except binascii.Error:
        return b""


def _cookie_pairs(headers: Pairs) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name.lower() == b"cookie"]
    return [pair.strip() for value in values for pair in value.split(";") if pair.strip()]


def _cookie_header(headers: Pairs) -> Headers:
    # Compared without regard to case: some frameworks read names so.
    theirs = [pair for pair in _cookie_pairs(headers) if pair.partition("=")[0].strip().lower() not in our_cookies()]
    return [(b"cookie", "; ".join(theirs).encode("latin-1"))] if theirs else []


def _forwarded(place: Place, caller: Caller) -> Headers:
    said = [
        (b"x-forwarded-for", caller.address),
        (b"x-forwarded-proto", scheme()),
        (b"x-forwarded-host", caller.host),
        (b"x-forwarded-prefix", place.prefix),
    ]
    return [(name, value.encode("latin-1")) for name, value in said if value]


def _own_cookie(value: bytes) -> list[bytes]:
    """The cookie without its Domain; nothing if it bears a name of ours.

    One without a name is dropped too: browsers send ``=serai_app=x`` back as ``serai_app=x``.
    """
    pair, *attributes = value.decode("latin-1").split(";")
    name, equals, _rest = pair.partition("=")
    if not equals or not name.strip() or name.strip().lower() in our_cookies():
        return []
    kept = [item for item in attributes if item.partition("=")[0].strip().lower() != "domain"]
    return [";".join([pair, *kept]).encode("latin-1")]


def _point_here(value: bytes, place: Place, upstream: str, host: str) -> bytes:
    """A redirect to the endpoint's own address, as one to where the client found it."""
    try:
        target = urlsplit(value.decode("latin-1"))
    except ValueError:  # no address at all
        return value
    port = upstream.rpartition(":")[2]
    own = {upstream, f"127.0.0.1:{port}", f"localhost:{port}", host}
    if target.netloc and target.netloc.lower() not in own:
        return value
    path = target.path or ("/" if target.netloc else "")
    # A path that begins with two slashes would be read as another host.
    path = "/" + path.lstrip("/") if path.startswith("//") else path
    if place.prefix and path.startswith("/") and not (path + "/").startswith(place.prefix + "/"):
        path = place.prefix + path
    return urlunsplit(("", "", path, target.query, target.fragment)).encode("latin-1")
