"""A proxy that shows endpoints by itself asks Serai about each request: who passes, and with what."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from accounts.models import ApiToken
from dashboard.gateway import forward_auth
from dashboard.gateway.access import Upstream
from dashboard.gateway.headers import Caller
from dashboard.gateway.places import Place
from dashboard.models import EndpointPass
from jobs.models import Deployment, Status
from jobs.tools import Login

from . import MAIN, call

NAVIGATION = [("sec-fetch-mode", "navigate"), ("accept", "text/html")]


def ask(host: str, uri: str = "/page?a=1", *, method: str = "GET", headers=(), to: str = MAIN):
    told = [("x-forwarded-method", method), ("x-forwarded-host", host), ("x-forwarded-uri", uri)]
    return call("/gateway/check", to, headers=[*told, *headers])


def test_whoever_has_a_pass_may_and_the_endpoint_gets_no_cookie_of_ours(ada, host, cookie, echo) -> None:
    ((_name, ours),) = cookie(ada)
    answer = ask(host, headers=[("cookie", f"{ours}; theirs=1"), ("authorization", "Basic eHg6eHg=")])
    assert (answer.status, answer["x-serai-upstream"]) == (200, f"127.0.0.1:{echo}")
    assert (answer["cookie"], answer["authorization"]) == ("theirs=1", "Basic eHg6eHg=")


def test_a_token_may_and_goes_no_further(ada, host) -> None:
    plain = ApiToken.issue(ada, "script")[1]
    answer = ask(host, headers=[("authorization", f"Bearer {plain}")])
    assert (answer.status, answer["authorization"], answer["cookie"]) == (200, "", "")


def test_a_person_without_a_pass_is_sent_to_get_one(host, deployment) -> None:
    answer = ask(host, "/page?a=1", headers=NAVIGATION)
    assert answer.status == 303
    assert answer["location"] == f"http://127.0.0.1:8000/deployments/{deployment.pk}/open/api?next=%2Fpage%3Fa%3D1"
    assert ask(host).status == 401


def test_eve_a_pass_that_ran_out_and_another_host_are_refused(ada, eve, host, cookie, deployment) -> None:
    plain = ApiToken.issue(eve, "script")[1]
    assert ask(host, headers=[("authorization", f"Bearer {plain}")]).status == 404
    old = cookie(ada)
    EndpointPass.objects.update(created=timezone.now() - timedelta(days=30), expires=timezone.now() - timedelta(days=1))
    assert ask(host, headers=old).status == 401
    for other in ("127.0.0.1:8000", "evil.example", host.replace("apps", "maps"), f"a.{host}", "apps.localhost"):
        assert ask(other, headers=cookie(ada)).status == 404, other
    another = Deployment.objects.create(
        project=ada.personal_project, owner=ada, asset_slug="echo", title="Other", request={}, status=Status.RUNNING
    )
    assert ask(host.replace(str(deployment.pk), str(another.pk)), headers=cookie(ada)).status == 401


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", [("origin", "http://evil.example")]),
        ("GET", [("sec-websocket-key", "x")]),
        ("GET", [("sec-websocket-key", "x"), ("origin", "http://evil.example")]),
        ("GET", [("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")]),
    ],
)
def test_what_another_site_asks_for_is_refused(ada, host, cookie, method, headers) -> None:
    assert ask(host, method=method, headers=[*cookie(ada), *headers]).status == 403
    own = [("origin", f"http://{host}")]
    assert ask(host, headers=[*cookie(ada), ("sec-websocket-key", "x"), *own]).status == 200


def test_what_does_not_run_is_said(ada, host, cookie, deployment) -> None:
    Deployment.objects.update(status=Status.STOPPED)
    answer = ask(host, headers=cookie(ada))
    assert (answer.status, answer["retry-after"]) == (503, "60")


@pytest.mark.parametrize(
    "secret", [{"login": Login(b"token ours")}, {"login": Login(cookie=b"session=ours")}, {"authority": "ours"}]
)
def test_what_has_a_login_or_a_certificate_goes_by_the_gateway_and_nobody_is_told_it(secret) -> None:
    place = Place(UUID(int=1), "ide")
    asked = {"type": "http", "headers": [(b"cookie", b"serai_app=pass; theirs=1")], "method": "GET"}
    answer = forward_auth.yes(asked, place, Upstream("192.0.2.9", 9, **secret), Caller("h", "a", by_token=False))
    assert (answer["X-Serai-Upstream"], answer["Cookie"]) == ("127.0.0.1:8000", "serai_app=pass; theirs=1")
    assert "ours" not in str(answer.items())


@pytest.mark.parametrize("left_out", ["x-forwarded-method", "x-forwarded-host", "x-forwarded-uri"])
def test_only_proxies_ask(host, left_out) -> None:
    told = {"x-forwarded-method": "GET", "x-forwarded-host": host, "x-forwarded-uri": "/"}
    answer = call("/gateway/check", MAIN, headers=[(name, value) for name, value in told.items() if name != left_out])
    assert answer.status == 400


def test_on_an_endpoints_own_host_this_is_the_endpoints_path(ada, host, cookie) -> None:
    assert call("/gateway/check", host, headers=cookie(ada)).json["line"] == "GET /gateway/check HTTP/1.1"
