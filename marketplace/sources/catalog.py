"""A Git repository with one submodule a module, as AI4OS keeps its catalogs. Each is read at its branch's newest."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

from marketplace.models import Source

from . import git, repository
from .found import Found

AT_ONCE = 4  # mostly waiting for the network
MAX_MODULES = 2_000


def find(source: Source, known: Mapping[str, str]) -> Iterator[Found]:
    place, _newest = git.found(source.location)
    with git.Clone(place) as clone:
        modules = [
            (path.rstrip("/").rpartition("/")[2], _location(place.url, url, branch))
            for path, url, branch in clone.submodules()[:MAX_MODULES]
        ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(lambda module: repository.found_in(module[0], module[1], known), modules)


def _location(catalog: str, url: str, branch: str) -> str:
    """A submodule's address; one that starts with a dot is beside the catalog's own."""
    absolute = urljoin(f"{catalog.rstrip('/')}/", url) if url.startswith(".") else url
    return f"{absolute}#{branch}" if branch and branch != "." else absolute
