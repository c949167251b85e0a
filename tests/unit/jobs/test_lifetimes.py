"""How long something runs: deadlines, warnings, extensions, and what counts as use."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import AuditEvent, Membership, Role
from datacenters.jobspec import JobKind
from jobs import activity, lifetimes, services, tools
from jobs.models import Deployment, Status, UsageSample
from jobs.refusals import NotPossibleNow
from tests.unit.tools.conftest import folder, ide, toy  # noqa: F401

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> "Clock":
    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock.now)
    return clock


class Clock:
    now = NOON

    def goes_to(self, now: datetime) -> None:
        self.now = now
        lifetimes.tick()


@pytest.fixture
def runs(site, digits, ask, ada):
    """Something of Ada's that runs since noon: ``runs(max_run_seconds=3600)``."""

    def make(asset: str = "digits", **request: object) -> Deployment:
        deployment = services.deploy(ask(asset, **request), owner=ada)
        Deployment.objects.filter(pk=deployment.pk).update(status=Status.RUNNING, started=NOON, allocation_id="a")
        lifetimes.tick()
        return seen(deployment)

    return make


def seen(deployment: Deployment) -> Deployment:
    return Deployment.objects.with_parts().get(pk=deployment.pk)


def verbs(deployment: Deployment) -> list[str]:
    return list(deployment.events.values_list("verb", flat=True))


# ── Deadlines ────────────────────────────────────────────────────────────────────────────────────
def test_what_may_run_for_two_hours_is_warned_and_then_stopped_with_the_reason(runs, clock):
    deployment = runs(max_run_seconds=7_200)
    assert deployment.deadline == NOON + 2 * HOUR
    clock.goes_to(NOON + 104 * MINUTE)
    assert "was warned" not in verbs(deployment)
    clock.goes_to(NOON + 105 * MINUTE)
    clock.goes_to(NOON + 106 * MINUTE)
    warning = deployment.events.get(verb="was warned")
    assert warning.sentence == "It stops at 14:00, in 15 min. Extend it to go on."
    assert seen(deployment).status == Status.RUNNING
    clock.goes_to(NOON + 2 * HOUR)
    stopped = seen(deployment)
    assert (stopped.status, stopped.wanted) == (Status.STOPPING, False)
    assert stopped.reason == "The time that it was to run is over."
    assert deployment.events.get(verb="stop requested").actor is None


def test_a_batch_says_how_long_was_allowed(runs, clock, ada):
    deployment = runs(kind=JobKind.BATCH, max_run_seconds=5_400)
    clock.goes_to(NOON + 2 * HOUR)
    assert seen(deployment).reason == "It ran longer than the 1 h 30 min that were allowed."


def test_a_batch_that_waits_for_its_next_attempt_is_stopped_too(runs, clock):
    deployment = runs(kind=JobKind.BATCH, max_run_seconds=60)
    Deployment.objects.update(status=Status.STARTING)
    clock.goes_to(NOON + HOUR)
    assert seen(deployment).status == Status.STOPPING


def test_what_never_answers_ends_too(site, digits, ask, ada, clock):
    deployment = services.deploy(ask(max_run_seconds=60), owner=ada)
    Deployment.objects.update(status=Status.STARTING, started=NOON)
    clock.goes_to(NOON + MINUTE)
    assert seen(deployment).status == Status.STOPPING


def test_what_has_no_time_runs_for_ever(runs, clock):
    deployment = runs()
    clock.goes_to(NOON + timedelta(days=400))
    assert seen(deployment).status == Status.RUNNING
    assert lifetimes.ending(seen(deployment)) is None


def test_nothing_is_stopped_while_its_datacenter_is_out_of_reach(runs, clock):
    deployment = runs(max_run_seconds=3_600)
    Deployment.objects.update(status=Status.UNKNOWN)
    clock.goes_to(NOON + 2 * HOUR)
    assert seen(deployment).status == Status.UNKNOWN
    Deployment.objects.update(status=Status.RUNNING)
    clock.goes_to(NOON + 2 * HOUR + MINUTE)
    assert seen(deployment).status == Status.STOPPING


def test_a_start_again_begins_with_a_new_clock(runs, clock, ada):
    deployment = runs(max_run_seconds=3_600)
    clock.goes_to(NOON + HOUR)
    Deployment.objects.update(status=Status.STOPPED)
    services.start(seen(deployment), ada)
    again = seen(deployment)
    assert (again.deadline, again.warned, again.last_active) == (None, None, None)


def test_rows_of_before_know_no_time(runs, clock):
    deployment = runs()
    old = {name: value for name, value in deployment.request.items() if "_seconds" not in name and "idle" not in name}
    Deployment.objects.update(request=old)
    clock.goes_to(NOON + 9 * HOUR)
    lifetimes.look_after(seen(deployment))
    assert seen(deployment).status == Status.RUNNING


