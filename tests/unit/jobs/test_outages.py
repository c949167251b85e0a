"""A cluster that the watcher finds away again and again costs nobody's time, and what waits goes on when it is back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from datacenters.interface import TokenRefused, Unreachable
from datacenters.models import Cluster
from datacenters.services import note_reached, note_unreachable
from jobs import cleaning, heartbeat, outages, reconciling, services, submission
from jobs.models import Deployment, Status
from tests.unit.datacenters.border import a_border, says


@pytest.fixture
def away(site):
    """The site behind a border that would answer, were it asked; the watcher found it silent a minute ago."""
    with a_border() as border:
        border.otherwise = says(500, "No cluster leader")
        found_silent(site.cluster, Unreachable("The cluster did not answer in time."), border.address)
        heartbeat.beat("watcher")
        yield border


def found_silent(cluster, error, address, since=timedelta(minutes=1)):
    note_unreachable(cluster, error)
    Cluster.objects.update(address=address, unreachable_since=timezone.now() - since)


def test_nothing_is_sent_to_it_and_the_reason_is_said(away, deployed):
    submission.submit(deployed.pk)
    deployed.refresh_from_db()
    assert deployed.status == Status.QUEUED
    assert deployed.reason == "ifca does not answer, so this has not been sent yet. It is tried again by itself."
    assert deployed.evidence["error"] == "The cluster did not answer in time."
    assert away.asked == []


def test_a_refused_token_is_told_as_such(away, deployed):
    found_silent(Cluster.objects.get(), TokenRefused("It refuses Serai's token."), away.address)
    submission.submit(deployed.pk)
    deployed.refresh_from_db()
    assert deployed.reason.startswith("ifca refuses Serai's token")
    assert away.asked == []


def test_it_is_neither_compared_nor_told_to_stop_or_to_forget(away, deployed, ada):
    Deployment.objects.update(status=Status.RUNNING, submitted=timezone.now())
    deployed.refresh_from_db()
    services.stop(deployed, ada)
    submission.withdraw(deployed.pk)
    reconciling.reconcile()
    deployed.refresh_from_db()
    assert deployed.reason == "ifca does not answer; it is told to stop this as soon as it does."
    Deployment.objects.update(status=Status.STOPPED, deleted=timezone.now() - timedelta(hours=1))
    cleaning.forget_deleted()
    deployed.refresh_from_db()
    assert deployed.purged is None
    assert away.asked == []


@pytest.mark.parametrize("nobody_watches", [True, False])
def test_a_moment_of_trouble_or_a_site_without_a_watcher_is_no_outage(
    away, deployed, settings, tmp_path, nobody_watches
):
    if nobody_watches:
        settings.SERAI_DATA = tmp_path / "without"
        settings.SERAI_DATA.mkdir()
    else:
        found_silent(Cluster.objects.get(), Unreachable("It broke off."), away.address, since=timedelta(seconds=5))
    submission.submit(deployed.pk)
    assert away.asked


def test_what_waited_is_due_as_soon_as_it_is_back(away, deployed):
    submission.submit(deployed.pk)
    assert not Deployment.objects.due().exists()
    note_reached(Cluster.objects.get(), "2.0.6")
    outages.over(Cluster.objects.get())
    assert list(Deployment.objects.due()) == [deployed]


def test_what_was_to_stop_is_told_as_soon_as_it_is_back(away, deployed, ada):
    Deployment.objects.update(status=Status.RUNNING, submitted=timezone.now())
    deployed.refresh_from_db()
    services.stop(deployed, ada)
    submission.withdraw(deployed.pk)
    assert not Deployment.objects.to_withdraw().exists()
    outages.over(Cluster.objects.get())
    assert list(Deployment.objects.to_withdraw()) == [deployed]


def test_what_its_owner_was_told_to_wait_for_is_not_rushed(site, deployed):
    Deployment.objects.update(not_before=timezone.now() + timedelta(hours=1))
    outages.over(site.cluster)
    assert not Deployment.objects.due().exists()
