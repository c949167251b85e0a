"""What stands between DEEPaaS and the code of this module.

DEEPaaS 2 calls predict and train in worker processes, and some things go wrong there that nobody outside can mend:
an exception that cannot be pickled silences the service for good, ``sys.exit`` kills its worker, a numpy value or NaN
in a result breaks the answer, and uploaded files are never removed. ``guarded`` takes care of all four.
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from aiohttp import web
from marshmallow import EXCLUDE, Schema, ValidationError

Arguments = Callable[[], Mapping[str, Any]]


class BadInput(web.HTTPUnprocessableEntity):
    """The caller can mend it: ``raise BadInput(image="This file is no picture.")`` answers 422."""

    def __init__(self, **problems: str | list[str]) -> None:
        self.problems = {name: [text] if isinstance(text, str) else text for name, text in problems.items()}
        super().__init__(text=json.dumps(self.problems), content_type="application/json")

    def __str__(self) -> str:
        return "; ".join(f"{name}: {' '.join(map(str, texts))}" for name, texts in self.problems.items())

    def __reduce__(self) -> tuple[Any, ...]:
        return _bad_input, (self.problems,)


class Failed(web.HTTPInternalServerError):
    """The module could not do it; the answer says why, which DEEPaaS alone would keep to its log."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(text=json.dumps({"message": message}), content_type="application/json")

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return Failed, (self.message,)


def guarded(arguments: Arguments | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Guard predict or train. With ``arguments`` they are checked here too, since deepaas-cli does not check them."""

    def guard(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(**given: Any) -> Any:
            try:
                return plain(function(**(checked(arguments(), given) if arguments else given)))
            except (BadInput, Failed):
                raise
            except (Exception, SystemExit) as error:
                raise Failed(f"{type(error).__name__}: {error}") from error
            finally:
                forget_uploads(given)

        return call

    return guard


def checked(fields: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = Schema.from_dict(dict(fields))().load(given, unknown=EXCLUDE)
    except ValidationError as error:
        raise BadInput(**error.normalized_messages()) from None
    return loaded


def plain(value: Any) -> Any:
    """The same in what JSON knows: numpy becomes numbers and lists, NaN and infinity become null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, os.PathLike) else value


def forget_uploads(given: Mapping[str, Any]) -> None:
    for value in given.values():
        if hasattr(value, "original_filename") and os.path.exists(value.filename):
            os.unlink(value.filename)


def _bad_input(problems: dict[str, list[str]]) -> BadInput:
    return BadInput(**problems)
