"""What every answer says to browsers, error pages and downloads included."""

import re

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path, reverse

from dashboard.urls import urlpatterns as pages_of_serai
from tests.unit.projects.conftest import ask, bob, digits, engine, grace, site, vera, who  # noqa: F401  fixtures
from tests.unit.test_routes import PAGE_LINES, named, pages, signed_in, things  # noqa: F401

pytestmark = pytest.mark.django_db

REVEALING = re.compile(r"Traceback|/site-packages/|Django [0-9]|SELECT .* FROM")


def break_down(_request):
    raise RuntimeError("canary in an exception")


urlpatterns = [*pages_of_serai, path("broken", break_down), path("plain", lambda _request: HttpResponse("x"))]


def check(answer, name: str) -> None:
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy, name
    assert policy == "sandbox" or "default-src 'self'" in policy, name
    assert policy == "sandbox" or "frame-ancestors 'none'" in policy, name
    assert answer["X-Content-Type-Options"] == "nosniff", name
    assert answer["X-Frame-Options"] == "DENY", name
    assert answer["Referrer-Policy"] in ("same-origin", "origin"), name
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin", name
    assert "Server" not in answer, name


def test_every_page_is_sealed(things, who):  # noqa: F811
    for person in ("grace", "ada"):
        client = signed_in(who(person))
        for method, name in PAGE_LINES:
            if method == "GET":
                parts = pages()[name].pattern.converters
                check(client.get(reverse(name, kwargs={part: named(name, part, things) for part in parts})), name)


@pytest.mark.urls("tests.unit.test_headers")
@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/nothing-here", 404),
        ("/people/", 403),
        ("/signout", 405),
        ("/broken", 500),
        ("/api/v1/nothing", 404),
        ("/api/v1/me", 401),
        ("/modules/%00", 404),
    ],
)
def test_error_pages_are_sealed_and_tell_nothing_of_the_inside(ada, address, status):
    answer = signed_in(ada, raise_request_exception=False).get(address)
    assert answer.status_code == status
    check(answer, address)
    text = answer.content.decode()
    assert not REVEALING.search(text)
    assert "canary" not in text


def test_the_refusal_of_a_host_is_sealed():
    answer = Client(HTTP_HOST="evil.example").get("/signin")
    assert answer.status_code == 400
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "evil.example" not in answer.content.decode()


def test_pages_of_people_are_not_kept_by_browsers_for_the_next_person(things, who):  # noqa: F811
    """Behind a sign-in nothing may be shown from a shared cache."""
    answer = signed_in(who("ada")).get("/")
    assert "Cookie" in answer["Vary"]


def test_cookies_are_for_this_site_and_not_for_scripts(client, ada):
    client.get("/signin")
    assert client.cookies["serai_csrf"]["httponly"]
    client.post("/signin", {"username": "ada", "password": "difference-engine"})
    session = client.cookies["serai_session"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"
    assert not session["domain"]


def test_signing_in_begins_another_session(client, ada):
    """Whoever planted a session before (fixation) does not get this one."""
    session = client.session
    session["planted"] = "by somebody"
    session.save()
    client.cookies["serai_session"] = session.session_key
    client.post("/signin", {"username": "ada", "password": "difference-engine"})
    assert client.cookies["serai_session"].value != session.session_key
    assert not type(session)(session.session_key).exists(session.session_key)
    before = client.session.session_key
    client.post("/signout")
    assert not type(session)().exists(before)
