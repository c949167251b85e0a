"""What people type, as what modules take."""

from typing import Any

import pytest

from jobs.deepaas.document import Argument, Type, parse
from jobs.deepaas.values import WrongValue, read, value_of

from . import load


@pytest.mark.parametrize(
    ("argument", "given", "value"),
    [
        (Argument("x", Type.INTEGER), "7", 7),
        (Argument("x", Type.INTEGER), " -7 ", -7),
        (Argument("x", Type.INTEGER), 7.0, 7),
        (Argument("x", Type.NUMBER), "1e-3", 0.001),
        (Argument("x", Type.NUMBER), "3", 3),
        (Argument("x", Type.BOOLEAN), "on", True),
        (Argument("x", Type.BOOLEAN), False, False),
        (Argument("x", Type.BOOLEAN), ["false", "true"], True),
        (Argument("x", Type.TEXT), " kept ", " kept "),
        (Argument("x", Type.OBJECT), '{"a": [1]}', {"a": [1]}),
        (Argument("x", Type.NUMBER, multiple=True), "1, 2.5", [1, 2.5]),
        (Argument("x", Type.NUMBER, multiple=True), ["1", "2"], [1, 2]),
        (Argument("x", Type.TEXT, multiple=True), "one, two\nthree", ["one, two", "three"]),
        (Argument("x", Type.TEXT, multiple=True), ['["a,b", "c"]'], ["a,b", "c"]),
        (Argument("x", Type.INTEGER, minimum=0, maximum=0), "0", 0),
        (Argument("x", Type.TEXT), "", None),
        (Argument("x", Type.NUMBER, multiple=True), " , ", None),
        (Argument("x", Type.INTEGER, required=True, default=3), "", None),
    ],
)
def test_values_get_their_type(argument: Argument, given: Any, value: Any) -> None:
    found = value_of(argument, given)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("argument", "given", "sentence"),
    [
        (Argument("x", Type.INTEGER), "seven", "“seven” is not a number."),
        (Argument("x", Type.INTEGER), "7.5", "whole number"),
        (Argument("x", Type.INTEGER), "9" * 5000, "is not a number"),
        (Argument("x", Type.NUMBER), "nan", "finite"),
        (Argument("x", Type.NUMBER), True, "is not a number"),
        (Argument("x", Type.INTEGER, minimum=1), "0", "at least 1."),
        (Argument("x", Type.NUMBER, maximum=0.5), "0.6", "at most 0.5."),
        (Argument("x", Type.BOOLEAN), "maybe", "yes or no"),
        (Argument("x", choices=("adam", "sgd")), "zzz", "“zzz” is not offered. Choose one of: adam, sgd."),
        (Argument("x", Type.OBJECT), "{'a': 1}", "line 1, column 2"),
        (Argument("x", Type.OBJECT), "[1]", "JSON object"),
        (Argument("x", Type.OBJECT), "[" * 100_000, "JSON"),
        (Argument("x", Type.NUMBER, multiple=True), "1, two", "“two” is not a number."),
        (Argument("x", required=True), "  ", "This is needed."),
    ],
)
def test_wrong_values_get_a_sentence(argument: Argument, given: Any, sentence: str) -> None:
    with pytest.raises(WrongValue) as problem:
        value_of(argument, given)
    assert sentence in str(problem.value)


def test_a_form_is_read_at_once_with_a_sentence_for_each_field() -> None:
    operation = parse(load("swagger2")).predict
    assert operation
    reading = read(operation.arguments, {"top": ["11"], "language": ["la"], "rotate": ["false"], "key": [""]})
    assert reading.values == {"language": "la", "rotate": False}
    assert reading.errors == {"top": "This must be at most 10."}
