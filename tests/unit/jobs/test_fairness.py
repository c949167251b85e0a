"""Whose turn it is in a queue that people share."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from jobs.admission.fairness import Waiting, in_turn

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def run(key: str, person: str, minute: int, size: float = 1) -> Waiting:
    return Waiting(key, person, NOON + timedelta(minutes=minute), size)


def keys(order: list[Waiting]) -> str:
    return "".join(str(one.key) for one in order)


def test_who_asked_first_goes_first_where_nobody_has_anything():
    assert keys(in_turn([run("b", "bob", 2), run("a", "ada", 1)], {})) == "ab"


def test_fifty_runs_of_one_person_keep_no_other_waiting():
    many = [run(str(number), "ada", number) for number in range(5)]
    assert keys(in_turn([*many, run("b", "bob", 9)], {})) == "0b1234"


def test_who_holds_much_already_waits_for_who_holds_less():
    assert keys(in_turn([run("a", "ada", 1), run("b", "bob", 2)], {"ada": 4})) == "ba"


def test_large_runs_count_for_more_than_small_ones():
    waiting = [run("A", "ada", 1, 4), run("B", "ada", 2, 4), run("x", "bob", 3), run("y", "bob", 4), run("z", "bob", 5)]
    assert keys(in_turn(waiting, {})) == "AxyzB"


WAITING = some.lists(
    some.tuples(some.sampled_from("abc"), some.integers(0, 5), some.sampled_from([0.1, 1, 8])), max_size=12
).map(lambda rows: [run(str(n), person, minute, size) for n, (person, minute, size) in enumerate(rows)])
HELD = some.dictionaries(some.sampled_from("abcd"), some.floats(0, 20))


@given(waiting=WAITING, held=HELD)
def test_everybody_stands_in_it_once_and_each_persons_own_keep_their_order(waiting, held):
    order = in_turn(waiting, held)
    assert Counter(one.key for one in order) == Counter(one.key for one in waiting)
    for person in "abc":
        own = [one.since for one in order if one.person == person]
        assert own == sorted(own)


@given(waiting=WAITING, held=HELD, data=some.data())
def test_the_order_is_one_however_they_are_listed(waiting, held, data):
    assert in_turn(data.draw(some.permutations(waiting)), held) == in_turn(waiting, held)


@given(waiting=WAITING, held=HELD)
def test_nobody_goes_while_somebody_who_waits_has_less(waiting, held):
    shares = {person: held.get(person, 0.0) for person in "abc"}
    left = list(waiting)
    for one in in_turn(waiting, held):
        assert shares[one.person] == min(shares[other.person] for other in left)
        shares[one.person] += one.size
        left.remove(one)