# ── Longer ───────────────────────────────────────────────────────────────────────────────────────
def test_extending_puts_the_deadline_off_and_warns_anew(runs, clock, ada):
    deployment = runs(max_run_seconds=3_600)
    clock.goes_to(NOON + 50 * MINUTE)
    assert lifetimes.ending(seen(deployment)).is_near
    lifetimes.extend(seen(deployment), ada, minutes=60)
    assert seen(deployment).deadline == NOON + 2 * HOUR
    assert not lifetimes.ending(seen(deployment)).is_near
    assert AuditEvent.objects.filter(action="deployment.extended", actor=ada).exists()
    clock.goes_to(NOON + 110 * MINUTE)
    assert verbs(deployment).count("was warned") == 2
    clock.goes_to(NOON + 2 * HOUR)
    assert seen(deployment).status == Status.STOPPING


def test_an_extension_in_the_last_moment_wins_over_a_stop_that_was_worked_out_before(runs, clock, ada):
    stale = runs(max_run_seconds=3_600)
    clock.now = NOON + 61 * MINUTE
    lifetimes.extend(seen(stale), ada, minutes=60)
    for end in lifetimes._endings(stale):
        lifetimes._settle(stale, end, clock.now)
    assert seen(stale).status == Status.RUNNING


def test_what_ended_or_never_ends_cannot_be_extended(runs, ada):
    with pytest.raises(NotPossibleNow, match="no end that could be put off"):
        lifetimes.extend(runs(), ada, minutes=60)
    ended = runs(max_run_seconds=60)
    Deployment.objects.filter(pk=ended.pk).update(status=Status.STOPPED)
    with pytest.raises(NotPossibleNow, match="It does not run"):
        lifetimes.extend(seen(ended), ada, minutes=60)


def test_whoever_only_looks_extends_nothing(runs, eve, ada):
    deployment = runs(max_run_seconds=3_600)
    Membership.objects.create(project=deployment.project, user=eve, role=Role.VIEWER)
    with pytest.raises(PermissionDenied):
        lifetimes.extend(deployment, eve, minutes=60)


def test_a_site_may_say_how_long_an_environment_runs_at_most(runs, ide, ada, settings):  # noqa: F811
    settings.IDE_HOURS_MAX = 2
    lab = runs("ide", memory_mb=500, max_run_seconds=5_400)
    lifetimes.extend(lab, ada, minutes=600)
    assert seen(lab).deadline == NOON + 2 * HOUR
    with pytest.raises(NotPossibleNow, match="2 hours ahead"):
        lifetimes.extend(seen(lab), ada, minutes=60)
    module = runs(max_run_seconds=5_400)
    lifetimes.extend(module, ada, minutes=600)
    assert seen(module).deadline == NOON + 11.5 * HOUR


# ── Without use ──────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def lab(runs, ide, server) -> Deployment:  # noqa: F811
    """JupyterLab that ends after an hour without use."""
    deployment = runs("ide", memory_mb=500, idle_stop_minutes=60)
    tools.secrets_of(deployment)
    place = {"label": "ide", "host": "127.0.0.1", "port": server.server_port, "healthy": True}
    Deployment.objects.filter(pk=deployment.pk).update(endpoints=[place])
    server.token = tools.login(deployment, "ide").authorization.decode()
    return seen(deployment)


class Server(ThreadingHTTPServer):
    """What a JupyterLab says of itself."""

    state, last, status, token = "idle", NOON, 200, ""
    asked: tuple[str, ...] = ()


