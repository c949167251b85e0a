"""A search as its address says it, whatever somebody typed there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from django.http import QueryDict

from .facets import FACETS

MAX_TEXT = 200
MAX_VALUES = 50  # of one facet
PAGE_SIZE = 24
LARGEST_PAGE = 100_000


class Sort(StrEnum):
    RELEVANCE = "relevance"
    TITLE = "title"
    NEWEST = "newest"
    UPDATED = "updated"


@dataclass(frozen=True)
class Query:
    """Words, chosen facet values (any of one facet, all facets together), order and page."""

    text: str = ""
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: Sort = Sort.TITLE
    page: int = 1

    @classmethod
    def from_params(cls, params: QueryDict) -> "Query":
        """What is not understood is left out: an address that somebody shortened still works."""
        text = params.get("q", "").replace("\0", "").strip()[:MAX_TEXT]
        chosen = {name: _values(params.getlist(name)) for name in FACETS if name in params}
        return cls(
            text=text,
            facets={name: values for name, values in chosen.items() if values},
            sort=_sort(params.get("sort", ""), text),
            page=_page(params.get("page", "")),
        )

    def where(self, facet: str, *values: str) -> "Query":
        """The same search with one facet set."""
        return replace(self, facets={**self.facets, facet: values})

    @property
    def narrowed(self) -> bool:
        return bool(self.text or self.facets)


def _values(given: Iterable[str]) -> tuple[str, ...]:
    values = (value.strip().replace("\0", "") for value in given)
    return tuple(dict.fromkeys(value for value in values if value))[:MAX_VALUES]


def _sort(given: str, text: str) -> Sort:
    wanted = next((sort for sort in Sort if sort == given), Sort.RELEVANCE)
    # Without words nothing is more relevant than another.
    return Sort.TITLE if wanted is Sort.RELEVANCE and not text else wanted


def _page(given: str) -> int:
    return min(int(given), LARGEST_PAGE) if given.isascii() and given.isdigit() and int(given[:9]) > 0 else 1
