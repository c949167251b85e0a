"""Who may reach an endpoint, and where it is: as the datacenter reported it, never as a request says."""

import base64
import re
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections, connection
from django.utils.translation import gettext as _

from accounts.models import WORKING, ApiToken, Scope, User
from dashboard.addresses import MLFLOW_LABEL
from dashboard.models import EndpointPass
from jobs import tools, tracking
from jobs.models import Deployment, Status
from marketplace.models import Kind

from .places import Place

REMEMBERED_SECONDS = 5.0
NAME = re.compile(rb"[a-z0-9-]+")
REMEMBERED_AT_MOST = 10_000
# Of these the datacenter said where they answer; an unknown one may still run.
OPEN = frozenset({Status.RUNNING, Status.UNKNOWN})
ON_THE_WAY = frozenset({Status.QUEUED, Status.SUBMITTING, Status.PENDING, Status.STARTING})


class Refusal(Exception):
    """Why a request goes no further; the texts are for people."""

    status = 403
    slug = "refused"

    def __init__(self, title: str, detail: str = "") -> None:
        super().__init__(title)
        self.title, self.detail = title, detail


class NotSignedIn(Refusal):
    status, slug = 401, "unauthorized"


class NotAllowed(Refusal):
    status, slug = 403, "scope-missing"


class NotFound(Refusal):
    status, slug = 404, "not-found"


class NotReady(Refusal):
    status, slug = 503, "not-running"

    def __init__(self, title: str, detail: str = "", *, retry_after: int = 30) -> None:
        super().__init__(title, detail)
        self.retry_after = retry_after


class BadAnswer(Refusal):
    status, slug = 502, "bad-answer"


@dataclass(frozen=True)
class Credentials:
    """What the client showed: a bearer token, or cookies that may be passes."""

    token: str | None = None
    passes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upstream:
    """Where an endpoint answers."""

    host: str
    port: int
    # What the endpoint itself wants to see: the project's login, or a tool's own token.
    login: tools.Login = field(default_factory=tools.Login)
    # Of an endpoint that programs elsewhere ask without a login of ours: all else there is nobody's.
    only: tuple[str, ...] = ()
    authority: str = field(default="", repr=False)  # PEM; empty: it speaks plain HTTP

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass
class Doorkeeper:
    """Answers ``find``, and remembers each yes for some seconds: a page asks for dozens of files at once."""

    _known: dict[tuple[Credentials, Place], tuple[float, Upstream]] = field(default_factory=dict)

    async def admit(self, credentials: Credentials, place: Place) -> Upstream:
        until, upstream = self._known.get((credentials, place), (0.0, None))
        if upstream and until > time.monotonic():
            return upstream
        return await self.ask_again(credentials, place)

    async def ask_again(self, credentials: Credentials, place: Place) -> Upstream:
        self.forget(credentials, place)
        upstream = await sync_to_async(_find_and_close)(credentials, place)
        if len(self._known) >= REMEMBERED_AT_MOST:
            self._known.clear()
        self._known[credentials, place] = (time.monotonic() + REMEMBERED_SECONDS, upstream)
        return upstream

    def forget(self, credentials: Credentials, place: Place) -> None:
        self._known.pop((credentials, place), None)


def find(credentials: Credentials, place: Place) -> Upstream:
    """Where the endpoint answers, if these credentials may reach it; raises Refusal."""
    if for_clients := _for_clients(place):
        return for_clients
    person = _person(credentials, place)
    visible = Deployment.objects.visible_to(person).select_related("asset", "project")
    deployment = visible.filter(pk=place.deployment_id).first()
    if deployment is None:
        raise NotFound(_("There is nothing here, or it is not yours."))
    # Whoever opens an endpoint acts in it: a tool runs programs, a module trains, MLflow deletes runs.
    if deployment.project.role_of(person) not in WORKING:
        raise NotAllowed(_("You may look at this project's deployments, not work in them."))
    if place.label == MLFLOW_LABEL:
        return _mlflow(deployment)
    if deployment.status not in OPEN:
        raise _not_running(deployment)
    return _upstream(deployment, place.label)


def _for_clients(place: Place) -> Upstream | None:
    """The endpoint if it has paths for clients that show it keys of their own; on its own host alone."""
    running = Deployment.objects.filter(pk=place.deployment_id, deleted=None, status__in=OPEN)
    deployment = running.filter(asset_kind=Kind.TOOL).select_related("asset").first()
    port = tools.port_of(deployment, place.label) if deployment else None
    if deployment is None or port is None or not port.open:
        return None
    if place.prefix:
        raise NotFound(_("There is nothing here, or it is not yours."))
    found = _upstream(deployment, place.label)
    return replace(found, only=port.open, authority=tools.certificate(deployment, place.label))


def may_ask(upstream: Upstream, path: bytes) -> bool:
    """Whether this path of it may be asked for at all; byte for byte, as the endpoint will read it."""
    return not upstream.only or any(_is_at(path, only.encode()) for only in upstream.only)


def _is_at(path: bytes, only: bytes) -> bool:
    if not only.endswith(b"/"):
        return path == only
    return path.startswith(only) and NAME.fullmatch(path[len(only) :]) is not None


def _find_and_close(credentials: Credentials, place: Place) -> Upstream:
    # Django closes connections at the end of its own requests only.
    try:
        return find(credentials, place)
    finally:
        if not connection.in_atomic_block:
            close_old_connections()


def _person(credentials: Credentials, place: Place) -> User:
    if credentials.token is not None:
        return _token_holder(credentials.token)
    found = EndpointPass.objects.find(credentials.passes, place.deployment_id, place.label)
    if found is None:
        raise NotSignedIn(_("Open this endpoint from its deployment's page, or send a token."))
    return found.user


def _token_holder(plain: str) -> User:
    token = ApiToken.objects.find(plain)
    if token is None:
        raise NotSignedIn(_("This token is unknown, expired or revoked."))
    if not token.allows(Scope.CALL):
        raise NotAllowed(_("This token may not call endpoints."), _("Make one with the scope “call” on your profile."))
    return token.user


def _not_running(deployment: Deployment) -> NotReady:
    said = {"title": deployment.title, "status": deployment.get_status_display()}
    title = _("“%(title)s” is not running: it is %(status)s.") % said
    on_the_way = deployment.status in ON_THE_WAY
    hint = _("It opens here as soon as it runs.") if on_the_way else _("Start it again on its page.")
    return NotReady(title, f"{deployment.reason} {hint}".strip(), retry_after=5 if on_the_way else 60)


def _mlflow(deployment: Deployment) -> Upstream:
    """MLflow as the deployment's project sees it; its runs stay after the deployment has ended."""
    where = urlsplit(settings.MLFLOW_URL)
    if not where.hostname:
        raise NotFound(_("This Serai keeps no runs: it has no MLflow."))
    login = tracking.login(deployment.project)
    basic = base64.b64encode(f"{login.username}:{login.password}".encode())
    return Upstream(where.hostname, where.port or 80, tools.Login(b"Basic " + basic))


def _upstream(deployment: Deployment, label: str) -> Upstream:
    endpoints: list[dict[str, Any]] = deployment.endpoints
    by_label = {str(item["label"]).lower(): item for item in endpoints}
    if label not in by_label:
        names = ", ".join(sorted(by_label)) or _("none yet")
        raise NotFound(_("“%(title)s” has no such endpoint.") % {"title": deployment.title}, _("It has: ") + names)
    where = by_label[label]
    return Upstream(str(where["host"]), int(where["port"]), tools.login(deployment, label))
