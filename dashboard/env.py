"""Typed reading of environment variables; a wrong value stops the start with its name and what it takes."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def number(name: str, default: int) -> int:
    value = text(name) or str(default)
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} takes a whole number, not {value!r}.")
    return int(value)


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name} takes 1 or 0, not {value!r}.")


def url(name: str, default: str = "", *, schemes: Sequence[str] = ("http", "https")) -> str:
    """An address, which may hold a password: it is never shown."""
    value = text(name, default).rstrip("/")
    if value and not _is_url(value, schemes):
        raise ImproperlyConfigured(
            f"{name} takes an address that begins with {' or '.join(f'{s}://' for s in schemes)}."
        )
    return value


def _is_url(value: str, schemes: Sequence[str]) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and value.startswith(f"{parts.scheme}://") and parts.port != 0
    except ValueError:
        return False


def rate(name: str, default: str) -> str:
    """So many in a second, minute, hour or day: ``300/m``."""
    value = text(name, default)
    if not re.fullmatch(r"[1-9][0-9]*/[smhd]", value):
        raise ImproperlyConfigured(f"{name} takes a rate like 300/m (s, m, h or d), not {value!r}.")
    return value


def path(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().resolve()


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]
