"""Why a program failed, from what it wrote at its end."""

import uuid

import pytest

from datacenters.interface import JobState, JobStatus, Reason, TaskState
from jobs import archive, explanations
from jobs.models import Deployment
from tests.unit.jobs.test_archive import Site

LOGGED = "2026-11-21 19:08:07.267 15857 {} \x1b[00m\n"
ENDED = "The program ended with exit code 1."


def why(*lines: str) -> str:
    place, job = Site(), Deployment(pk=uuid.uuid4())
    place.writes("".join(LOGGED.format(line) for line in lines))
    failed = JobState(
        job.job_id,
        "ada",
        JobStatus.FAILED,
        1,
        allocation_id="a1",
        tasks=(TaskState("main", "dead", failed=True),),
        reason=Reason(ENDED, evidence={"exit_code": 1}),
    )
    archive.keep(place, job.pk, failed)
    reason = explanations.explained(job, failed).reason
    assert reason
    return reason.sentence


def test_what_is_wrong_with_an_argument_is_told_in_the_modules_own_words():
    said = why(
        "ERROR deepaas-cli     raise folder.wrong(text)",
        "ERROR deepaas-cli digits_classifier.guard.BadInput: data_folder: a.csv, line 3: there are 64 columns.",
        "ERROR deepaas-cli",
    )
    assert said == "The program ended with exit code 1: data_folder: a.csv, line 3: there are 64 columns."


@pytest.mark.parametrize("line", ["ERROR deepaas-cli ValueError: no weights", "ERROR x my.ValueError: no weights"])
def test_other_errors_are_told_with_their_names(line):
    assert why(line) == "The program ended with exit code 1: ValueError: no weights."
