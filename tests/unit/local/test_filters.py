"""Filter expressions: those that Serai writes, and a clear no to others."""

import pytest

from datacenters.local.errors import Refused
from datacenters.local.filters import matcher

ONE = {"JobID": "serai-1.a", "ClientStatus": "running", "Namespace": "p"}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("", True),
        ('ClientStatus == "running"', True),
        ('ClientStatus != "running"', False),
        ('ClientStatus == "pending" or ClientStatus == "running"', True),
        ('ClientStatus == "running" and Namespace == "q"', False),
        ('ClientStatus == "x" and Namespace == "p" or JobID == "serai-1.a"', True),
        ('JobID matches "^serai-"', True),
        ('JobID matches "^serai-1\\\\.b"', False),
    ],
)
def test_expressions(expression, found):
    assert matcher(expression)(ONE) is found


@pytest.mark.parametrize("expression", ["x", 'JobID == "a" but', "JobID == a", 'not JobID == "a"', '(JobID == "a")'])
def test_what_is_not_understood_is_a_400(expression):
    with pytest.raises(Refused) as refused:
        matcher(expression)
    assert refused.value.status == 400


def test_an_unknown_member_is_a_400():
    with pytest.raises(Refused, match="/Nothing"):
        matcher('Nothing == "x"')(ONE)
