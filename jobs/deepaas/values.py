"""Values for a module's arguments: a form's texts or a JSON body in, the right types or a sentence each out."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from .document import Argument, Type

TRUE, FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


class WrongValue(ValueError):
    """This value does not fit its argument; the text is a sentence for people."""


@dataclass(frozen=True)
class Reading:
    """What came of a form: values of the right types, and sentences by argument."""

    values: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


def read(arguments: Sequence[Argument], given: Mapping[str, Any]) -> Reading:
    """Every value but files. What is left empty is left out: the module has its own default for it."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for argument in arguments:
        if argument.type is Type.FILE:
            continue
        try:
            value = value_of(argument, given.get(argument.name))
        except WrongValue as error:
            errors[argument.name] = str(error)
        else:
            if value is not None:
                values[argument.name] = value
    return Reading(values, errors)


def value_of(argument: Argument, given: Any) -> Any:
    """One value of the right type, None if nothing was given; raises WrongValue."""
    if argument.multiple:
        items = _items(given)
        if not items:
            return _nothing(argument)
        return [_single(argument, item) for item in items]
    if isinstance(given, list | tuple):
        given = given[-1] if given else None
    if given is None or (isinstance(given, str) and not given.strip()):
        return _nothing(argument)
    return _single(argument, given)


def _nothing(argument: Argument) -> None:
    if argument.required and argument.default is None:
        raise WrongValue(_("This is needed."))


def _single(argument: Argument, given: Any) -> Any:
    value = COERCIONS[argument.type](given)
    if argument.choices and value not in argument.choices:
        raise WrongValue(_("“%(value)s” is not offered. Choose one of: %(choices)s.") % _said(argument, value))
    if isinstance(value, int | float):
        _within_bounds(argument, value)
    return value


def _within_bounds(argument: Argument, value: float) -> None:
    if argument.minimum is not None and value < argument.minimum:
        raise WrongValue(_("This must be at least %(limit)s.") % {"limit": _plain(argument.minimum)})
    if argument.maximum is not None and value > argument.maximum:
        raise WrongValue(_("This must be at most %(limit)s.") % {"limit": _plain(argument.maximum)})


def _said(argument: Argument, value: Any) -> dict[str, str]:
    return {"value": str(value), "choices": ", ".join(str(choice) for choice in argument.choices)}


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _items(given: Any) -> list[Any]:
    """Repeated fields, a JSON list, lines, or texts between commas."""
    if given is None:
        return []
    if not isinstance(given, str):
        parts = list(given) if isinstance(given, list | tuple) else [given]
        # A page sends one text area as a list of one.
        return _items(parts[0]) if len(parts) == 1 and isinstance(parts[0], str) else parts
    text = given.strip()
    if text.startswith("["):
        listed = _json(text)
        return listed if isinstance(listed, list) else [listed]
    separator = "\n" if "\n" in text else ","
    return [item.strip() for item in text.split(separator) if item.strip()]


def _text(given: Any) -> str:
    if isinstance(given, str):
        return given
    return json.dumps(given, ensure_ascii=False)


def _integer(given: Any) -> int:
    number = _number(given)
    if not float(number).is_integer():
        raise WrongValue(_("This takes a whole number."))
    return int(number)


def _number(given: Any) -> float:
    try:
        number = _parsed_number(given)
    except (TypeError, ValueError):
        raise WrongValue(_("“%(value)s” is not a number.") % {"value": given}) from None
    if not math.isfinite(number):
        raise WrongValue(_("This takes a finite number."))
    return number


def _parsed_number(given: Any) -> float:
    if isinstance(given, bool):
        raise TypeError
    if isinstance(given, str):
        text = given.strip()
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    return given if isinstance(given, int) else float(given)


def _boolean(given: Any) -> bool:
    text = str(given).strip().lower()
    if text not in TRUE | FALSE:
        raise WrongValue(_("This takes yes or no."))
    return text in TRUE


def _object(given: Any) -> Mapping[str, Any]:
    value = _json(given) if isinstance(given, str) else given
    if not isinstance(value, Mapping):
        raise WrongValue(_('This takes a JSON object, as {"key": "value"}.'))
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        said = {"line": error.lineno, "column": error.colno}
        raise WrongValue(_("This is not JSON: look at line %(line)d, column %(column)d.") % said) from None
    except RecursionError:
        raise WrongValue(_("This JSON is nested too deeply.")) from None


COERCIONS = {
    Type.TEXT: _text,
    Type.INTEGER: _integer,
    Type.NUMBER: _number,
    Type.BOOLEAN: _boolean,
    Type.OBJECT: _object,
}
