"""Bodies as JSON: only what RFC 8259 knows, and only texts that any database can keep."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser


class PlainJson(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        """Raises ValueError, which leaves as "not valid JSON"."""
        value = json.loads(request.body, parse_constant=_refuse)
        # Only an escape can bring a null character, or one half of a pair.
        if b"\\u" in request.body and not all(map(_can_be_kept, _texts(value))):
            raise ValueError("a text holds what no database keeps")
        return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _can_be_kept(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
