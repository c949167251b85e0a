"""One Git repository with one module."""

from collections.abc import Iterator, Mapping

from marketplace.models import Source

from . import git
from .found import Found, SourceError, contents


def find(source: Source, known: Mapping[str, str]) -> Iterator[Found]:
    place = git.remote(source.location)
    yield found_in(place.name, source.location, known)


def found_in(name: str, location: str, known: Mapping[str, str]) -> Found:
    """The module of this repository; its files are asked for only if its newest commit is not the known one."""
    try:
        place, newest = git.found(location)
        if newest == known.get(location):
            return Found(name, location, revision=known[location], unchanged=True)
        with git.Clone(place) as clone:
            return _module(name, location, place, clone)
    except SourceError as problem:
        return Found(name, location, problem=str(problem))


def _module(name: str, location: str, place: git.Remote, clone: git.Clone) -> Found:
    revision = clone.revision()
    found = contents(clone.names(), clone.read)
    # By its commit: the same code on every machine that installs it.
    package = f"git+{place.url}@{revision}" if found.installable else ""
    return Found(name, location, found, package=package, package_digest=revision if package else "", revision=revision)
