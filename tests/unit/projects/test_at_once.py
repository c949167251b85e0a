"""What two people do to one project at the same moment."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from accounts import services as members
from accounts.models import Membership, Role
from accounts.services import NotPossible
from jobs import projects, services
from jobs.models import Deployment
from jobs.refusals import NotPossibleNow, RequestRefused

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each gave, or the refusal it met; all begin together."""
    results: list[object] = []
    together = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        together.wait()
        try:
            results.append(act())
        except (NotPossible, NotPossibleNow, RequestRefused) as refusal:
            results.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_managers_who_leave_together_one_stays(engine, ada, bob, member):
    members.change_role(member("bob"), ada, Role.MANAGER)
    adas, bobs = member("ada"), member("bob")

    at_once(lambda: members.remove_member(adas, ada), lambda: members.remove_member(bobs, bob))

    assert Membership.objects.filter(project=engine, role=Role.MANAGER).count() == 1


def test_a_project_is_archived_or_deployed_in_but_not_both(site, digits, ask, engine, ada, bob):
    request = ask(project=engine.slug)
    archive = [lambda: projects.archive(engine, ada)]
    deploy = [lambda: services.deploy(request, owner=bob)] * 5

    results = at_once(*archive, *deploy)

    engine.refresh_from_db()
    assert len(results) == 6
    assert bool(engine.archived) is not Deployment.objects.exists()


def test_somebody_added_twice_at_once_is_in_once(engine, ada, eve):
    results = at_once(*[lambda: members.add_member(engine, ada, eve, Role.VIEWER)] * 4)

    assert sum(isinstance(result, Membership) for result in results) == 1
    assert Membership.objects.filter(project=engine, user=eve).count() == 1
