"""How much one project or one person may hold, where an administrator set it."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from accounts.models import AuditEvent
from jobs import quotas, services
from jobs.models import Quota
from jobs.refusals import QuotaExceeded

pytestmark = pytest.mark.django_db
ONE = {"deployments": 1, "cpu_cores": None, "memory_mb": None, "gpus": None}


def limits(holder) -> dict[str, float]:
    return {meter.name: meter.limit for meter in quotas.meters(holder)}


def test_what_is_not_set_is_the_sites_default(engine, grace, settings):
    quotas.set_limits(engine, grace, ONE)
    assert limits(engine) == {**settings.QUOTA_OF_PROJECT, "deployments": 1}


def test_nothing_at_all_is_a_limit_too(engine, grace):
    quotas.set_limits(engine, grace, {**ONE, "gpus": 0})
    assert limits(engine)["gpus"] == 0


def test_a_projects_own_limit_holds_for_all_its_people(site, digits, ask, engine, ada, bob, grace):
    quotas.set_limits(engine, grace, ONE)
    services.deploy(ask(project=engine.slug), owner=ada)
    with pytest.raises(QuotaExceeded, match="This project holds 1 of 1"):
        services.deploy(ask(project=engine.slug), owner=bob)
    services.deploy(ask(project=bob.personal_project.slug), owner=bob)


def test_a_persons_own_limit_holds_in_all_their_projects(site, digits, ask, engine, bob, grace):
    quotas.set_limits(bob, grace, ONE)
    services.deploy(ask(project=engine.slug), owner=bob)
    with pytest.raises(QuotaExceeded, match="You hold 1 of 1"):
        services.deploy(ask(project=bob.personal_project.slug), owner=bob)


def test_a_lower_limit_stops_nothing_that_runs(site, digits, ask, engine, ada, grace):
    running = services.deploy(ask(project=engine.slug), owner=ada)
    quotas.set_limits(engine, grace, {**ONE, "deployments": 0})
    running.refresh_from_db()
    assert running.wanted
    assert next(meter.left for meter in quotas.meters(engine)) == 0


def test_taking_a_limit_back_gives_the_default_again(engine, grace, settings):
    quotas.set_limits(engine, grace, ONE)
    quotas.set_limits(engine, grace, {**ONE, "deployments": None})
    assert limits(engine) == settings.QUOTA_OF_PROJECT


@pytest.mark.parametrize("name", ["ada", "bob", "vera", "eve"])
def test_only_administrators_say_how_much(engine, who, name):
    for holder in (engine, who(name)):
        with pytest.raises(PermissionDenied):
            quotas.set_limits(holder, who(name), ONE)
    assert not Quota.objects.exists()


def test_the_audit_keeps_who_said_how_much(engine, grace):
    quotas.set_limits(engine, grace, ONE)
    event = AuditEvent.objects.get(action="quota.changed")
    assert (event.actor, event.project, event.detail["deployments"]) == (grace, engine, 1)


def test_a_quota_is_of_one_holder(engine, ada):
    for holders in ({}, {"project": engine, "person": ada}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Quota.objects.create(deployments=1, **holders)
