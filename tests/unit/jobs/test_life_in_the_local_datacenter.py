"""Whole lives of deployments in the real local datacenter, with modules that behave well and badly."""

import pytest

from datacenters.jobspec import JobKind
from jobs import archive, services
from jobs.models import UNDO_LASTS, Status
from tests.fake_modules import CRASHES, SILENT

pytestmark = pytest.mark.django_db


def verbs(deployment):
    return list(deployment.events.values_list("verb", flat=True))


def test_a_service_starts_answers_and_stops(world, ada):
    service = world.until(world.deploy(), Status.RUNNING)
    assert service.healthy
    assert service.endpoints[0]["label"] == "api"
    assert service.endpoints[0]["healthy"]
    assert verbs(service)[:2] == ["queued", "submitted"]
    assert "became ready" in verbs(service)
    services.stop(service, ada)
    world.until(service, Status.STOPPED)
    assert service.reason == ""
    assert service.endpoints == []
    assert service.ended
    assert b"model tiny" in archive.read(service, "main", "stdout")


def test_all_that_it_wrote_is_kept_when_the_job_is_gone(world, ada):
    service = world.until(world.deploy(), Status.RUNNING)
    services.stop(service, ada)
    world.until(service, Status.STOPPED)
    world.adapter.purge(service.job_id, service.namespace)
    assert archive.tasks(service) == ["main", "packages"]
    assert b"progress: packages are ready" in archive.read(service, "packages", "stdout")
    assert b"storage" in archive.read(service, "main", "stdout")


def test_a_training_ends_with_its_result(world):
    training = world.deploy(
        kind=JobKind.BATCH, arguments={"epochs": 3, "sizes": [1, 2], "name": "${HOME} -x", "off": None}
    )
    world.until(training, Status.COMPLETED)
    given = training.result["result"]["output"]["arguments"]
    assert given == ["--epochs=3", "--name=${HOME} -x", "--sizes=[1, 2]"]
    assert "started" in verbs(training) or "completed" in verbs(training)


def test_a_training_that_is_started_again_trains_again(world, ada):
    training = world.until(world.deploy(kind=JobKind.BATCH), Status.COMPLETED)
    first = training.allocation_id
    services.start(training, ada)
    assert training.status == Status.QUEUED
    assert training.result is None
    world.until(training, Status.COMPLETED)
    assert training.allocation_id != first
    log = archive.read(training, "main", "stdout").decode()
    assert log.count("training with") == 2
    assert "started again" in log


def test_a_restart_is_one_word_and_gives_a_new_life(world, ada):
    service = world.until(world.deploy(), Status.RUNNING)
    first = service.allocation_id
    services.restart(service, ada)
    assert service.status == Status.STOPPING
    world.until(service, lambda row: row.status == Status.RUNNING and row.allocation_id != first)
    assert "restart requested" in verbs(service)
    assert "started again" in verbs(service)


def test_a_module_that_crashes_at_start_fails_with_its_own_error(world):
    service = world.until(world.deploy(serve=CRASHES), Status.FAILED)
    assert "ended with exit code 1" in service.reason
    assert "No module named 'nosuchlib'" in service.reason
    assert service.evidence["task"] == "main"
    assert service.endpoints == []


def test_a_package_that_does_not_install_fails_with_what_the_installer_said(world):
    service = world.until(world.deploy(broken=True), Status.FAILED)
    assert service.stage == "packages"
    assert service.reason.startswith("The module's packages could not be installed")
    assert "its author forgot a file" in service.reason
    assert "author" in service.advice


def test_a_package_that_was_mended_installs_at_the_next_start(world, ada):
    service = world.until(world.deploy(broken=True), Status.FAILED)
    (world.folder / service.asset_slug / "broken").unlink()
    services.start(service, ada)
    world.until(service, Status.RUNNING)


