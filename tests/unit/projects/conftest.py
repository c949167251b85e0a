"""A shared project: Ada manages it, Bob works in it, Vera looks at it, Eve is outside, Grace runs the platform."""

import pytest

from accounts import services
from accounts.models import Membership, Project, Role, User, create_person
from tests.unit.jobs.conftest import ask, digits, site  # noqa: F401  fixtures here too

PEOPLE = ("ada", "bob", "vera", "eve", "grace")


@pytest.fixture
def bob(db) -> User:
    """Here in the shared project only."""
    return create_person("bob", full_name="Bob")


@pytest.fixture
def vera(db) -> User:
    return create_person("vera", full_name="Vera")


@pytest.fixture
def grace(db) -> User:
    return create_person("grace", full_name="Grace", is_superuser=True)


@pytest.fixture
def engine(ada, bob, vera) -> Project:
    """The shared project."""
    project = services.create_project(ada, "Analytical Engine", "engine")
    services.add_member(project, ada, bob, Role.MEMBER)
    services.add_member(project, ada, vera, Role.VIEWER)
    return project


@pytest.fixture
def who(engine, ada, bob, vera, eve, grace):
    """A person by name: ``who("vera")``."""
    return {"ada": ada, "bob": bob, "vera": vera, "eve": eve, "grace": grace}.__getitem__


@pytest.fixture
def member(engine):
    """Somebody's membership as it is now: ``member("bob")``."""

    def find(name: str) -> Membership:
        return Membership.objects.select_related("user", "project").get(project=engine, user__username=name)

    return find
