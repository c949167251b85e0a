"""MLflow's REST API, spoken plainly: short time-outs, two kinds of failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

TIMEOUT = httpx.Timeout(5, connect=1)  # seconds; a page waits no longer for MLflow


class TrackingUnavailable(Exception):
    """MLflow does not answer now. Nothing is lost: whatever asked goes on without it."""


class TrackingRefused(Exception):
    """MLflow answered no; ``code`` is its own word for why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Login:
    username: str
    password: str


def administrator() -> Login:
    """Serai's own account: it makes those of the projects, and reads nobody's runs."""
    if settings.MLFLOW_ADMIN_PASSWORD:
        return Login(settings.MLFLOW_ADMIN_USERNAME, settings.MLFLOW_ADMIN_PASSWORD)
    try:
        return Login("admin", (Path(settings.MLFLOW_DATA) / "admin_password").read_text())
    except FileNotFoundError:
        raise TrackingUnavailable(_("MLflow was never started here.")) from None


def call(login: Login, method: str, path: str, /, **values: Any) -> dict[str, Any]:
    """One call below ``/api/``; values go into the query of a GET, else into the body."""
    payload: Mapping[str, Any] = {"params": values} if method == "GET" else {"json": values}
    url, auth = f"{settings.MLFLOW_URL}/api/{path}", (login.username, login.password)
    try:
        answer = client().request(method, url, auth=auth, **payload)
    except httpx.HTTPError as error:
        raise TrackingUnavailable(_("MLflow does not answer.")) from error
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TrackingUnavailable(_("MLflow has a problem of its own (%d).") % answer.status_code)
    if not answer.is_success:
        raise refusal(answer)
    return dict(_json(answer))


@cache
def client() -> httpx.Client:
    """One for the process: it keeps connections, and making one loads every certificate."""
    return httpx.Client(timeout=TIMEOUT, trust_env=False)


def refusal(answer: httpx.Response) -> TrackingRefused:
    """Why MLflow said no, in its own words."""
    words = _json(answer)
    code = str(words.get("error_code") or HTTPStatus(answer.status_code).name)
    return TrackingRefused(code, str(words.get("message") or answer.reason_phrase))


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        words = answer.json()
    except ValueError:
        return {}
    return words if isinstance(words, dict) else {}
