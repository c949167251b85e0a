"""How much carbon a datacenter's electricity stands for: what its operator says, and what a service measures."""

import json
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.utils import timezone

from datacenters import carbon
from datacenters.carbon import service
from datacenters.models import CarbonReading, Cluster, Datacenter, Footprint
from datacenters.services import capacities

pytestmark = pytest.mark.django_db


@pytest.fixture
def ifca() -> Datacenter:
    cluster = Cluster.objects.create(name="ifca", address="http://127.0.0.1:1", reached=timezone.now())
    return Datacenter.objects.create(
        name="ifca", cluster=cluster, nomad_name="ifca", latitude=43.5, longitude=-3.8, offers_packages=True
    )


@pytest.fixture
def wattnet(settings):
    """A service that answers what ``wattnet.says`` is; ``asked`` holds paths and tokens."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.path, self.headers["Authorization"]))
            self.send_response(server.status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(server.says if isinstance(server.says, bytes) else json.dumps(server.says).encode())

        def log_message(self, *_words: object) -> None:
            """The test's own output stays readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.asked, server.status, server.says = [], 200, {}
    settings.CARBON_URL = f"http://127.0.0.1:{server.server_port}/footprints?lat={{latitude}}&lon={{longitude}}"
    settings.SERAI_TRUSTED_HOSTS = ["127.0.0.1"]
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def measured(place: Datacenter) -> Footprint:
    return Footprint.objects.create(datacenter=place, country="ES", pue=1.2, carbon_source="service")


def figures():
    return capacities()[0].footprint


def test_without_a_word_of_its_operator_nothing_is_known(ifca):
    assert figures().grams_per_kwh_of_work is None


def test_an_operators_own_figure_counts_with_the_buildings_share(ifca):
    Footprint.objects.create(datacenter=ifca, pue=1.5, carbon_source="constant", carbon_grams=200)
    assert figures().grams_per_kwh_of_work == 300
    assert figures().measured is None


@pytest.mark.parametrize(
    "answer",
    [
        {"carbon": 91.5, "datetime": "{now}"},
        [{"time": "2020-01-01T00:00:00Z", "carbon": 400}, {"time": "{now}", "carbon": 91.5}],
        {"footprints": {"carbon": [["2020-01-01T00:00:00Z", 400], ["{now}", 91.5], ["2099-01-01T00:00:00Z", 7]]}},
    ],
)
def test_the_newest_measurement_of_a_service_counts_however_it_is_wrapped(ifca, wattnet, settings, answer):
    settings.CARBON_TOKEN = "of-ours"
    wattnet.says = json.loads(json.dumps(answer).replace("{now}", timezone.now().isoformat()))
    measured(ifca)
    carbon.fetch_all()
    assert wattnet.asked == [("/footprints?lat=43.5&lon=-3.8", "Bearer of-ours")]
    assert figures().grams_per_kwh == 91.5
    assert figures().source == "127.0.0.1"
    assert figures().measured is not None
    assert [grams for _at, grams in carbon.recent(ifca)] == [91.5]


@pytest.mark.parametrize(
    ("status", "says", "sentence"),
    [
        (500, {}, "127.0.0.1 did not answer: HTTPError."),
        (302, b"", "127.0.0.1 answers no JSON."),
        (200, b"[" * 900_000, "127.0.0.1 answers no JSON."),
        (200, b"<html>", "127.0.0.1 answers no JSON."),
        (200, [], "127.0.0.1 answers, but with no figure that Serai understands."),
        (200, {"carbon": -3, "time": "2026-01-01T00:00:00Z"}, "with no figure that Serai understands."),
        (200, {"carbon": True, "time": "2026-01-01T00:00:00Z"}, "with no figure that Serai understands."),
        (200, {"carbon": 4, "time": "2026-13-45T99:00:00Z"}, "with no figure that Serai understands."),
        (200, b"[" * 2_000_000, "127.0.0.1 did not answer: Timeout."),
    ],
)
def test_a_service_without_a_usable_answer_is_told_and_older_figures_stay(ifca, wattnet, status, says, sentence):
    earlier = CarbonReading.objects.create(datacenter=ifca, grams_per_kwh=80, source="WattNet")
    wattnet.status, wattnet.says = status, says
    footprint = measured(ifca)
    carbon.fetch_all()
    footprint.refresh_from_db()
    assert sentence in footprint.problem
    assert list(CarbonReading.objects.all()) == [earlier]
    assert figures().grams_per_kwh == 80


def test_a_service_in_a_private_network_is_only_asked_where_whoever_runs_serai_trusts_it(ifca, wattnet, settings):
    settings.SERAI_TRUSTED_HOSTS = []
    footprint = measured(ifca)
    carbon.fetch_all()
    footprint.refresh_from_db()
    assert "private network" in footprint.problem
    assert wattnet.asked == []


def test_a_service_that_is_slow_is_given_up(ifca, wattnet, settings, monkeypatch):
    monkeypatch.setattr(service, "SECONDS", 0)
    footprint = measured(ifca)
    carbon.fetch_all()
    footprint.refresh_from_db()
    assert footprint.problem == "127.0.0.1 did not answer: Timeout."


def test_a_datacenter_without_a_place_cannot_be_asked_for(ifca, wattnet):
    Datacenter.objects.update(latitude=None, longitude=None)
    footprint = measured(ifca)
    carbon.fetch_all()
    footprint.refresh_from_db()
    assert footprint.problem == "The service wants to know where it is. Missing: latitude, longitude."


def test_one_that_does_not_answer_keeps_no_other_from_being_asked(ifca, settings):
    settings.CARBON_URL = ""
    second = Datacenter.objects.create(name="upc", cluster=ifca.cluster, nomad_name="upc")
    measured(ifca)
    Footprint.objects.create(datacenter=second, carbon_source="constant", carbon_grams=10)
    carbon.fetch_all()
    assert [reading.datacenter for reading in CarbonReading.objects.all()] == [second]


def test_old_measurements_say_nothing_of_now_and_go_in_the_end(ifca):
    measured(ifca)
    now = timezone.now()
    for age in (timedelta(hours=4), timedelta(hours=30), timedelta(days=9)):
        CarbonReading.objects.create(datacenter=ifca, at=now - age, grams_per_kwh=50, source="WattNet")
    assert figures().grams_per_kwh is None
    assert len(carbon.recent(ifca)) == 1
    carbon.fetch_all()
    assert CarbonReading.objects.count() == 2


def test_a_clock_without_a_time_zone_is_read_as_utc():
    (reading,) = service._readings([{"time": "2026-05-01T12:00:00", "carbon": 5}], "WattNet")
    assert reading.at == datetime(2026, 5, 1, 12, tzinfo=UTC)
