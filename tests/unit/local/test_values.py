"""Interpolation, constraint operators, units: as measured on a real Nomad."""

import pytest

from datacenters.local.values import (
    UnknownValue,
    holds,
    holds_quantity,
    interpolate,
    interpolate_config,
    quantity,
    resolve,
)

KNOWN = {"NOMAD_JOB_ID": "j", "meta.root": "/srv", "SIGN": "$"}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("plain", "plain"),
        ("${NOMAD_JOB_ID}-${meta.root}", "j-/srv"),
        ("${unknown.thing} $HOME ${HOME:-x}", "${unknown.thing} $HOME ${HOME:-x}"),
        ("$${NOMAD_JOB_ID}", "$j"),
        ("${SIGN}{HOME}", "${HOME}"),
    ],
)
def test_env_puts_known_values_in_and_has_no_escape(text, becomes):
    assert interpolate(text, KNOWN) == becomes


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("${NOMAD_JOB_ID} ${ NOMAD_JOB_ID }", "j j"),
        ("$${NOMAD_JOB_ID} %%{if}", "${NOMAD_JOB_ID} %{if}"),
        ("100% $HOME $$ $(ls) {x}", "100% $HOME $$ $(ls) {x}"),
        ("${SIGN}{HOME}", "${HOME}"),
    ],
)
def test_config_has_an_escape(text, becomes):
    assert interpolate_config(text, KNOWN) == becomes


@pytest.mark.parametrize("text", ["${no.such}", "${upper(NOMAD_JOB_ID)}", "%{ if true }", "${HOME:-x}"])
def test_config_fails_on_what_it_does_not_know(text):
    with pytest.raises(UnknownValue):
        interpolate_config(text, KNOWN)


def test_a_target_is_a_value_or_unset_or_plain_text():
    assert resolve("${meta.root}", KNOWN) == "/srv"
    assert resolve("${meta.none}", KNOWN) is None
    assert resolve("just text", KNOWN) == "just text"


@pytest.mark.parametrize(
    ("left", "operator", "right", "met"),
    [
        ("a", "=", "a", True),
        ("a", "==", "b", False),
        ("a", "is", "a", True),
        ("a", "!=", "b", True),
        ("a", "not", "a", False),
        ("9", "<", "10", True),
        ("b", ">", "a", True),
        ("abc", ">=", "10", True),
        ("proj-a,proj-b", "regexp", "proj", True),
        ("proj-a", "regexp", "^b", False),
        ("a, b,c", "set_contains", "a,c", True),
        ("a,b", "set_contains_all", "a,c", False),
        ("a,b", "set_contains_any", "c,b", True),
        ("proj-a", "set_contains", "proj", False),
        ("2.0.6", "version", ">= 1.8, < 3", True),
        ("2.0.6-dev", "version", ">= 1.8", False),
        ("2.0.6-dev", "semver", ">= 1.8", True),
        ("2.0.6+serai-local", "version", ">= 1.8", True),
        ("2.0.6", "semver", "> 2.0.6-dev", True),
        ("1.2.9", "version", "~> 1.2.3", True),
        ("1.3.0", "version", "~> 1.2.3", False),
        ("1.9", "version", "~> 1.2", True),
        ("7.5", "version", ">= 8.0", False),
        ("no version", "version", ">= 1", False),
        ("x", "is_set", "", True),
        (None, "is_set", "", False),
        (None, "is_not_set", "", True),
        (None, "!=", "x", True),
        (None, "=", "x", False),
        (None, "regexp", ".*", False),
    ],
)
def test_operators(left, operator, right, met):
    assert holds(left, operator, right) is met


@pytest.mark.parametrize(
    ("left", "operator", "right", "met"),
    [
        ("15360 MiB", ">=", "10 GiB", True),
        ("15360 MiB", ">=", "16 GiB", False),
        ("15360 MiB", "=", "15 GiB", True),
        ("70 W", "<", "0.1 kW", True),
        ("70 W", "<", "1 GiB", False),
        ("70 W", "!=", "1 GiB", True),
        ("7.5", ">=", "7.0", True),
        ("Tesla T4", "=", "Tesla T4", True),
        ("Tesla T4", "regexp", "T4", True),
        ("5 GiB/s", ">", "4000 MB/s", True),
        (None, ">=", "1 GiB", False),
    ],
)
def test_units_are_converted(left, operator, right, met):
    assert holds_quantity(left, operator, right) is met


def test_a_number_with_an_unknown_unit_is_no_quantity():
    assert quantity("3 apples") is None
    assert quantity("2 GiB") == (2 * 2**30, "bytes")
    assert quantity("2") == (2.0, "")
