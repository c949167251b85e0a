"""How full a datacenter was: written every five minutes, thinned with age, drawn and told by REST."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from datacenters.models import Cluster, Datacenter, DatacenterSample
from datacenters.samples import FINE, HOURLY, slot, thin
from jobs import statistics
from jobs.models import Deployment, Status

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 2, 30, tzinfo=UTC)
EMPTY = dict.fromkeys(
    ("cpu_cores", "used_cpu_cores", "memory_mb", "used_memory_mb", "disk_mb", "used_disk_mb", "used_gpus", "queued"), 0
)


def samples(site, *moments, minutes=FINE, gpus=0.0):
    rows = [DatacenterSample(datacenter=site, at=at, minutes=minutes, gpus=gpus, **EMPTY) for at in moments]
    DatacenterSample.objects.bulk_create(rows)


def test_what_is_used_is_written_down_once_in_five_minutes(site, node, running):
    Deployment.objects.filter(pk=running.pk).update(status=Status.QUEUED)
    assert statistics.turn(NOON) == 1
    assert statistics.turn(NOON + timedelta(minutes=1)) == 0
    sample = DatacenterSample.objects.get()
    assert sample.at == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert (sample.cpu_cores, sample.used_cpu_cores) == (4, 1.5)
    assert (sample.memory_mb, sample.used_memory_mb) == (8_000, 2_300)
    assert (sample.gpus, sample.used_gpus, sample.queued) == (2, 1, 1)
    assert statistics.turn(NOON + timedelta(minutes=5)) == 1


def test_of_a_silent_cluster_nobody_knows_how_full_it_is(site, node):
    Cluster.objects.update(unreachable_since=timezone.now())
    assert statistics.turn(NOON) == 0
    Cluster.objects.update(unreachable_since=None)
    node.status = "down"
    node.save()
    assert statistics.turn(NOON) == 1
    assert DatacenterSample.objects.get().cpu_cores == 0


def test_fifty_datacenters_take_a_few_queries(site, django_assert_max_num_queries):
    for number in range(50):
        Datacenter.objects.create(name=f"d{number}", cluster=site.cluster, nomad_name=f"d{number}")
    with django_assert_max_num_queries(12):
        assert statistics.turn(NOON) == 51


def test_two_watchers_write_one_row(site):
    samples(site, slot(NOON))
    rows = [DatacenterSample(datacenter=site, at=slot(NOON), gpus=0, **EMPTY)]
    DatacenterSample.objects.bulk_create(rows, ignore_conflicts=True)
    assert DatacenterSample.objects.count() == 1


def test_old_rows_become_means_of_an_hour_and_very_old_ones_go(site):
    old = NOON.replace(hour=9, minute=0) - timedelta(days=2)
    for number in range(12):
        samples(site, old + number * timedelta(minutes=5), gpus=number)
    samples(site, NOON - timedelta(hours=1), gpus=7)
    samples(site, NOON - timedelta(days=91), minutes=HOURLY)
    thin(NOON)
    kept = DatacenterSample.objects.order_by("at").values_list("minutes", "gpus")
    assert list(kept) == [(HOURLY, 5.5), (FINE, 7)]
    thin(NOON)
    assert DatacenterSample.objects.count() == 2


def test_however_long_it_goes_on_the_table_stays_small(site):
    """A hundred days at five minutes, thinned at each day's end."""
    start = NOON.replace(minute=0, second=0)
    for day in range(100):
        at = start + timedelta(days=day)
        samples(site, *(at + number * timedelta(minutes=5) for number in range(288)))
        thin(at + timedelta(days=1))
    per_day = 288 * 3 + 24 * 91
    assert DatacenterSample.objects.count() <= per_day


def test_the_page_draws_it_and_says_it_in_numbers(site, node, read, client, eve):
    assert "first figures come within five minutes" in read("eve", "/datacenters/ifca/")
    statistics.turn()
    page = read("eve", "/datacenters/ifca/?span=week")
    assert 'data-statistics="/datacenters/ifca/statistics.json?span=week"' in page
    assert "CPU cores used" in page
    client.force_login(eve)
    found = client.get("/datacenters/ifca/statistics.json?span=week").json()
    assert len(found["times"]) == 1
    assert found["lines"][0] == {"title": "CPU cores used", "used": [1.5], "total": [4]}


def test_by_rest_each_amount_is_a_column(site, node, client, bearer, eve):
    statistics.turn()
    samples(site, timezone.now() - timedelta(hours=30))
    headers = bearer(eve)
    found = client.get("/api/v1/datacenters/ifca/statistics", headers=headers).json()
    assert (len(found["times"]), found["used_cpu_cores"], found["gpus"]) == (1, [1.5], [2])
    assert len(client.get("/api/v1/datacenters/ifca/statistics?hours=48", headers=headers).json()["times"]) == 2
    assert client.get("/api/v1/datacenters/ifca/statistics?hours=0", headers=headers).status_code == 422
