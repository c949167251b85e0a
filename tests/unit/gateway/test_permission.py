"""Who reaches an endpoint, and how others are told."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Role, User
from dashboard.gateway import access
from dashboard.gateway.app import Gateway
from dashboard.gateway.places import Place
from dashboard.models import EndpointPass
from jobs.models import Deployment, Status

from . import MAIN, call, pages

NAVIGATION = [("sec-fetch-mode", "navigate"), ("accept", "text/html")]


def form(client: Client, user: User, deployment: Deployment) -> dict[str, str]:
    """The hand-over form that this person's browser gets."""
    client.force_login(user)
    answer = client.get(f"/deployments/{deployment.pk}/open/api?next=/docs%3Fa%3D1")
    assert answer.status_code == 200
    return {"code": answer.context["code"], "next": answer.context["next"], "url": answer.context["enter_url"]}


def enter(host: str, code: str, path: str = "/", **headers: str):
    body = f"code={code.replace('=', '%3D')}&next={path}".encode()
    return call("/.serai/enter", host, method="POST", headers=list(headers.items()), body=body)


# ── The hand-over ────────────────────────────────────────────────────────────────────────────────
def test_ada_is_handed_over_and_gets_a_cookie_of_that_host_alone(client, ada, deployment, host) -> None:
    given = form(client, ada, deployment)
    assert given["url"] == f"http://{host}/.serai/enter"
    answer = enter(host, given["code"], "/docs", origin="http://127.0.0.1:8000")
    assert (answer.status, answer["location"]) == (303, "/docs")
    cookie = answer["set-cookie"]
    assert cookie.startswith("serai_app=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} < set(cookie.split("; "))
    assert "domain" not in cookie.lower()
    assert call("/x", host, headers=[("cookie", cookie.partition(";")[0])]).json["line"] == "GET /x HTTP/1.1"


def test_the_code_stands_in_no_address(client, ada, deployment) -> None:
    client.force_login(ada)
    answer = client.get(f"/deployments/{deployment.pk}/open/api")
    assert answer["Referrer-Policy"] == "origin"
    assert "no-store" in answer["Cache-Control"]
    assert "form-action 'self' http://*.apps.localhost:8000" in answer["Content-Security-Policy"]
    assert f'action="http://api-{deployment.pk}.apps.localhost:8000/.serai/enter"' in answer.content.decode()


def test_looking_at_the_door_changes_nothing(client, ada, deployment) -> None:
    form(client, ada, deployment)
    assert not EndpointPass.objects.exists()


def test_a_code_is_good_once(client, ada, deployment, host) -> None:
    code = form(client, ada, deployment)["code"]
    assert enter(host, code).status == 303
    again = enter(host, code)
    assert again.status == 403
    assert "used already" in again.json["title"]


def test_a_code_is_good_for_half_a_minute(client, ada, deployment, host, monkeypatch) -> None:
    monkeypatch.setattr("dashboard.models.CODE_LASTS", timedelta(seconds=-1))
    assert enter(host, form(client, ada, deployment)["code"]).status == 403


def test_a_code_opens_no_other_endpoint(client, ada, deployment, host) -> None:
    code = form(client, ada, deployment)["code"]
    assert enter(host.replace("api-", "ide-"), code).status == 403


@pytest.mark.parametrize("code", ["", "rubbish", "gAAAAABk"])
def test_a_made_up_code_opens_nothing(host, db, code) -> None:
    assert enter(host, code).status == 403


def test_a_code_of_somebody_who_signed_out_opens_nothing(client, ada, deployment, host) -> None:
    code = form(client, ada, deployment)["code"]
    client.logout()
    assert enter(host, code).status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://ide-x.apps.localhost:8000"])
def test_another_site_cannot_sign_a_browser_in(client, ada, deployment, host, origin) -> None:
    assert enter(host, form(client, ada, deployment)["code"], origin=origin).status == 403


def test_the_way_on_stays_on_the_endpoints_host(client, ada, deployment, host) -> None:
    code = form(client, ada, deployment)["code"]
    assert enter(host, code, "//evil.example/x")["location"] == "/evil.example/x"


def test_a_large_form_is_refused(host, db) -> None:
    assert call("/.serai/enter", host, method="POST", body=b"code=" + b"x" * 20_000).status == 400


def test_nothing_else_is_in_our_room(client, ada, deployment, host, cookie) -> None:
    assert call("/.serai/other", host, headers=cookie(ada)).status == 404
    assert call("/.serai/enter", host, headers=cookie(ada)).status == 404


def test_eve_finds_no_door(client, eve, deployment) -> None:
    client.force_login(eve)
    assert client.get(f"/deployments/{deployment.pk}/open/api").status_code == 404


def test_somebody_signed_out_is_asked_to_sign_in(client, deployment) -> None:
    answer = client.get(f"/deployments/{deployment.pk}/open/api")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/signin")


# ── The pass ─────────────────────────────────────────────────────────────────────────────────────
def test_bob_of_the_same_project_comes_in(bob, host, cookie) -> None:
    assert call("/", host, headers=cookie(bob)).status == 200


def test_a_browser_without_a_pass_is_sent_to_the_door_and_comes_back(host, deployment) -> None:
    answer = call("/docs?page=2", host, headers=NAVIGATION)
    assert answer.status == 303
    door = f"http://127.0.0.1:8000/deployments/{deployment.pk}/open/api"
    assert answer["location"] == door + "?next=%2Fdocs%3Fpage%3D2"


def test_a_script_without_a_pass_gets_401(host, deployment) -> None:
    answer = call("/", host)
    assert (answer.status, answer["content-type"]) == (401, "application/problem+json")


def test_the_pass_of_one_endpoint_opens_no_other(ada, host, cookie, deployment) -> None:
    deployment.endpoints.append({**deployment.endpoints[0], "label": "ide"})
    deployment.save()
    assert call("/", host.replace("api-", "ide-"), headers=cookie(ada)).status == 401


def test_a_forged_cookie_beside_the_right_one_does_no_harm(ada, host, cookie) -> None:
    [(name, value)] = cookie(ada)
    assert call("/", host, headers=[(name, f"serai_app=forged; {value}")]).status == 200


def test_signing_out_ends_the_pass(client, ada, host, cookie) -> None:
    headers = cookie(ada)
    client.logout()
    assert call("/", host, headers=headers).status == 401


def test_a_changed_password_ends_the_pass(ada, host, cookie) -> None:
    headers = cookie(ada)
    ada.set_password("analytical-engine")
    ada.save()
    assert call("/", host, headers=headers).status == 401


def test_a_pass_runs_out(ada, host, cookie) -> None:
    headers = cookie(ada)
    EndpointPass.objects.update(expires=timezone.now())
    assert call("/", host, headers=headers).status == 401


def test_who_leaves_the_project_stays_outside(bob, host, cookie) -> None:
    headers = cookie(bob)
    Membership.objects.filter(user=bob).exclude(role="manager").delete()
    assert call("/", host, headers=headers).status == 404


def test_a_yes_is_remembered_for_seconds_and_no_longer(bob, host, cookie, monkeypatch) -> None:
    headers, gateway = cookie(bob), Gateway(pages)
    assert call("/", host, headers=headers, gateway=gateway).status == 200
    Membership.objects.filter(user=bob).exclude(role="manager").delete()
    gateway.pools.forget()  # each call of the test has an event loop of its own
    assert call("/", host, headers=headers, gateway=gateway).status == 200
    now = access.time.monotonic()
    monkeypatch.setattr(access.time, "monotonic", lambda: now + 10)
    assert call("/", host, headers=headers, gateway=gateway).status == 404


# ── Other sites ──────────────────────────────────────────────────────────────────────────────────
def test_a_page_of_another_endpoint_cannot_act_with_adas_pass(ada, host, cookie) -> None:
    headers = [*cookie(ada), ("origin", "http://ide-1.apps.localhost:8000")]
    assert call("/", host, method="POST", headers=headers, body=b"x").status == 403
    assert call("/", host, method="POST", headers=[*cookie(ada), ("origin", f"http://{host}")], body=b"x").status == 200


def test_a_page_of_another_endpoint_cannot_read_with_adas_pass(ada, host, cookie) -> None:
    from_a_sibling = [("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")]
    assert call("/", host, headers=[*cookie(ada), *from_a_sibling]).status == 403
    a_link = [("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate")]
    assert call("/", host, headers=[*cookie(ada), *a_link]).status == 200


# ── Tokens ───────────────────────────────────────────────────────────────────────────────────────
def token(bearer, user: User, *scopes: str) -> list[tuple[str, str]]:
    return list(bearer(user, *scopes).items())


def test_a_token_opens_both_addresses(ada, deployment, host, bearer) -> None:
    headers = token(bearer, ada, "call")
    assert call("/x?y=1", host, headers=headers).json["line"] == "GET /x?y=1 HTTP/1.1"
    assert call(f"/d/{deployment.pk}/api/x?y=1", headers=headers).json["line"] == "GET /x?y=1 HTTP/1.1"


def test_a_token_without_the_scope_gets_403(ada, deployment, bearer) -> None:
    answer = call(f"/d/{deployment.pk}/api/", headers=token(bearer, ada, "read", "write"))
    assert answer.status == 403
    assert "call" in answer.json["title"]


@pytest.mark.parametrize("authorization", ["", "Bearer serai_wrong", "Bearer ", "Basic YTpi"])
def test_without_a_good_token_it_is_401(deployment, authorization) -> None:
    headers = [("authorization", authorization)] if authorization else []
    answer = call(f"/d/{deployment.pk}/api/", headers=headers)
    assert (answer.status, answer["www-authenticate"]) == (401, 'Bearer realm="serai"')


def test_cookies_open_nothing_on_the_main_host(ada, deployment, cookie, client) -> None:
    session = f"serai_session={client.session.session_key}"
    assert call(f"/d/{deployment.pk}/api/", headers=[*cookie(ada), ("cookie", session)]).status == 401


def test_eves_token_finds_nothing(eve, deployment, host, bearer) -> None:
    headers = token(bearer, eve, "call")
    assert call(f"/d/{deployment.pk}/api/", headers=headers).status == 404
    assert call("/", host, headers=headers).status == 404


# ── Not there ────────────────────────────────────────────────────────────────────────────────────
def test_a_deployment_on_its_way_says_so(ada, deployment, host, bearer, cookie) -> None:
    Deployment.objects.update(status=Status.STARTING, reason="Packages are being installed.")
    answer = call(f"/d/{deployment.pk}/api/", headers=token(bearer, ada, "call"))
    assert (answer.status, answer["retry-after"]) == (503, "5")
    assert answer.json["title"] == "“Echo” is not running: it is starting."
    assert "Packages are being installed." in answer.json["detail"]
    page = call("/", host, headers=[*cookie(ada), *NAVIGATION])
    assert page.status == 503
    assert "“Echo” is not running" in page.body.decode()


def test_a_stopped_one_says_so(ada, deployment, bearer) -> None:
    Deployment.objects.update(status=Status.STOPPED)
    answer = call(f"/d/{deployment.pk}/api/", headers=token(bearer, ada, "call"))
    assert answer.status == 503
    assert "Start it again" in answer.json["detail"]


def test_one_that_nobody_hears_of_is_tried(ada, deployment, bearer) -> None:
    Deployment.objects.update(status=Status.UNKNOWN)
    assert call(f"/d/{deployment.pk}/api/", headers=token(bearer, ada, "call")).status == 200


def test_an_unknown_endpoint_names_those_there_are(ada, deployment, bearer) -> None:
    answer = call(f"/d/{deployment.pk}/ide/", headers=token(bearer, ada, "call"))
    assert answer.status == 404
    assert answer.json["detail"] == "It has: api"


def test_a_deleted_one_is_gone(ada, deployment, bearer) -> None:
    Deployment.objects.update(deleted=timezone.now())
    assert call(f"/d/{deployment.pk}/api/", headers=token(bearer, ada, "call")).status == 404


def test_an_endpoint_that_does_not_answer_says_so(ada, deployment, bearer) -> None:
    Deployment.objects.update(endpoints=[{"label": "api", "host": "127.0.0.1", "port": 1, "healthy": True}])
    answer = call(f"/d/{deployment.pk}/api/", headers=token(bearer, ada, "call"))
    assert (answer.status, answer["retry-after"]) == (503, "5")
    assert answer.json["title"] == "The endpoint does not answer."


def test_other_hosts_are_the_pages_own_business(db) -> None:
    assert call("/", MAIN).status == 299


# ── Those who only look ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("label", ["api", "mlflow"])
def test_whoever_only_looks_at_a_project_works_in_none_of_its_endpoints(settings, bob, bearer, deployment, label):
    """A module's endpoint trains it, and MLflow's deletes the project's runs."""
    settings.MLFLOW_URL = "http://127.0.0.1:9"
    token = bearer(bob)["Authorization"].removeprefix("Bearer ")
    place, credentials = Place(deployment.pk, label), access.Credentials(token=token)
    assert access.find(credentials, place)
    Membership.objects.filter(user=bob).exclude(project__personal_of=bob).update(role=Role.VIEWER)
    with pytest.raises(access.NotAllowed, match="look at this project"):
        access.find(credentials, place)


@pytest.mark.parametrize("headers", [NAVIGATION, []])
def test_a_refusal_is_read_as_what_it_is_and_nothing_else(host, deployment, headers):
    answer = call("/.serai/nothing", host, headers=headers)
    assert answer.status == 404
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["cache-control"] == "no-store"
