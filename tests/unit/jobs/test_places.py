"""A local datacenter that cannot keep people apart serves one of them."""

import pytest

from accounts.models import create_person
from datacenters.capacity import Capacity
from jobs import services
from jobs.models import Deployment, Status
from jobs.places import places_for
from jobs.refusals import NotPossibleNow, RequestRefused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _module(digits):
    """What they ask for."""


@pytest.fixture
def root(db):
    """Who came in by the link on the terminal."""
    return create_person("root", is_superuser=True)


@pytest.fixture
def alone(root, site):
    """The site, started by an account that is not root."""
    site.one_person = True
    site.save()
    return site


def test_the_first_administrator_deploys_there(alone, root, ask):
    deployment = services.deploy(ask(project=root.personal_project.slug), owner=root)
    assert deployment.datacenter == alone


def test_others_may_not_and_read_why(alone, ada, ask):
    with pytest.raises(RequestRefused) as refused:
        services.deploy(ask(), owner=ada)
    [error] = refused.value.errors
    assert error.pointer == "#/datacenter"
    assert "only the first administrator" in error.detail
    assert not Deployment.objects.exists()


def test_not_even_another_administrator(alone, ask):
    second = create_person("second", is_superuser=True)
    with pytest.raises(RequestRefused):
        services.deploy(ask(second), owner=second)


def test_others_may_look_at_it_and_plan_elsewhere(alone, ada):
    [place] = places_for(ada)
    assert isinstance(place, Capacity)
    assert place.closed


def test_what_somebody_ran_there_before_is_not_started_again(site, root, ada, ask):
    deployment = services.deploy(ask(), owner=ada)
    services.stop(deployment, ada)
    site.one_person = True
    site.save()
    deployment = Deployment.objects.with_parts().get(pk=deployment.pk)
    with pytest.raises(NotPossibleNow, match="only the first administrator"):
        services.start(deployment, ada)
    assert Deployment.objects.get().status == Status.STOPPED


def test_an_open_site_is_for_everybody(site, root, ada, ask):
    assert not any(place.closed for place in places_for(ada))
    assert services.deploy(ask(), owner=ada).datacenter == site
