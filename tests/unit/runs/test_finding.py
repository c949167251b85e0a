"""Whose runs are found, in which order, with how many calls."""

import time

import pytest

from accounts.models import Project
from jobs import tracking
from jobs.tracking import BadFilter, Order, TrackingUnavailable, Wanted
from tests.unit.runs.conftest import account_in
from tests.unit.runs.double import run

pytestmark = pytest.mark.django_db


def names(found):
    return [item.run.name for item in found.runs]


def of(*people):
    return [person.personal_project for person in people]


def test_each_project_sees_its_own_runs_by_its_own_account(mlflow, ada, eve):
    mlflow.runs = {
        account_in(ada.personal_project): [run("a1", name="Ada's")],
        account_in(eve.personal_project): [run("e1", name="Eve's")],
    }
    assert names(tracking.find(of(ada), Wanted(), limit=10)) == ["Ada's"]
    assert sorted(names(tracking.find(of(ada, eve), Wanted(), limit=10))) == ["Ada's", "Eve's"]
    assert [item.project for item in tracking.find_by_ids(of(ada), ["a1", "e1"])] == of(ada)


def test_a_run_that_others_looked_at_is_still_not_mine(mlflow, ada, eve):
    """Where a run is remembered to be is no right to see it."""
    mlflow.runs = {account_in(ada.personal_project): [run("a1")]}
    account_in(eve.personal_project)
    assert tracking.find_by_ids(of(ada), ["a1"])
    assert tracking.find_by_ids(of(eve), ["a1"]) == []


def test_a_list_costs_one_call_a_project_however_many_runs_it_has(mlflow, ada, bob):
    for person in (ada, bob):
        account = account_in(person.personal_project)
        mlflow.runs[account] = [run(f"{account}-{n}", started=1_000_000 + n) for n in range(300)]
    tracking.find(of(ada, bob), Wanted(), limit=50)
    mlflow.asked.clear()
    found = tracking.find(of(ada, bob), Wanted(), limit=50)
    assert mlflow.asked == {"runs/search": 2}
    assert len(found.runs) == 50
    assert found.more


def test_projects_are_asked_at_the_same_time(mlflow, ada, db):
    projects = [Project.objects.create(slug=f"p{n}", name=f"P{n}") for n in range(6)]
    for project in projects:
        account_in(project)
    mlflow.delay_seconds = 0.3
    began = time.monotonic()
    tracking.find(projects, Wanted(), limit=10)
    assert time.monotonic() - began < 6 * 0.6 / 2


def test_pages_of_several_projects_follow_on_each_other(mlflow, ada, eve):
    mlflow.runs = {
        account_in(ada.personal_project): [run(f"a{n}", name=f"{n}", started=n * 1000) for n in (8, 6, 4, 2)],
        account_in(eve.personal_project): [run(f"e{n}", name=f"{n}", started=n * 1000) for n in (7, 5, 3, 1)],
    }
    first = tracking.find(of(ada, eve), Wanted(), limit=5)
    second = tracking.find(of(ada, eve), Wanted(), limit=5, offset=5)
    assert names(first) + names(second) == list("87654321")
    assert (first.more, second.more) == (True, False)


def test_a_metric_sorts_and_what_has_none_comes_last(mlflow, ada):
    mlflow.runs = {
        account_in(ada.personal_project): [
            run("1", name="none"),
            run("2", name="low", metrics={"loss": 0.1}),
            run("3", name="odd", metrics={"loss": "NaN"}),
            run("4", name="high", metrics={"loss": 0.9}),
        ]
    }
    assert names(tracking.find(of(ada), Wanted(order=Order.parse("-metrics.loss")), limit=9))[:2] == ["high", "low"]
    assert names(tracking.find(of(ada), Wanted(order=Order.parse("metrics.loss")), limit=9))[:2] == ["low", "high"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("first", ["first"]),
        ("epochs=3", ["first"]),
        ("DIGITS epochs", ["first", "second"]),
        ("iris", ["second"]),
        ("x", []),
    ],
)
def test_plain_words_are_looked_for_in_names_parameters_modules_and_data(mlflow, ada, words, found):
    tags = {"serai.module": "digits"}
    mlflow.runs = {
        account_in(ada.personal_project): [
            run("1", name="first", params={"epochs": "3"}, tags=tags),
            run("2", name="second", params={"epochs": "5"}, tags=tags, datasets=[{"name": "iris", "source": "{}"}]),
        ]
    }
    assert sorted(names(tracking.find(of(ada), Wanted(words=words), limit=9))) == found


def test_filters_become_mlflows_words_and_what_is_typed_only_narrows(mlflow, ada):
    account_in(ada.personal_project)
    wanted = Wanted(module="digits", status="FAILED", sweep="s", filter="metrics.loss < 1")
    tracking.find(of(ada), wanted, limit=1)
    assert mlflow.filters == [
        "tags.`serai.module` = 'digits' and tags.`serai.sweep` = 's' and tags.`serai.deployment` != '' and attributes.status = 'FAILED' and metrics.loss < 1"
    ]


def test_a_quote_in_a_filter_does_not_end_its_text(mlflow, ada):
    account_in(ada.personal_project)
    tracking.find(of(ada), Wanted(module="x' or tags.a = 'b"), limit=1)
    assert mlflow.filters[0].count("'") == 2


def test_a_filter_that_mlflow_cannot_read_is_said_in_its_words(mlflow, ada):
    account_in(ada.personal_project)
    mlflow.refuses_filter = "Invalid clause(s) in filter string"
    with pytest.raises(BadFilter, match="Invalid clause"):
        tracking.find(of(ada), Wanted(filter="metrics.x >"), limit=1)


def test_while_it_is_away_that_is_said_within_seconds(away, ada):
    account_in(ada.personal_project)
    began = time.monotonic()
    with pytest.raises(TrackingUnavailable):
        tracking.find(of(ada), Wanted(), limit=1)
    assert time.monotonic() - began < 3


def test_looking_makes_no_account(mlflow, ada):
    from_nobody = tracking.find(of(ada), Wanted(), limit=1)
    assert (list(from_nobody.runs), mlflow.asked) == ([], {})


def test_courses_of_several_runs_take_one_call_a_metric(mlflow, ada):
    mlflow.runs = {account_in(ada.personal_project): [run(n, metrics={"loss": 1, "acc": 1}) for n in "12"]}
    mlflow.histories = {("1", "loss"): [(2, "0.5"), (1, "1.0")], ("2", "loss"): [(1, "NaN"), (1, "Infinity")]}
    items = tracking.find_by_ids(of(ada), ["1", "2"])
    courses = tracking.courses(items, ["loss", "acc"])
    assert mlflow.asked["metrics/get-history-bulk-interval"] == 2
    assert [(one.run_id, one.steps, one.values) for one in courses["loss"]] == [
        ("1", (1, 2), (1.0, 0.5)),
        ("2", (1,), (None,)),
    ]
    assert courses["acc"] == []


def test_data_says_where_it_came_from(mlflow, ada):
    datasets = [
        {
            "name": "plants",
            "digest": "ab12",
            "source_type": "http",
            "source": '{"url": "https://example.org/plants.zip"}',
        },
        {"name": "own", "digest": "cd", "source_type": "code", "source": "a folder"},
    ]
    mlflow.runs = {account_in(ada.personal_project): [run("1", datasets=datasets)]}
    [item] = tracking.find_by_ids(of(ada), ["1"])
    assert [(one.name, one.source) for one in item.run.datasets] == [
        ("plants", "https://example.org/plants.zip"),
        ("own", "a folder"),
    ]
