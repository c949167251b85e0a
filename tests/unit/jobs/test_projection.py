"""What a datacenter says, taken over: only newer news, only what changed, nothing that failed vanishes."""

import pytest
from django.utils import timezone

from datacenters.interface import Endpoint, JobState, JobStatus, Reason, Stage
from jobs import health, projection, services
from jobs.health import Health
from jobs.models import Deployment, Status

ALLOCATION = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"


@pytest.fixture
def sent(deployed) -> Deployment:
    Deployment.objects.update(status=Status.PENDING, attempts=1, job_index=10, submitted=timezone.now())
    deployed.refresh_from_db()
    return deployed


def tell(deployment, status, index, **more):
    """The datacenter says this; whether it was news."""
    placed = status not in (JobStatus.PENDING, JobStatus.STOPPED)
    values = {"allocation_id": ALLOCATION if placed else None} | more
    state = JobState(deployment.job_id, deployment.namespace, status, index, **values)
    news = projection.apply(deployment.pk, state)
    deployment.refresh_from_db()
    return news


def running(deployment, index, **more):
    return tell(deployment, JobStatus.RUNNING, index, endpoints=(Endpoint("api", "127.0.0.1", 20_001),), **more)


def verbs(deployment):
    return list(deployment.events.values_list("verb", flat=True))[1:]


def answers(deployment):
    health.note(deployment, Health(True))
    deployment.refresh_from_db()


def test_a_service_runs_only_once_it_has_answered(sent):
    tell(sent, JobStatus.STARTING, 11, stage=Stage.PACKAGES)
    assert (sent.status, sent.stage) == (Status.STARTING, "packages")
    running(sent, 12)
    assert (sent.status, sent.stage) == (Status.STARTING, "health")
    assert sent.endpoints == [{"label": "api", "host": "127.0.0.1", "port": 20_001, "healthy": False}]
    answers(sent)
    assert (sent.status, sent.healthy) == (Status.RUNNING, True)
    assert sent.endpoints[0]["healthy"]
    assert verbs(sent) == ["placed", "began fetching packages", "launched", "became ready"]


def test_a_training_runs_once_its_program_started(site, digits, ask, ada):
    training = services.deploy(ask(kind="batch"), owner=ada)
    Deployment.objects.update(status=Status.PENDING)
    tell(training, JobStatus.RUNNING, 1)
    assert training.status == Status.RUNNING
    assert training.started
    tell(training, JobStatus.COMPLETED, 2)
    assert training.status == Status.COMPLETED
    assert training.ended


def test_older_news_and_the_same_again_change_nothing(sent):
    running(sent, 12)
    before = list(sent.events.values_list("pk", flat=True))
    assert not tell(sent, JobStatus.STARTING, 11)
    assert not running(sent, 12)
    assert sent.status == Status.STARTING
    assert list(sent.events.values_list("pk", flat=True)) == before


def test_news_that_change_nothing_write_no_history(sent):
    running(sent, 12)
    answers(sent)
    count = sent.events.count()
    assert running(sent, 13)
    assert sent.status == Status.RUNNING
    assert sent.job_index == 13
    assert sent.events.count() == count


def test_why_it_waits_is_told_each_time_it_changes(sent):
    tell(sent, JobStatus.PENDING, 11, reason=Reason("No V100 is free.", "Take a T4.", {"used": 3}))
    assert (sent.reason, sent.advice, sent.evidence) == ("No V100 is free.", "Take a T4.", {"used": 3})
    tell(sent, JobStatus.PENDING, 12, reason=Reason("No V100 is free.", "Take a T4.", {"used": 3}))
    tell(sent, JobStatus.PENDING, 13, reason=Reason("No node is up."))
    assert [event.sentence for event in sent.events.filter(verb="waited")] == ["No V100 is free.", "No node is up."]


def test_a_failure_keeps_its_reason_and_how_far_it_came(sent):
    tell(sent, JobStatus.STARTING, 11, stage=Stage.PACKAGES)
    tell(sent, JobStatus.FAILED, 12, reason=Reason("It broke.", "Mend it.", {"exit_code": 1}))
    assert (sent.status, sent.stage) == (Status.FAILED, "packages")
    assert (sent.reason, sent.advice, sent.evidence) == ("It broke.", "Mend it.", {"exit_code": 1})
    assert sent.events.last().sentence == "It broke."
    assert not tell(sent, JobStatus.STOPPED, 13)
    assert sent.status == Status.FAILED


def test_a_service_that_stops_answering_goes_on_running_and_says_so(sent):
    running(sent, 12)
    answers(sent)
    assert health.note(sent, Health(False, "Nothing listens at its port."))
    sent.refresh_from_db()
    assert (sent.status, sent.healthy, sent.reason) == (Status.RUNNING, False, "Nothing listens at its port.")
    running(sent, 13)
    assert sent.reason == "Nothing listens at its port."  # the datacenter knows nothing of this
    answers(sent)
    assert (sent.healthy, sent.reason) == (True, "")
    assert verbs(sent)[-2:] == ["became unhealthy", "became healthy"]


def test_an_answer_of_a_former_life_makes_no_new_one_ready(sent):
    running(sent, 12)
    probed = Deployment.objects.get(pk=sent.pk)
    tell(sent, JobStatus.STARTING, 13, allocation_id=OTHER)
    assert not health.note(probed, Health(True))
    sent.refresh_from_db()
    assert sent.status == Status.STARTING


