"""Ids for addresses and host names."""

import re
import unicodedata
from collections.abc import Iterator

MAX_SLUG = 60  # a DNS label takes 63


def slug_of(name: str) -> str:
    """A DNS label for a name; the same name always gives the same one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].strip("-") or "module"


def numbered(slug: str) -> Iterator[str]:
    """The slug, then ``slug-2``, ``slug-3`` … for when it is taken."""
    yield slug
    number = 2
    while True:
        yield f"{slug[: MAX_SLUG - 5]}-{number}"
        number += 1