class Answers(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += (self.path,)
        allowed = self.headers["Authorization"] == self.server.token
        kernels = [{"execution_state": self.server.state}]
        body = {"last_activity": self.server.last.isoformat().replace("+00:00", "Z")}
        self.send_response(self.server.status if allowed else 403)
        self.end_headers()
        self.wfile.write(json.dumps(kernels if "kernels" in self.path else body).encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def look(deployment: Deployment, clock: Clock, now: datetime, cores: float | None = 0.0) -> Deployment:
    """What the watcher does: figures, then a look."""
    clock.now = now
    if cores is not None:
        sample = UsageSample(deployment=deployment, at=now, cpu_cores=cores, memory_bytes=1)
        lifetimes.note_usage([sample])
        sample.save()
    lifetimes.look_after(seen(deployment))
    return seen(deployment)


def measured(deployment: Deployment, clock: Clock, until: datetime) -> Deployment:
    """Figures of a server that only waits, without a gap."""
    now = clock.now
    while now < until:
        now = min(now + MINUTE, until)
        looked = look(deployment, clock, now)
    return looked


def test_an_environment_that_nobody_uses_for_an_hour_is_warned_and_stopped(lab, clock):
    assert measured(lab, clock, NOON + 46 * MINUTE).last_active == NOON
    assert "Keep it running" in lab.events.get(verb="was warned").sentence
    assert lifetimes.ending(seen(lab)).for_want_of_use
    assert measured(lab, clock, NOON + 59 * MINUTE).status == Status.RUNNING
    stopped = measured(lab, clock, NOON + HOUR)
    assert stopped.status == Status.STOPPING
    assert stopped.reason == "Nobody used it for 1 h."


def test_a_kernel_that_computes_is_use_though_no_browser_is_open(lab, clock, server):
    server.state = "busy"
    assert measured(lab, clock, NOON + 3 * HOUR).status == Status.RUNNING
    server.state, server.last = "idle", NOON + 3 * HOUR
    assert measured(lab, clock, NOON + 3.9 * HOUR).status == Status.RUNNING
    assert measured(lab, clock, NOON + 4 * HOUR + MINUTE).status == Status.STOPPING


def test_a_terminal_that_computes_in_silence_is_use(lab, clock):
    measured(lab, clock, NOON + 58 * MINUTE)
    assert look(lab, clock, NOON + 59 * MINUTE, cores=0.9).last_active == NOON + 59 * MINUTE
    assert measured(lab, clock, NOON + 100 * MINUTE).status == Status.RUNNING


def test_use_through_the_gateway_takes_a_warning_back(lab, clock):
    measured(lab, clock, NOON + 50 * MINUTE)
    assert lifetimes.ending(seen(lab)).is_near
    before = seen(lab).updated
    lifetimes.touch([lab.pk])
    assert not lifetimes.ending(seen(lab)).is_near
    assert seen(lab).updated > before  # so that open pages show it
    assert measured(lab, clock, NOON + 109 * MINUTE).status == Status.RUNNING


def test_use_is_written_at_most_once_a_minute(lab, clock, django_assert_num_queries):
    clock.now = NOON + 30 * MINUTE
    lifetimes.touch([lab.pk])
    clock.now += timedelta(seconds=30)
    lifetimes.touch([lab.pk])
    assert seen(lab).last_active == NOON + 30 * MINUTE
    lifetimes.touch([lab.pk], NOON)  # older news take nothing back
    assert seen(lab).last_active == NOON + 30 * MINUTE


@pytest.mark.parametrize("fault", ["refuses", "says nonsense", "is gone"])
def test_nothing_is_stopped_while_its_server_does_not_say(lab, clock, server, fault, monkeypatch):
    measured(lab, clock, NOON + 40 * MINUTE)
    if fault == "refuses":
        server.status = 500
    elif fault == "says nonsense":
        server.state = None
        monkeypatch.setattr(Server, "last", property(lambda _self: NotADate()))
    else:
        Deployment.objects.filter(pk=lab.pk).update(endpoints=[{**lab.endpoints[0], "port": 1}])
    assert measured(lab, clock, NOON + 3 * HOUR).status == Status.RUNNING


class NotADate:
    def isoformat(self) -> str:
        return "yesterday"


def test_nothing_is_stopped_while_nobody_measures_it(lab, clock):
    measured(lab, clock, NOON + 30 * MINUTE)
    for minutes in range(31, 120):
        assert look(lab, clock, NOON + minutes * MINUTE, cores=None).status == Status.RUNNING
    # Measured again: what it did meanwhile is not known, so its hour begins anew.
    assert look(lab, clock, NOON + 2 * HOUR).status == Status.RUNNING
    assert measured(lab, clock, NOON + 2.9 * HOUR).status == Status.RUNNING
    assert measured(lab, clock, NOON + 3 * HOUR).status == Status.STOPPING


def test_never_is_never(lab, clock):
    Deployment.objects.update(request={**lab.request, "idle_stop_minutes": None})
    assert measured(lab, clock, NOON + 2 * HOUR).status == Status.RUNNING


def test_keeping_it_running_counts_as_use(lab, clock, ada):
    measured(lab, clock, NOON + 50 * MINUTE)
    lifetimes.extend(seen(lab), ada, minutes=60)
    assert seen(lab).last_active == NOON + 50 * MINUTE
    assert seen(lab).deadline is None


def test_asking_is_no_use_of_its_own_and_shows_the_deployments_token(lab, server):
    assert activity.look(lab) == activity.Activity(busy=False, last=NOON)
    assert server.asked == ("/api/kernels?no_track_activity=1", "/api/status")
    server.token = "token of another"
    assert activity.look(lab) is None


def test_an_editors_heart_says_when_it_was_open_last(lab, server, monkeypatch):
    tool = tools.tool_of(lab.asset)
    port = replace(tool.ports[0], activity="code-server")
    monkeypatch.setattr("jobs.tools.port_of", lambda *_: port)
    beats = iter([{"lastHeartbeat": NOON.timestamp() * 1_000, "status": "expired"}, {"lastHeartbeat": 0}, ["no"]])
    monkeypatch.setattr("jobs.activity._get", lambda *_: next(beats))
    assert [activity.look(lab) for _ in range(3)] == [
        activity.Activity(last=NOON),
        activity.Activity(),
        None,
    ]
