"""The gateway's own answers: a page for people, ``application/problem+json`` for scripts."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.http import HttpResponse
from django.template.loader import render_to_string

from dashboard.api.problems import problem

from .access import NotReady, NotSignedIn, Refusal
from .doors import deployment_url, open_url
from .headers import Pairs, value_of
from .places import Place

Message = Mapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


async def send_response(send: Send, response: HttpResponse) -> None:
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
    headers += [(b"set-cookie", cookie.OutputString().encode("latin-1")) for cookie in response.cookies.values()]
    headers.append((b"content-length", str(len(response.content)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


def is_navigation(scope: Scope) -> bool:
    """Whether a person's browser asked for a page, so that a page or a redirect is of use."""
    if scope["method"] not in ("GET", "HEAD"):
        return False
    mode = value_of(scope["headers"], b"sec-fetch-mode")
    return mode == "navigate" if mode else wants_page(scope["headers"])


def wants_page(headers: Pairs) -> bool:
    return "text/html" in (value_of(headers, b"accept") or "")


def refusal_response(refusal: Refusal, scope: Scope, place: Place | None) -> HttpResponse:
    """The right answer to who asked: on an endpoint's own host, people who lack a pass go and get one."""
    on_own_host = place is not None and not place.prefix
    if isinstance(refusal, NotSignedIn) and place and on_own_host and is_navigation(scope):
        return _sent_to_the_door(place, scope)
    response = _page(refusal, place) if on_own_host and is_navigation(scope) else _problem(refusal)
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    if isinstance(refusal, NotReady):
        response["Retry-After"] = str(refusal.retry_after)
    return response


def _sent_to_the_door(place: Place, scope: Scope) -> HttpResponse:
    path = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    response = HttpResponse(status=303)
    response["Location"] = open_url(place.deployment_id, place.label, next_path=path.decode("latin-1"))
    response["Cache-Control"] = "no-store"
    return response


def _page(refusal: Refusal, place: Place | None) -> HttpResponse:
    url = deployment_url(place.deployment_id) if place else ""
    html = render_to_string("gateway/refusal.html", {"refusal": refusal, "deployment_url": url})
    return HttpResponse(html, status=refusal.status, headers={"Content-Security-Policy": PAGE_POLICY})


def _problem(refusal: Refusal) -> HttpResponse:
    response = problem(refusal.status, refusal.slug, refusal.title, refusal.detail)
    if isinstance(refusal, NotSignedIn):
        response["WWW-Authenticate"] = 'Bearer realm="serai"'
    return response
