"""What a datacenter says of a batch run: its attempts, how it ended, and since when it runs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from datacenters.interface import JobStatus, Reason, TaskState
from datacenters.jobspec import JobKind
from jobs import services
from jobs.models import Deployment, Status
from tests.unit.jobs.test_projection import tell

AGAIN = Reason("The program ended with exit code 3 and starts again in 5 s.")


@pytest.fixture
def training(site, digits, ask, ada) -> Deployment:
    row = services.deploy(ask(kind=JobKind.BATCH, retries=2, max_run_seconds=3_600), owner=ada)
    Deployment.objects.update(status=Status.PENDING, attempts=1, submitted=timezone.now())
    row.refresh_from_db()
    return row


def main(state: str, **more: object) -> dict[str, tuple[TaskState, ...]]:
    return {"tasks": (TaskState("packages", "dead", exit_code=0), TaskState("main", state, **more))}


def test_the_time_counts_from_when_it_began_also_if_nobody_looked(training):
    began = timezone.now() - timedelta(hours=5)
    Deployment.objects.update(submitted=began - timedelta(minutes=1))
    tell(training, JobStatus.RUNNING, 1, **main("running", started=began))
    assert (training.started, training.deadline) == (began, began + timedelta(hours=1))


def test_a_clock_that_is_behind_gives_no_time_before_it_was_sent(training):
    tell(training, JobStatus.RUNNING, 1, **main("running", started=timezone.now() - timedelta(hours=5)))
    assert training.started == training.submitted


def test_a_clock_that_is_ahead_gives_no_time_that_is_to_come(training):
    tell(training, JobStatus.RUNNING, 1, **main("running", started=timezone.now() + timedelta(hours=5)))
    assert training.started <= timezone.now()


def test_each_attempt_is_told_and_all_share_the_time(training):
    tell(training, JobStatus.RUNNING, 1, **main("running", started=timezone.now()))
    deadline = training.deadline
    tell(training, JobStatus.STARTING, 2, reason=AGAIN, **main("pending", restarts=1, exit_code=3))
    tell(training, JobStatus.RUNNING, 3, **main("running", restarts=1, started=timezone.now()))
    tell(training, JobStatus.RUNNING, 4, **main("running", restarts=2))  # the one between was missed
    assert (training.restarts, training.exit_code, training.deadline) == (2, None, deadline)
    told = list(training.events.filter(verb="tried again").values_list("sentence", flat=True))
    assert told == [AGAIN.sentence, "It failed and is tried again."]


@pytest.mark.parametrize(("status", "code"), [(JobStatus.COMPLETED, 0), (JobStatus.FAILED, 7)])
def test_how_it_ended_is_kept_and_forgotten_with_the_next_start(training, ada, status, code):
    tell(training, status, 1, **main("dead", exit_code=code))
    assert training.exit_code == code
    services.start(training, ada)
    assert (training.exit_code, training.restarts, training.deadline) == (None, 0, None)


def test_the_run_of_an_attempt_that_failed_is_not_taken_for_that_of_the_whole(training):
    Deployment.objects.update(run_id="of-the-first-attempt")
    tell(training, JobStatus.COMPLETED, 1, **main("dead", exit_code=0, restarts=1))
    assert (training.restarts, training.run_id) == (1, "")


def test_without_a_second_attempt_the_run_stays(training):
    Deployment.objects.update(run_id="the-one")
    tell(training, JobStatus.COMPLETED, 1, **main("dead", exit_code=0))
    assert training.run_id == "the-one"
