"""For a proxy that passes requests to endpoints by itself (Traefik, Caddy, nginx): may this one pass, and where to?

The proxy asks ``/gateway/check`` about each request, told by ``X-Forwarded-Method``, ``-Host`` and ``-Uri`` and with
that request's own headers. A yes says what of its cookies and authorization the endpoint gets: ours never pass on. What
an endpoint with a login or a certificate of its own needs is told to nobody: such requests are sent on to the gateway.
So whoever asks here learns nothing that the endpoint's own host would not have told.
"""

from django.conf import settings
from django.http import HttpResponse

from .access import Refusal, Upstream
from .answers import Scope
from .headers import Caller, Headers, request_headers, value_of
from .places import Place

CHECK = b"/gateway/check"
UPSTREAM = "X-Serai-Upstream"
PASSED_ON = (b"cookie", b"authorization")


class Unasked(Refusal):
    status, slug = 400, "malformed"


def is_check(scope: Scope) -> bool:
    return bool(scope["type"] == "http" and scope["raw_path"] == CHECK)


def asked_about(scope: Scope) -> Scope:
    """The request that the proxy asks about, as the gateway would have got it."""
    headers: Headers = list(scope["headers"])
    method, host, uri = (value_of(headers, b"x-forwarded-" + name) for name in (b"method", b"host", b"uri"))
    if not method or not host or not uri:
        raise Unasked("This is asked by proxies, with X-Forwarded-Method, -Host and -Uri.")
    path, _mark, query = uri.encode("latin-1").partition(b"?")
    kept = [(name, value) for name, value in headers if name != b"host" and not name.startswith(b"x-forwarded-")]
    opens_socket = value_of(headers, b"sec-websocket-key") is not None
    return {
        "type": "websocket" if opens_socket else "http",
        "method": method.upper(),
        "headers": [(b"host", host.encode("latin-1")), *kept],
        "raw_path": path,
        "query_string": query,
        "client": scope.get("client"),
    }


def yes(scope: Scope, place: Place, upstream: Upstream, caller: Caller) -> HttpResponse:
    response = HttpResponse(status=200)
    response["Cache-Control"] = "no-store"
    if upstream.login.authorization or upstream.login.cookie or upstream.authority:
        return _by_the_gateway(response, scope)
    passed = dict(request_headers(scope["headers"], place, caller))
    for name in PASSED_ON:
        response[name.decode().title()] = passed.get(name, b"").decode("latin-1")
    response[UPSTREAM] = str(upstream)
    return response


def _by_the_gateway(response: HttpResponse, scope: Scope) -> HttpResponse:
    for name in PASSED_ON:
        response[name.decode().title()] = value_of(scope["headers"], name) or ""
    response[UPSTREAM] = f"127.0.0.1:{settings.SERAI_PORT}"
    return response
