"""Requests that no page of ours makes: each gets an answer that says so, and none makes the server fail."""

import base64
import json

import pytest
from django.test import Client

from jobs import archive
from tests.unit.projects.conftest import ask, bob, digits, engine, grace, site, vera, who  # noqa: F401  fixtures
from tests.unit.test_routes import JSON, signed_in, things  # noqa: F401

pytestmark = pytest.mark.django_db

DEEP = "[" * 50_000 + "]" * 50_000


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.fixture
def adas(things, ada):  # noqa: F811
    """Ada's browser; a fault of the server is a 500 here, as it is for people."""
    return signed_in(ada, raise_request_exception=False)


@pytest.fixture
def script(things, ada, bearer):  # noqa: F811
    client = Client(raise_request_exception=False)
    client.defaults["HTTP_AUTHORIZATION"] = bearer(ada)["Authorization"]
    return client


# ── Names in addresses ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("task", ["../../secret", "a/b", '"; filename="x.html', "%0d%0aX-Evil: 1", "", "a" * 90, "²"])
def test_a_log_that_can_have_no_such_name_is_not_there(adas, things, task):  # noqa: F811
    """The name would go into a path and into a header."""
    for page in ("log/", "log.txt", "log/stream/"):
        assert adas.get(f"/deployments/{things['running']}/{page}?task={task}").status_code == 404


def test_a_log_is_a_download_and_never_a_page(adas, things, settings, tmp_path):  # noqa: F811
    settings.SERAI_DATA = tmp_path
    file = archive.folder(things["running"]) / "main.stdout"
    file.parent.mkdir(parents=True)
    file.write_text("<script>alert(1)</script>")
    answer = adas.get(f"/deployments/{things['running']}/log.txt")
    assert answer["Content-Disposition"].startswith("attachment; ")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert (answer["Content-Security-Policy"], answer["X-Content-Type-Options"]) == ("sandbox", "nosniff")
    page = adas.get(f"/deployments/{things['running']}/log/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "\t//x"]
)
def test_no_form_leads_to_another_site(adas, wanted):
    assert adas.post("/theme", {"theme": "dark", "next": wanted})["Location"] == "/"
    entered = Client().post("/signin", {"username": "ada", "password": "difference-engine", "next": wanted})
    assert (entered.status_code, entered["Location"]) == (302, "/")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:8000@evil.example", "[::1", "a" * 3_000])
def test_a_host_that_is_not_ours_gets_nothing(host):
    assert Client(raise_request_exception=False, HTTP_HOST=host).get("/signin").status_code == 400


# ── Places in lists ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "text", ["9" * 30, "[" * 3_000, DEEP, "true", "-1", '["x", "y"]', '["2020-01-01", "\\u0000"]', "{}"]
)
@pytest.mark.parametrize("route", ["modules", "tools", "projects", "datacenters", "audit", "deployments"])
def test_a_cursor_of_ones_own_is_refused_or_leads_to_an_end(script, route, text):
    answer = script.get(f"/api/v1/{route}", {"cursor": cursor(text)})
    assert answer.status_code == 422 or answer.json()["next"] is None


@pytest.mark.parametrize("route", ["audit", "deployments"])
def test_a_cursor_without_a_time_zone_is_none_of_ours(script, route):
    """It would mean another moment on each machine."""
    answer = script.get(f"/api/v1/{route}", {"cursor": cursor('["2020-01-01T10:00:00", "1"]')})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/cursor"


@pytest.mark.parametrize("after", ["9" * 40, "-1", "x", "\xb2"])
def test_an_event_id_of_ones_own_is_no_fault(script, things, after):  # noqa: F811
    headers = {"Accept": "text/event-stream", "Last-Event-ID": after}
    assert script.get(f"/api/v1/deployments/{things['running']}/events", headers=headers).status_code == 200


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        '{"options":' * 20_000 + "1" + "}" * 20_000,
        '{"module": "digits", "kind": "batch", "arguments": {"x": ' + "[" * 2_000 + "]" * 2_000 + "}}",
        '{"module": "digits", "resources": {"cpu_cores": NaN}}',
        '{"module": "digits", "resources": {"cpu_cores": 1e400}}',
        '{"module": "digits", "resources": {"memory_mb": -5}}',
        '{"module": "digits", "resources": {"memory_mb": ' + "9" * 400 + "}}",
        '{"module": "digits", "resources": {"disk_mb": ' + "9" * 4_000 + "}}",
        '{"module": "digits", "max_wait": 99999999999999999999}',
        '{"module": "digits", "title": "\\u0000"}',
        '{"module": "digits", "title": "\\ud800"}',
        '{"module": "digits", "datacenter": "${meta.serai_python}"}',
        '{"module": ["digits"]}',
        "1",
        "null",
        "",
        "\xff",
    ],
)
@pytest.mark.parametrize("route", ["deployments", "deployments/plan", "projects"])
def test_no_body_makes_the_server_fail(script, route, body):
    answer = script.post(f"/api/v1/{route}", body.encode("latin-1"), content_type=JSON)
    if route == "deployments/plan" and answer.status_code == 200:  # a plan says who refuses, and why
        assert answer.json()["choices"] == []
        return
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"


def test_a_body_larger_than_any_request_is_refused(script):
    body = json.dumps({"title": "x" * 3_000_000})
    assert script.post("/api/v1/deployments", body, content_type=JSON).status_code in (400, 413)


@pytest.mark.parametrize(
    "fields", [{"memory_mb": "9" * 400}, {"cpu_cores": "nan"}, {"cpu_cores": "inf"}, {"title": "\0"}]
)
def test_no_number_makes_the_form_fail(adas, fields):
    assert adas.post("/modules/digits/deploy/", {"project": "engine", **fields}).status_code == 422


def test_a_form_with_thousands_of_fields_is_refused(adas):
    assert adas.post("/modules/digits/deploy/", {f"f{n}": "x" for n in range(2_000)}).status_code == 400


# ── The same key from two people ─────────────────────────────────────────────────────────────────
def test_a_key_is_a_persons_own(script, engine, bob, bearer):  # noqa: F811
    """Otherwise Bob would be answered Ada's deployment, or learn that she used the key."""
    request = {"data": {"module": "digits", "project": "engine"}, "content_type": JSON}
    adas = script.post("/api/v1/deployments", headers={"Idempotency-Key": "k"}, **request)
    bobs = Client().post("/api/v1/deployments", headers={**bearer(bob), "Idempotency-Key": "k"}, **request)
    assert (adas.status_code, bobs.status_code) == (201, 201)
    assert adas.json()["id"] != bobs.json()["id"]
    again = script.post("/api/v1/deployments", headers={"Idempotency-Key": "k"}, **request)
    assert again.json()["id"] == adas.json()["id"]
