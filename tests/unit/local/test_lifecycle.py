"""The order of tasks and the restart policy, as pure functions."""

import pytest

from datacenters.local.lifecycle import Decision, client_status, decide, duration, may_start, verdict
from datacenters.local.supervise import Ending
from datacenters.local.task_events import new_state

SECOND = 1_000_000_000
WELL, BADLY, NEVER = Ending(), Ending(code=1), Ending(code=-1, never_began=True)


def task(name, hook=None, *, sidecar=False, attempts=0, mode="fail"):
    policy = {"Attempts": attempts, "Delay": SECOND, "Interval": 60 * SECOND, "Mode": mode}
    lifecycle = {"Hook": hook, "Sidecar": sidecar} if hook else None
    return {"Name": name, "Lifecycle": lifecycle, "RestartPolicy": policy}


GROUP = [
    task("wait", "prestart"),
    task("mount", "prestart", sidecar=True),
    task("main"),
    task("ui", "poststart", sidecar=True),
    task("clean", "poststop"),
]
PENDING = new_state()
RUNNING = {**PENDING, "State": "running", "StartedAt": "t"}
DONE = {**RUNNING, "State": "dead"}
FAILED = {**DONE, "Failed": True}


def states(*of):
    return dict(zip(("wait", "mount", "main", "ui", "clean"), of, strict=True))


@pytest.mark.parametrize(
    ("now", "names"),
    [
        (states(PENDING, PENDING, PENDING, PENDING, PENDING), {"wait", "mount"}),
        (states(RUNNING, RUNNING, PENDING, PENDING, PENDING), {"wait", "mount"}),
        (states(DONE, PENDING, PENDING, PENDING, PENDING), {"wait", "mount"}),
        (states(DONE, RUNNING, PENDING, PENDING, PENDING), {"wait", "mount", "main"}),
        (states(FAILED, RUNNING, PENDING, PENDING, PENDING), {"wait", "mount"}),
        (states(DONE, RUNNING, RUNNING, PENDING, PENDING), {"wait", "mount", "main", "ui"}),
        (states(DONE, DONE, DONE, DONE, PENDING), {"wait", "mount", "main", "ui", "clean"}),
    ],
)
def test_whose_turn_it_is(now, names):
    assert may_start(GROUP, now) == names


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (states(PENDING, PENDING, PENDING, PENDING, PENDING), None),
        (states(DONE, RUNNING, RUNNING, RUNNING, PENDING), None),
        (states(DONE, RUNNING, DONE, RUNNING, PENDING), "Main Tasks Dead"),
        (states(FAILED, RUNNING, PENDING, PENDING, PENDING), "Sibling Task Failed"),
        (states(DONE, FAILED, RUNNING, RUNNING, PENDING), "Sibling Task Failed"),
        (states(DONE, DONE, DONE, DONE, PENDING), None),
        (states(DONE, DONE, FAILED, DONE, FAILED), None),
    ],
)
def test_when_the_others_must_end(now, kind):
    found = verdict(GROUP, now)
    assert (found.type if found else None) == kind


@pytest.mark.parametrize(
    ("now", "status"),
    [
        ((PENDING, PENDING), "pending"),
        ((RUNNING, PENDING), "running"),
        ((DONE, PENDING), "pending"),
        ((DONE, DONE), "complete"),
        ((FAILED, RUNNING), "failed"),
    ],
)
def test_what_an_allocation_is_called(now, status):
    assert client_status(dict(enumerate(now)))[0] == status


@pytest.mark.parametrize(
    ("one", "kind", "ending", "count", "decision"),
    [
        (task("main"), "batch", WELL, 1, Decision(None)),
        (task("main"), "service", WELL, 1, Decision(None, failed=True, reason="Policy allows no restarts")),
        (task("main"), "batch", BADLY, 1, Decision(None, failed=True, reason="Policy allows no restarts")),
        (task("x", "prestart"), "service", WELL, 1, Decision(None)),
        (task("x", "poststop"), "service", WELL, 1, Decision(None)),
        (
            task("main", attempts=2),
            "service",
            BADLY,
            3,
            Decision(None, failed=True, reason='Exceeded allowed attempts 2 in interval 1m0s and mode is "fail"'),
        ),
        (task("main", attempts=2), "batch", NEVER, 1, Decision(None, failed=True, reason="Error was unrecoverable")),
        (
            task("main", attempts=1, mode="delay"),
            "service",
            BADLY,
            2,
            Decision(60.0, reason="Exceeded allowed attempts, applying a delay"),
        ),
    ],
)
def test_what_follows_an_end(one, kind, ending, count, decision):
    assert decide(one, kind, ending, count) == decision


@pytest.mark.parametrize("one", [task("main", attempts=1), task("m", "prestart", sidecar=True, attempts=1)])
def test_a_service_and_a_sidecar_are_started_again_within_the_policy(one):
    again = decide(one, "service", WELL, 1)
    assert again.again_after is not None
    assert 1 <= again.again_after <= 1.25


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (5 * SECOND, "5s"),
        (3_309_587_831, "3.309587831s"),
        (90 * SECOND, "1m30s"),
        (1_800 * SECOND, "30m0s"),
        (24 * 3_600 * SECOND, "24h0m0s"),
    ],
)
def test_durations_are_written_as_nomad_does(nanoseconds, text):
    assert duration(nanoseconds) == text
