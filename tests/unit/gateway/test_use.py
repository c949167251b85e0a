"""Whoever uses an endpoint through the gateway uses its deployment: written together, and seldom."""

import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError
from django.utils import timezone

from dashboard.addresses import MLFLOW_LABEL
from dashboard.gateway import use
from dashboard.gateway.app import Gateway
from dashboard.gateway.places import Place
from dashboard.gateway.use import UseNotes
from jobs.models import Deployment
from tests.unit.gateway import call, pages

pytestmark = pytest.mark.django_db
LONG_AGO = timezone.now() - timedelta(days=1)


@pytest.fixture(autouse=True)
def _soon(monkeypatch, deployment):
    monkeypatch.setattr(use, "GATHERED_SECONDS", 0.05)
    Deployment.objects.update(last_active=LONG_AGO)


@pytest.fixture
def writes(monkeypatch) -> list[set]:
    """What was written, one set a time."""
    written: list[set] = []
    monkeypatch.setattr(use.lifetimes, "touch", written.append)
    return written


@async_to_sync
async def noted(notes: UseNotes, *places: Place) -> None:
    for place in places:
        notes.note(place)
    while notes._writing and not notes._writing.done():
        await asyncio.sleep(0.01)


def test_a_request_is_use(deployment, host, cookie, ada):
    gateway = Gateway(pages)
    noted(gateway.use, Place(deployment.pk, "api"))
    assert Deployment.objects.get().last_active > LONG_AGO + timedelta(hours=23)


def test_every_exchange_is_noted_as_long_as_it_is_open(deployment, host, cookie, ada, monkeypatch):
    seen: list[Place] = []
    monkeypatch.setattr(UseNotes, "note", lambda _self, place: seen.append(place))
    assert call("/", host, headers=cookie(ada)).status == 200
    assert [place.deployment_id for place in seen] == [deployment.pk]
    assert call("/", host).status == 401  # whoever is not let in uses nothing
    assert len(seen) == 1


def test_many_requests_are_one_write(deployment, writes):
    notes = UseNotes()
    noted(notes, *[Place(deployment.pk, label) for label in ("api", "ide")] * 50)
    noted(notes, Place(deployment.pk, "api"))
    assert writes == [{deployment.pk}]


def test_a_minute_later_it_is_written_again(deployment, writes, monkeypatch):
    notes = UseNotes()
    noted(notes, Place(deployment.pk, "api"))
    monkeypatch.setattr(use, "WRITTEN_EVERY_SECONDS", 0.0)
    noted(notes, Place(deployment.pk, "api"))
    assert writes == [{deployment.pk}] * 2


def test_looking_at_runs_is_no_use_of_what_made_them(deployment, writes):
    noted(UseNotes(), Place(deployment.pk, MLFLOW_LABEL))
    assert writes == []


def test_a_database_in_trouble_costs_nobody_their_page(deployment, monkeypatch):
    def fails(_ids: set) -> None:
        raise DatabaseError("locked")

    notes = UseNotes()
    monkeypatch.setattr(use.lifetimes, "touch", fails)
    noted(notes, Place(deployment.pk, "api"))
    assert notes._writing.exception() is None
