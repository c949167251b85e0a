"""What passes through the gateway, and what does not."""

import base64

import pytest

from dashboard.models import EndpointPass
from jobs.models import Deployment, Status, TrackingAccount

from . import MAIN, Pairs, call


@pytest.fixture
def by_token(ada, bearer) -> Pairs:
    return list(bearer(ada, "call").items())


@pytest.fixture
def prefix(deployment: Deployment) -> str:
    return f"/d/{deployment.pk}/api"


# ── Requests ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "path", ["/", "/a/../b", "/..%2f..%2fetc", "/%2e%2e/x", "//double//", "/a%00b", "/x?a=%2F&b=a+b&c", "/;p?q"]
)
def test_paths_pass_byte_for_byte(ada, host, cookie, prefix, by_token, path) -> None:
    assert call(path, host, headers=cookie(ada)).json["line"] == f"GET {path} HTTP/1.1"
    assert call(prefix + path, headers=by_token).json["line"] == f"GET {path} HTTP/1.1"


def test_letters_beyond_ascii_are_escaped(ada, host, cookie) -> None:
    assert call("/å", host, headers=cookie(ada)).json["line"] == "GET /%E5 HTTP/1.1"


def test_a_bare_prefix_is_the_root(prefix, by_token) -> None:
    assert call(prefix, headers=by_token).json["line"] == "GET / HTTP/1.1"


def test_our_cookies_stay_and_theirs_pass(ada, host, cookie) -> None:
    [(name, ours)] = cookie(ada)
    others = "theirs=1; serai_session=s; serai_csrf=c; SERAI_APP=x; more=2"
    assert call("/", host, headers=[(name, f"{ours}; {others}")]).told["cookie"] == "theirs=1; more=2"


def test_no_cookie_header_passes_if_all_were_ours(ada, host, cookie) -> None:
    assert "cookie" not in call("/", host, headers=cookie(ada)).told


def test_our_tokens_are_never_passed_on(ada, host, cookie, prefix, by_token) -> None:
    assert "authorization" not in call(prefix, headers=by_token).told
    assert "authorization" not in call("/", host, headers=by_token).told
    in_a_password = base64.b64encode(b"ada:" + by_token[0][1].split()[1].encode()).decode()
    basic = [*cookie(ada), ("authorization", f"Basic {in_a_password}")]
    assert "authorization" not in call("/", host, headers=basic).told


def test_an_authorization_of_the_endpoints_own_passes_with_a_pass(ada, host, cookie) -> None:
    headers = [*cookie(ada), ("authorization", "token of-jupyter")]
    assert call("/", host, headers=headers).told["authorization"] == "token of-jupyter"


