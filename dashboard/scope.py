"""Which of their projects a person looks at: chosen in the header, kept in the session."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from accounts.models import Project, User

KEY = "project"


@dataclass(frozen=True)
class Switcher:
    """What the header offers; ``chosen`` None: all of them."""

    projects: Sequence[Project] = ()
    chosen: Project | None = None


def switcher(request: HttpRequest, person: User | None) -> Switcher:
    if person is None:
        return Switcher()
    projects = list(Project.objects.of(person))
    slug = request.session.get(KEY, "")
    return Switcher(projects, next((project for project in projects if project.slug == slug), None))


def chosen_project(request: HttpRequest, person: User) -> Project | None:
    """The one this person chose and still is in; None: all their projects."""
    slug = request.session.get(KEY, "")
    return Project.objects.of(person).filter(slug=slug).first() if slug else None


def choose(request: HttpRequest, person: User, slug: str) -> Project | None:
    """Remember it; what is no project of theirs means all of them."""
    project = Project.objects.of(person).filter(slug=slug).first()
    request.session[KEY] = project.slug if project else ""
    return project
