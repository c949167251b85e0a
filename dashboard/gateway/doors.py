"""The way from Serai's own pages to an endpoint's host: where the door is, and what it gives."""

from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.http.request import split_domain_port, validate_host

from dashboard.models import PASS_LASTS, EndpointPass

from .headers import cookie_name, scheme
from .places import Place

ENTER = b"/.serai/enter"
OUR_ROOM = b"/.serai/"
FORM_LIMIT = 16_384  # bytes; a code and a path


def open_url(deployment_id: UUID, label: str, next_path: str = "/") -> str:
    """The page of the main host that hands a person over to an endpoint."""
    query = "?" + urlencode({"next": next_path}) if next_path != "/" else ""
    return f"{settings.SERAI_URL}/deployments/{deployment_id}/open/{label}{query}"


def deployment_url(deployment_id: UUID) -> str:
    return f"{settings.SERAI_URL}/deployments/{deployment_id}/"


def enter_url(place: Place) -> str:
    """Where the hand-over code is spent."""
    return f"{scheme()}://{place.label}-{place.deployment_id}.{settings.SERAI_APPS_HOST}{ENTER.decode()}"


def is_from_our_pages(origin: str | None) -> bool:
    """Whether a form may come from here: browsers say where a POST comes from, scripts need not."""
    if origin is None:
        return True
    hostname, _port = split_domain_port(urlsplit(origin).netloc)
    return bool(hostname) and validate_host(hostname, settings.ALLOWED_HOSTS)


def own_path(wanted: str) -> str:
    """A path of this very host: never another host, whatever the form says."""
    return "/" + wanted.lstrip("/\\") if wanted.isprintable() else "/"


def enter(body: bytes, place: Place) -> HttpResponse:
    """Spend the form's code: a cookie of this host, and on to the endpoint. CodeRefused if it opens nothing."""
    form = QueryDict(body)
    cookie = EndpointPass.redeem(form.get("code", ""), place.deployment_id, place.label)
    response = HttpResponseRedirect(own_path(form.get("next", "/")))
    response.status_code = 303
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response.set_cookie(
        cookie_name(), cookie, max_age=PASS_LASTS, secure=settings.HTTPS, httponly=True, samesite="Lax", path="/"
    )
    return response
