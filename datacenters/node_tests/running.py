"""Brings the open tests of one cluster a step further; each may be the last one of a watcher that is killed.

A job's id is the test's, so sending it again changes nothing. A few at a time, so that two hundred nodes are not
asked for room at once.
"""

import http.client
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from datacenters.interface import (
    Adapter,
    Endpoint,
    JobNotFound,
    JobRejected,
    JobState,
    JobStatus,
    NamespaceMissing,
    TokenRefused,
)
from datacenters.models import Cluster, Node
from datacenters.services import adapter_for

from .findings import Finding, ingress, known, told
from .job import NAMESPACE, job_id, jobs_of
from .look import MARK
from .models import OPEN, NodeTest, Outcome

AT_ONCE = 4
LONGEST, WAITS_AT_MOST = timedelta(minutes=10), timedelta(hours=1)
VISIT_SECONDS = 5
KEPT = 20  # of each node
ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED})


def turn(cluster: Cluster) -> None:
    """Raises DatacenterError if the cluster does not answer: the tests go on when it does."""
    rows = NodeTest.objects.filter(node__datacenter__cluster=cluster, outcome__in=OPEN)
    tests = list(rows.select_related("node__datacenter__cluster").order_by("asked"))
    running = [test for test in tests if test.outcome == Outcome.RUNNING]
    waiting = [test for test in tests if test.outcome == Outcome.WAITING]
    for test in waiting:
        if test.asked < timezone.now() - WAITS_AT_MOST:
            why = _("Its cluster did not answer for an hour, or had other machines to test.")
            _close(test, [Finding("job", None, why)])
    adapter = adapter_for(cluster)
    for test in running:
        _follow(adapter, test)
    for test in [one for one in waiting if one.is_open][: max(0, AT_ONCE - len(running))]:
        _send(adapter, test)


# ── Sending ──────────────────────────────────────────────────────────────────────────────────────


def _send(adapter: Adapter, test: NodeTest) -> None:
    findings = list(known(test.node))
    specs = list(jobs_of(test))
    if not test.node.ready:
        _close(test, [Finding("job", None, _("It takes no jobs now, so nothing was tried."))])
        return
    try:
        adapter.ensure_namespace(NAMESPACE)
        for spec in specs:
            adapter.submit(spec, {})
    except NamespaceMissing:
        text = _("The tests' namespace is missing. Its operator runs once: nomad namespace apply %s")
        _close(test, [*findings, Finding("job", None, text % NAMESPACE)])
    except TokenRefused as error:
        _close(test, [*findings, Finding("job", None, str(error))])
    except JobRejected as error:
        _close(test, [*findings, Finding("job", False, str(error))])
    else:
        test.outcome, test.sent = Outcome.RUNNING, timezone.now()
        test.parts = [spec.id.removeprefix(job_id(test, "")) for spec in specs]
        _keep(test, findings)


# ── Following ────────────────────────────────────────────────────────────────────────────────────


def _follow(adapter: Adapter, test: NodeTest) -> None:
    found: list[Finding] = []
    late = test.sent is None or test.sent < timezone.now() - LONGEST
    for part in list(test.parts):
        state = _state(adapter, test, part)
        if state and state.status is JobStatus.RUNNING and not test.answered:
            test.answered = _visits(state.endpoints, job_id(test, part)) if state.endpoints else test.answered
        if state is None or late or state.status in ENDED:
            found += _came_of(adapter, test, part, state)
            test.parts.remove(part)
            adapter.purge(job_id(test, part), NAMESPACE)
    _keep(test, found)


def _state(adapter: Adapter, test: NodeTest, part: str) -> JobState | None:
    try:
        return adapter.state(job_id(test, part), NAMESPACE)
    except JobNotFound:
        return None


def _came_of(adapter: Adapter, test: NodeTest, part: str, state: JobState | None) -> Iterator[Finding]:
    if state is None:
        yield Finding("job", None, _("Its job was removed in the datacenter before it had ended."))
    elif state.status is JobStatus.PENDING:
        yield Finding("job", None, _("It was not placed within ten minutes. %s") % _why(state))
    elif part == "container":
        yield _of_container(state)
    else:
        yield from _of_package(adapter, test, state)


def _of_container(state: JobState) -> Finding:
    image = settings.NODE_TEST_IMAGE
    if state.status is JobStatus.COMPLETED:
        return Finding("container", True, _("The image %s was fetched and ran.") % image)
    text = _("The image %(image)s did not run: %(why)s") % {"image": image, "why": _why(state)}
    return Finding("container", False, text)


def _of_package(adapter: Adapter, test: NodeTest, state: JobState) -> Iterator[Finding]:
    lines = _printed(adapter, state)
    if lines is None:
        yield Finding("job", False, _("It told nothing. %s") % _why(state))
        return
    yield from told(lines)
    yield ingress(test.answered)


def _printed(adapter: Adapter, state: JobState) -> Any:
    """What the program found, from its log; None if it came to nothing."""
    if not state.allocation_id:
        return None
    try:
        log = adapter.log(state.allocation_id, NAMESPACE, "main", "stdout").decode(errors="replace")
        line = next(line for line in log.splitlines() if line.startswith(MARK))
        return json.loads(line.removeprefix(MARK))
    except (JobNotFound, StopIteration, ValueError):
        return None


def _why(state: JobState) -> str:
    return state.reason.sentence if state.reason else _("It says no more.")


def _visits(endpoints: Sequence[Endpoint], word: str) -> bool:
    """Whether the node's port answers with the word that only this job knows."""
    visit = http.client.HTTPConnection(endpoints[0].host, endpoints[0].port, timeout=VISIT_SECONDS)
    try:
        visit.request("GET", f"/{word}")
        return visit.getresponse().read(len(word) + 1) == word.encode()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        visit.close()


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────


def _keep(test: NodeTest, findings: Sequence[Finding]) -> None:
    """Write the step down; without a job left it is the last one."""
    if not test.parts:
        _close(test, findings)
        return
    test.findings = [*test.findings, *map(asdict, findings)]
    test.save(update_fields=["outcome", "sent", "parts", "answered", "findings"])


def _close(test: NodeTest, findings: Sequence[Finding]) -> None:
    test.findings = [*test.findings, *map(asdict, findings)]
    test.outcome, test.ended = _outcome(test.findings), timezone.now()
    with transaction.atomic():
        test.save()
        if test.outcome != Outcome.NOT_TRIED:
            passed = test.outcome == Outcome.PASSED
            Node.objects.filter(pk=test.node_id).update(passed=passed, tested=test.ended)
        old = NodeTest.objects.filter(node=test.node_id).order_by("-asked").values_list("pk", flat=True)[KEPT:]
        NodeTest.objects.filter(pk__in=list(old)).delete()


def _outcome(findings: Sequence[dict[str, Any]]) -> Outcome:
    if any(one["ok"] is False for one in findings):
        return Outcome.FAILED
    untried = any(one["name"] == "job" and one["ok"] is None for one in findings)
    return Outcome.NOT_TRIED if untried else Outcome.PASSED
