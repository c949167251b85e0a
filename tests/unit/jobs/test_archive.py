"""Logs that outlive their jobs, whatever the datacenter drops in between."""

import asyncio
import uuid

import pytest
from asgiref.sync import sync_to_async

from datacenters.interface import JobState, JobStatus, TaskState
from jobs import archive, explanations
from jobs.models import Deployment, Status


class Site:
    """Keeps the newest bytes of each stream, as a datacenter does; offsets count inside what is kept."""

    def __init__(self, keeps: int = 10_000_000) -> None:
        self.keeps, self.streams, self.calls = keeps, {}, 0

    def writes(self, text: str, task: str = "main", stream: str = "stdout", allocation: str = "a1") -> None:
        key = (allocation, task, stream)
        self.streams[key] = (self.streams.get(key, b"") + text.encode())[-self.keeps :]

    def log(self, allocation_id, namespace, task, stream, offset=0):
        self.calls += 1
        return self.streams.get((allocation_id, task, stream), b"")[offset:]


@pytest.fixture
def place():
    return Site()


@pytest.fixture
def job() -> Deployment:
    return Deployment(pk=uuid.uuid4())


def state(job, allocation="a1", *tasks):
    named = tasks or (TaskState("main", "running"),)
    return JobState(job.job_id, "ada", JobStatus.RUNNING, 1, allocation_id=allocation, tasks=named)


def test_only_what_is_new_is_copied(place, job):
    place.writes("one\n")
    assert archive.keep(place, job.pk, state(job)) == 4
    assert archive.keep(place, job.pk, state(job)) == 0
    place.writes("two\n")
    assert archive.keep(place, job.pk, state(job)) == 4
    assert archive.read(job, "main", "stdout") == b"one\ntwo\n"
    assert archive.read(job, "main", "stdout", tail=1) == b"two\n"
    assert archive.tasks(job) == ["main"]


def test_nothing_is_lost_when_the_datacenter_drops_its_oldest_lines(job):
    place = Site(keeps=2_000)
    for number in range(300):
        place.writes(f"line number {number:06d}\n")
        if number % 20 == 0:
            archive.keep(place, job.pk, state(job))
    archive.keep(place, job.pk, state(job))
    lines = archive.read(job, "main", "stdout").decode().splitlines()
    assert lines == [f"line number {number:06d}" for number in range(300)]


def test_a_gap_that_nobody_saw_is_said_to_be_one(job):
    place = Site(keeps=2_000)
    place.writes("first\n" * 10)
    archive.keep(place, job.pk, state(job))
    place.writes("".join(f"later {number}\n" for number in range(1_000)))
    archive.keep(place, job.pk, state(job))
    text = archive.read(job, "main", "stdout").decode()
    assert text.startswith("first\n")
    assert "Serai did not see" in text
    assert text.endswith("later 999\n")


def test_another_start_goes_on_in_the_same_log(place, job):
    place.writes("first life\n")
    archive.keep(place, job.pk, state(job))
    place.writes("second life\n", allocation="a2")
    archive.keep(place, job.pk, state(job, "a2"))
    text = archive.read(job, "main", "stdout").decode()
    assert text.index("first life") < text.index("started again") < text.index("second life")


def test_a_keeper_that_was_killed_between_two_steps_doubles_nothing(place, job):
    place.writes("x" * 600 + "one\n")
    archive.keep(place, job.pk, state(job))
    before = (archive.folder(job.pk) / ".offsets").read_text()
    place.writes("two\n")
    archive.keep(place, job.pk, state(job))
    (archive.folder(job.pk) / ".offsets").write_text(before)  # it had written the log, not yet the offset
    archive.keep(place, job.pk, state(job))
    assert archive.read(job, "main", "stdout").decode().endswith("xone\ntwo\n")
    assert archive.read(job, "main", "stdout").count(b"two") == 1


def test_a_huge_log_keeps_its_newest_end(place, job, monkeypatch):
    monkeypatch.setattr(archive, "PIECE_BYTES", 1_000)
    for number in range(500):
        place.writes(f"line {number:06d}\n")
        archive.keep(place, job.pk, state(job))
    text = archive.read(job, "main", "stdout").decode()
    assert 1_000 <= len(text) <= 2_000
    assert text.endswith("line 000499\n")
    assert text.splitlines() == [f"line {number:06d}" for number in range(500 - len(text.splitlines()), 500)]


def test_a_task_that_has_not_started_is_not_asked_for(place, job):
    archive.keep(place, job.pk, state(job, "a1", TaskState("main", "pending")))
    assert place.calls == 0


@pytest.mark.parametrize("task", ["../../db.sqlite3", "..", "a/b", "", "main\x00"])
def test_no_name_of_a_task_leads_out_of_the_folder(job, task):
    assert archive.read(job, task, "stdout") == b""
    with pytest.raises(ValueError, match="no log"):
        archive.path(job, task, "stdout")


def test_what_was_never_written_is_empty(job):
    assert archive.read(job, "main", "stdout") == b""
    assert archive.tasks(job) == []


@pytest.mark.django_db(transaction=True)
def test_a_viewer_sees_what_is_written_until_the_job_ends_and_asks_no_datacenter(place, deployed, monkeypatch):
    monkeypatch.setattr(archive, "FOLLOW_SECONDS", 0.02)
    monkeypatch.setattr(archive, "PIECE_BYTES", 200)
    place.writes("".join(f"old {number}\n" for number in range(5)))
    archive.keep(place, deployed.pk, state(deployed))
    Deployment.objects.update(status=Status.RUNNING)

    async def watch() -> bytes:
        seen = b""
        writing = asyncio.create_task(write())
        async for chunk in archive.follow(deployed, "main", "stdout", tail=2):
            seen += chunk
        await writing
        return seen

    async def write() -> None:
        for number in range(60):
            await asyncio.sleep(0.03)
            place.writes(f"new {number}\n")
            await sync_to_async(archive.keep)(place, deployed.pk, state(deployed))
        await sync_to_async(Deployment.objects.update)(status=Status.STOPPED)

    seen = asyncio.run(watch()).decode()
    assert seen == "old 3\nold 4\n" + "".join(f"new {number}\n" for number in range(60))
    assert archive.is_watched(deployed.pk)


def test_the_result_is_what_stands_between_the_marks(place, job):
    place.writes('epoch 1\n\n=== result of the training ===\n{"accuracy": 0.9}\n=== end of the result ===\n')
    archive.keep(place, job.pk, state(job))
    assert explanations.result(job) == {"accuracy": 0.9}


def test_a_training_without_result_has_none(place, job):
    place.writes('=== result of the training ===\n{"accur')
    archive.keep(place, job.pk, state(job))
    assert explanations.result(job) is None