def test_a_program_that_starts_anew_must_answer_anew(sent):
    running(sent, 12)
    answers(sent)
    tell(sent, JobStatus.STARTING, 13, stage=Stage.STARTING, reason=Reason("It restarts in 5 s."))
    assert (sent.status, sent.healthy, sent.reason) == (Status.STARTING, None, "It restarts in 5 s.")
    running(sent, 14)
    assert sent.status == Status.STARTING


# ── Stopping and starting again ──────────────────────────────────────────────────────────────────
def test_however_it_ends_after_a_stop_it_stopped(sent, ada):
    running(sent, 12)
    services.stop(sent, ada)
    running(sent, 13)
    assert sent.status == Status.STOPPING
    tell(sent, JobStatus.FAILED, 14, reason=Reason("Ended by signal 9."))
    assert (sent.status, sent.reason) == (Status.STOPPED, "")


def test_a_stop_from_elsewhere_is_no_restart(sent):
    running(sent, 12)
    tell(sent, JobStatus.STOPPING, 13)
    assert (sent.status, sent.wanted) == (Status.STOPPING, False)
    tell(sent, JobStatus.STOPPED, 14)
    assert sent.status == Status.STOPPED
    assert "not from Serai" in sent.reason


def test_the_end_of_a_former_life_is_no_end_of_the_new_one(sent, ada):
    running(sent, 12)
    services.restart(sent, ada)
    tell(sent, JobStatus.STOPPED, 13, allocation_id=ALLOCATION)
    assert (sent.status, sent.starts, sent.former_allocation_id) == (Status.QUEUED, 2, ALLOCATION)
    assert not tell(sent, JobStatus.STOPPED, 14, allocation_id=ALLOCATION)
    Deployment.objects.update(status=Status.PENDING, job_index=15)
    assert not tell(sent, JobStatus.FAILED, 16, allocation_id=ALLOCATION)
    assert running(sent, 17, allocation_id=OTHER)
    assert sent.status == Status.STARTING


def test_what_was_deleted_does_not_start_again(sent, ada):
    running(sent, 12)
    services.restart(sent, ada)
    services.delete(sent, ada)
    tell(sent, JobStatus.STOPPED, 13, allocation_id=ALLOCATION)
    assert sent.status == Status.STOPPED


def test_news_may_be_quicker_than_the_worker_that_sent_it(deployed):
    Deployment.objects.update(status=Status.SUBMITTING)
    running(deployed, 5)
    assert deployed.status == Status.STARTING


# ── Out of reach ─────────────────────────────────────────────────────────────────────────────────
def test_a_silent_cluster_makes_unknown_never_failed_and_the_truth_comes_back(sent, site):
    running(sent, 12)
    answers(sent)
    since = timezone.now()
    assert projection.out_of_reach(site.cluster, since) == 1
    sent.refresh_from_db()
    assert (sent.status, sent.status_since) == (Status.UNKNOWN, since)
    assert f"does not answer since {since:%H:%M}" in sent.reason
    assert projection.out_of_reach(site.cluster, since) == 0
    assert running(sent, 12)  # nothing happened there meanwhile
    assert (sent.status, sent.healthy, sent.reason) == (Status.RUNNING, True, "")
    assert verbs(sent)[-2:] == ["was lost from sight", "was seen again"]


def test_what_failed_while_nobody_saw_it_has_failed(sent, site):
    running(sent, 12)
    projection.out_of_reach(site.cluster, timezone.now())
    tell(sent, JobStatus.FAILED, 13, reason=Reason("It broke."))
    assert (sent.status, sent.reason) == (Status.FAILED, "It broke.")


def test_what_is_about_to_stop_stays_so_when_the_cluster_is_silent(sent, site, ada):
    running(sent, 12)
    services.stop(sent, ada)
    assert projection.out_of_reach(site.cluster, timezone.now()) == 0


def test_a_stop_while_it_could_not_be_seen_holds(sent, site, ada):
    running(sent, 12)
    projection.out_of_reach(site.cluster, timezone.now())
    services.stop(sent, ada)
    running(sent, 13)
    assert sent.status == Status.STOPPING


def test_a_job_that_its_cluster_forgot_has_failed_unless_it_was_to_stop(sent, ada):
    running(sent, 12)
    services.stop(sent, ada)
    assert projection.gone(sent.pk)
    sent.refresh_from_db()
    assert sent.status == Status.STOPPED
    assert not projection.gone(sent.pk)


def test_a_job_that_is_gone_is_told_though_its_row_changes_in_that_moment(sent, monkeypatch):
    """As by the prober, which finds nobody at its port just then."""
    Deployment.objects.filter(pk=sent.pk).update(status=Status.RUNNING, healthy=True)
    ended = projection._ended

    def slow(deployment, *told):
        Deployment.objects.filter(pk=sent.pk, healthy=True).update(healthy=False)
        return ended(deployment, *told)

    monkeypatch.setattr(projection, "_ended", slow)
    assert projection.gone(sent.pk)
    sent.refresh_from_db()
    assert sent.status == Status.FAILED


def test_a_deployment_that_is_not_there_is_no_news(sent):
    assert not projection.apply(OTHER, JobState("serai-x", "ada", JobStatus.RUNNING, 99))
