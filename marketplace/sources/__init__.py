"""Where assets come from: one file a kind of source, and one line here."""

from collections.abc import Callable, Iterator, Mapping

from marketplace.models import Source, SourceKind

from . import catalog, folder, repository
from .found import Contents, Found, SourceError

__all__ = ["FINDERS", "Contents", "Finder", "Found", "SourceError"]

# What a source has now. The mapping tells which revision of each origin is known already.
Finder = Callable[[Source, Mapping[str, str]], Iterator[Found]]

FINDERS: dict[str, Finder] = {
    SourceKind.FOLDER: folder.find,
    SourceKind.CATALOG: catalog.find,
    SourceKind.REPOSITORY: repository.find,
}