def test_hop_by_hop_headers_stay(prefix, by_token) -> None:
    sent = [
        ("connection", "keep-alive, X-Secret"),
        ("x-secret", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("http2-settings", "x"),
        ("proxy-authorization", "x"),
        ("x-kept", "1"),
    ]
    told = call(prefix, headers=[*by_token, *sent]).told
    assert set(told) == {
        "host",
        "x-kept",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-prefix",
    }


def test_the_endpoint_is_told_who_asks_and_cannot_be_lied_to(ada, host, cookie, prefix, by_token) -> None:
    lies = [
        ("x-forwarded-for", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
        ("x-forwarded-host", "x"),
    ]
    told = call(prefix, headers=[*by_token, *lies]).told
    assert (told["host"], told["x-forwarded-for"], told["x-forwarded-prefix"]) == (MAIN, "192.0.2.7", prefix)
    assert not {"forwarded", "x-real-ip"} & set(told)
    told = call("/", host, headers=[*cookie(ada), *lies]).told
    assert (told["host"], told["x-forwarded-host"], told["x-forwarded-proto"]) == (host, host, "http")
    assert "x-forwarded-prefix" not in told


def test_bodies_pass_by_length_and_in_chunks(prefix, by_token) -> None:
    by_length = call(prefix, method="POST", headers=by_token, body=b"hello")
    assert (by_length.json["body"], by_length.told["content-length"]) == ("hello", "5")
    in_chunks = call(prefix, method="PUT", headers=by_token, body=[b"hel", b"", b"lo"])
    assert (in_chunks.json["body"], in_chunks.told["transfer-encoding"]) == ("hello", "chunked")
    assert "content-length" not in in_chunks.told


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────
def test_cookies_of_the_endpoint_lose_their_domain_and_cannot_be_ours(ada, host, cookie) -> None:
    assert call("/cookies", host, headers=cookie(ada)).all("set-cookie") == ["mine=1; Path=/; HttpOnly"]


def test_no_cookie_is_set_on_the_main_host(prefix, by_token) -> None:
    assert not call(prefix + "/cookies", headers=by_token).all("set-cookie")


def test_answers_on_the_main_host_are_put_in_a_sandbox(prefix, by_token) -> None:
    answer = call(prefix + "/powers", headers=by_token)
    assert answer.all("content-security-policy") == ["sandbox"]
    assert answer["x-content-type-options"] == "nosniff"
    names = {name.lower() for name, _ in answer.headers}
    assert "x-public" in names
    assert not names & {
        "clear-site-data",
        "strict-transport-security",
        "alt-svc",
        "service-worker-allowed",
        "x-private",
    }


def test_an_endpoint_keeps_its_own_policy_on_its_own_host(ada, host, cookie) -> None:
    answer = call("/powers", host, headers=cookie(ada))
    assert answer.all("content-security-policy") == ["default-src *", "frame-ancestors 'self'"]
    assert answer["service-worker-allowed"] == "/"
    assert not {name.lower() for name, _ in answer.headers} & {"clear-site-data", "alt-svc", "connection", "x-private"}


@pytest.mark.parametrize(
    ("told", "here"),
    [
        ("/next?x=1#y", "/next?x=1#y"),
        ("next", "next"),
        ("http://127.0.0.1:PORT/next", "/next"),
        ("http://localhost:PORT", "/"),
        ("http://127.0.0.1:PORT//evil.example/", "/evil.example/"),
        ("https://example.org/next", "https://example.org/next"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_redirects_lead_to_where_the_client_is(ada, host, cookie, prefix, by_token, told, here) -> None:
    assert call(f"/redirect?to={told}", host, headers=cookie(ada))["location"] == here
    below = prefix + here if here.startswith("/") else here
    assert call(f"{prefix}/redirect?to={told}", headers=by_token)["location"] == below


def test_a_redirect_that_knows_its_prefix_gets_no_second_one(prefix, by_token) -> None:
    assert call(f"{prefix}/redirect?to={prefix}/next", headers=by_token)["location"] == prefix + "/next"
    to_our_host = f"{prefix}/redirect?to=http://{MAIN}/next"
    assert call(to_our_host, headers=by_token)["location"] == prefix + "/next"


def test_a_broken_answer_is_seen_to_be_broken(prefix, by_token) -> None:
    cut = call(prefix + "/cut", headers=by_token)
    assert (cut.status, cut.body, cut.whole) == (200, b"only this", False)
    nonsense = call(prefix + "/nonsense", headers=by_token)
    assert nonsense.status == 502
    assert "broke off" in nonsense.json["title"]


# ── Tricks ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "change",
    [
        lambda host: host + ".evil.example",
        lambda host: host.replace(".apps", "..apps"),
        lambda host: host.replace("api-", "api_"),
        lambda host: host.replace("api-", "-"),
        lambda host: host.replace("-", "", 1),
        lambda host: "x." + host,
        lambda host: host.replace(":8000", ".:8000"),
        lambda host: host.replace(":8000", "@evil.example"),
        lambda host: host + "/d/x",
        lambda host: "apps.localhost:8000",
    ],
)
def test_a_host_is_ours_exactly_or_not_at_all(ada, host, cookie, change) -> None:
    assert call("/", change(host), headers=cookie(ada)).status in (299, 400, 404)


def test_case_and_port_of_a_host_do_not_matter(ada, host, cookie) -> None:
    headers = cookie(ada)
    assert call("/", host.upper(), headers=headers).status == 200
    assert call("/", host.replace(":8000", ""), headers=headers).status == 200


def test_two_hosts_are_none(ada, host, cookie) -> None:
    assert call("/", host, headers=[*cookie(ada), ("host", MAIN)]).status == 400


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:8000.evil.example", ""])
def test_tokens_are_taken_on_the_main_host_only(prefix, by_token, host) -> None:
    assert call(prefix, host, headers=by_token).status in (400, 404)


@pytest.mark.parametrize(
    "rest", ["/d/", "/d/x/api/", "/d//api/", "/d/{id}", "/d/{id}/", "/d/{id}/%61pi/", "/d/{ID}/api/"]
)
def test_paths_that_name_no_endpoint_are_404(deployment, by_token, rest) -> None:
    path = rest.format(id=deployment.pk, ID=str(deployment.pk).upper())
    assert call(path, headers=by_token).status == 404


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND"])
def test_odd_methods_are_refused(prefix, by_token, method) -> None:
    assert call(prefix, method=method, headers=by_token).status == 400


@pytest.mark.parametrize("path", ["http://evil.example/", "*", "/a#b"])
def test_only_plain_paths_are_passed(ada, host, cookie, path) -> None:
    assert call(path, host, headers=cookie(ada)).status == 400


# ── MLflow ───────────────────────────────────────────────────────────────────────────────────────
def test_mlflow_opens_as_the_project_and_after_the_deployment_ended(client, settings, ada, deployment, echo) -> None:
    settings.MLFLOW_URL = f"http://127.0.0.1:{echo}"
    Deployment.objects.update(status=Status.COMPLETED, endpoints=[])
    client.force_login(ada)
    code = EndpointPass.code(ada, client.session.session_key, deployment, "mlflow")
    cookie = "serai_app=" + EndpointPass.redeem(code, deployment.pk, "mlflow")

    own = f"mlflow-{deployment.pk}.apps.localhost:8000"
    told = call("/ajax-api/2.0/x", own, headers=[("cookie", cookie), ("origin", f"http://{own}")], method="POST").json
    headers = {name.lower(): value for name, value in told["headers"]}

    account = TrackingAccount.objects.get(project=ada.personal_project)
    login = base64.b64encode(f"{account.username}:{account.password}".encode()).decode()
    assert headers["authorization"] == f"Basic {login}"
    assert headers["host"] == f"127.0.0.1:{echo}"
    assert "origin" not in headers


def test_no_mlflow_is_said_plainly(client, settings, ada, deployment) -> None:
    settings.MLFLOW_URL = ""
    client.force_login(ada)
    code = EndpointPass.code(ada, client.session.session_key, deployment, "mlflow")
    cookie = "serai_app=" + EndpointPass.redeem(code, deployment.pk, "mlflow")

    answer = call("/", f"mlflow-{deployment.pk}.apps.localhost:8000", headers=[("cookie", cookie)])

    assert answer.status == 404