def test_a_module_that_never_answers_stays_starting_and_says_why(world, monkeypatch, ada):
    service = world.until(world.deploy(serve="\n" + SILENT), lambda row: row.stage == "health")
    monkeypatch.setattr("jobs.health.PATIENCE", service.updated - service.updated)
    world.until(service, lambda row: "has not answered yet" in row.reason)
    assert service.status == Status.STARTING
    assert "Nothing listens at its port" in service.reason
    services.stop(service, ada)
    world.until(service, Status.STOPPED)


def test_a_module_that_stops_answering_is_unhealthy_and_still_runs(world):
    service = world.until(world.deploy(), Status.RUNNING)
    service.endpoints[0]["port"] = 1  # as if it were wedged: nobody listens there
    type(service).objects.filter(pk=service.pk).update(endpoints=service.endpoints)
    world.until(service, lambda row: row.healthy is False)
    assert service.status == Status.RUNNING
    assert "Nothing listens" in service.reason
    assert "restart" in service.advice


def test_two_deployments_of_one_module_install_it_once_and_share_its_storage(world, local_agent, ada):
    first = world.until(world.deploy(), Status.RUNNING)
    second = world.until(world.again(first.asset_slug), Status.RUNNING)
    services.stop(second, ada)
    world.until(second, Status.STOPPED)
    said = archive.read(second, "packages", "stdout").decode()
    assert "packages are ready" in said
    assert "making the environment" not in said
    shared = local_agent.tasks / "storage" / first.project.slug / first.asset_slug / "was-here"
    assert shared.read_text() == str(second.pk)


def test_a_job_that_waits_for_room_says_what_is_lacking_and_stops_when_told(world, ada):
    cores = world.cluster.datacenters.get().nodes.get().cpu_cores
    type(world.cluster.datacenters.get().nodes.get()).objects.update(cpu_cores=cores + 40, cpu_mhz=(cores + 40) * 1_000)
    large = world.until(world.deploy(cpu_cores=cores + 30), Status.PENDING)
    world.until(large, lambda row: "CPU" in row.reason)
    assert large.advice
    services.stop(large, ada)
    world.until(large, Status.STOPPED)


def test_a_job_that_was_stopped_behind_our_back_says_so(world):
    service = world.until(world.deploy(), Status.RUNNING)
    world.adapter.stop(service.job_id, service.namespace)
    world.until(service, Status.STOPPED)
    assert "not from Serai" in service.reason


def test_a_job_that_was_purged_behind_our_back_fails_and_says_so(world):
    service = world.until(world.deploy(), Status.RUNNING)
    world.adapter.purge(service.job_id, service.namespace)
    type(service).objects.filter(pk=service.pk).update(submitted=service.submitted - UNDO_LASTS)
    world.until(service, Status.FAILED)
    assert "no longer knows this job" in service.reason


def test_what_is_deleted_is_stopped_and_forgotten_after_ten_minutes(world, ada, clean):
    service = world.until(world.deploy(), Status.RUNNING)
    services.delete(service, ada)
    world.until(service, Status.STOPPED)
    clean()
    assert archive.tasks(service) != []
    type(service).objects.filter(pk=service.pk).update(deleted=service.deleted - UNDO_LASTS)
    clean()
    service.refresh_from_db()
    assert service.purged
    assert archive.tasks(service) == []
    assert service.job_id not in {state.job_id for state in world.adapter.states("serai-")}


def test_what_is_deleted_by_mistake_runs_again_after_its_restoration(world, ada):
    service = world.until(world.deploy(), Status.RUNNING)
    services.delete(service, ada)
    world.until(service, Status.STOPPED)
    services.restore(service, ada)
    world.until(service, Status.RUNNING)


def test_a_deployment_deleted_and_restored_before_it_stopped_runs_again(world, ada):
    service = world.until(world.deploy(), Status.RUNNING)
    services.delete(service, ada)
    services.restore(service, ada)
    world.until(service, lambda row: row.status == Status.RUNNING and row.starts == 2)


def test_a_full_disk_costs_the_log_and_not_the_truth(world, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    service = world.deploy(serve=CRASHES)
    monkeypatch.setattr(archive, "keep", full)
    world.until(service, Status.FAILED)
    assert "exit code 1" in service.reason
