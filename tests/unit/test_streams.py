"""Open streams end when the right to hear them does."""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from importlib import import_module
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth import login, logout
from django.test import RequestFactory
from django.utils import timezone

from accounts.models import ApiToken, Membership, User
from dashboard import streams
from dashboard.feed import Change, feed
from dashboard.people import person_now
from jobs.models import Deployment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _checked_at_once(monkeypatch):
    monkeypatch.setattr(streams, "CHECKED_AGAIN_SECONDS", 0)


@pytest.fixture
def by_session(bob):
    request = RequestFactory().get("/")
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    login(request, bob, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return request


@pytest.fixture
def by_token(bob):
    request = RequestFactory().get("/")
    request.auth, _plain = ApiToken.issue(bob, "laptop")
    return request


@pytest.fixture
def adas(ada) -> Deployment:
    return Deployment.objects.create(
        project=ada.personal_project, owner=ada, title="digits", asset_slug="digits", request={}
    )


def heard(request, may, after_the_first) -> int:
    """How many of three pieces came, when something happened after the first."""

    async def pieces():
        yield 1
        await asyncio.to_thread(after_the_first)
        yield 2
        yield 3

    async def listen():
        return [piece async for piece in streams.while_allowed(pieces(), request, may)]

    return len(asyncio.run(listen()))


def leave(ada, bob):
    return lambda: Membership.objects.filter(project=ada.personal_project, user=bob).delete()


def test_who_stays_hears_all(by_session, by_token, adas):
    assert heard(by_session, streams.sees(adas.pk), lambda: None) == 3
    assert heard(by_token, streams.sees(adas.pk), lambda: None) == 3


def test_who_leaves_the_project_hears_no_more(by_session, by_token, ada, bob, adas):
    projects = streams.projects_of(bob)
    assert heard(by_session, streams.sees(adas.pk), leave(ada, bob)) == 1
    assert heard(by_token, streams.is_in(projects), lambda: None) == 0


@pytest.mark.parametrize(
    "end",
    [
        logout,
        lambda request: User.objects.filter(username="bob").update(is_active=False),
        lambda request: User.objects.filter(username="bob").update(password="another"),
    ],
)
def test_who_is_signed_out_hears_no_more(by_session, adas, end):
    kept = RequestFactory().get("/")
    kept.session = type(by_session.session)(by_session.session.session_key)
    assert heard(kept, streams.sees(adas.pk), lambda: end(by_session)) == 1
    assert person_now(kept) is None


def test_an_ended_token_hears_no_more(by_token, adas):
    assert heard(by_token, streams.sees(adas.pk), by_token.auth.revoke) == 1


def test_an_expired_token_hears_no_more(by_token, adas):
    yesterday = timezone.now() - timedelta(days=1)
    expire = ApiToken.objects.filter(pk=by_token.auth.pk).update
    assert heard(by_token, streams.sees(adas.pk), lambda: expire(expires=yesterday)) == 1


def test_news_of_others_projects_are_not_heard(ada, eve, adas):
    """One reader a process hears of everything; what goes on is chosen by project."""

    [of_eve] = streams.projects_of(eve)

    async def listen():
        async with aclosing(streams.changes(frozenset({of_eve}))) as news:
            await anext(news)
            feed._tell(Change(adas.pk, adas.project_id, timezone.now()))
            feed._tell(Change(eves := uuid4(), of_eve, timezone.now()))
            return eves, await asyncio.wait_for(anext(news), 5)

    eves, heard_of = async_to_sync(listen)()
    assert str(eves) in heard_of
    assert str(adas.pk) not in heard_of
