"""Packages of Python that people list by name: read, checked, and written as ``pip`` reads them, one a line."""

from collections.abc import Iterable

from django.utils.translation import gettext as _
from packaging.requirements import InvalidRequirement, Requirement

MOST = 100


class NotPackages(ValueError):
    """The text says which line is wrong, and what would be right."""


def normal(text: str) -> str:
    """The same list without comments and empty lines; raises NotPackages."""
    lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
    wanted = [_checked(line) for line in lines if line and not line.startswith("#")]
    if len(wanted) > MOST:
        raise NotPackages(
            _("These are %(count)d packages; at most %(most)d are taken.") % {"count": len(wanted), "most": MOST}
        )
    return "\n".join(_each_once(wanted))


def _checked(line: str) -> str:
    try:
        found = Requirement(line)
    except InvalidRequirement:
        text = _("“%(line)s” is no package. Write one a line by its name on PyPI, as numpy or pandas>=2.")
        raise NotPackages(text % {"line": line[:60]}) from None
    if found.url:  # building it would run its code before anybody's own user does
        text = _(
            "“%(line)s” is an address. Only packages by their name on PyPI are installed; fetch others in the script."
        )
        raise NotPackages(text % {"line": line[:60]})
    return str(found)


def _each_once(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
