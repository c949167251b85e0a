"""Runs in a browser: charts that grow while a run trains, and several beside each other, in each look."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import LOOKS, findings, scrolls_sideways
from tests.unit.runs.conftest import account_in, mlflow, training_of  # noqa: F401  fixtures
from tests.unit.runs.double import run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

RATES = ("0.001", "0.003", "0.01", "0.05")


@pytest.fixture
def sweep(mlflow, ada):  # noqa: F811
    """Four runs of Ada's that differ in how fast they learned."""
    runs = []
    for place, rate in enumerate(RATES):
        tags, params = {"serai.module": "digits"}, {"learning_rate": rate, "epochs": "25"}
        metrics = {"test_accuracy": 0.9 + place / 50, "train_loss": 0.4 / (place + 1)}
        runs.append(run(f"run{place}", name=f"Rate {rate}", params=params, metrics=metrics, tags=tags))
        mlflow.histories[(f"run{place}", "train_loss")] = [(step, str(1 / (step + place))) for step in range(1, 26)]
        mlflow.histories[(f"run{place}", "test_accuracy")] = [
            (step, str(1 - 1 / (step + place))) for step in range(1, 26)
        ]
        mlflow.files[f"run{place}"] = {"notes.txt": b"It settled.", "table.csv": b"digit,right\n7,31\n8,29\n"}
    mlflow.runs[account_in(ada.personal_project)] = runs
    training_of(ada)
    return mlflow


def looked_at(visit, axe_source: str, name: str) -> list[str]:
    visit.page.wait_for_timeout(600)
    visit.shoot(name)
    sideways = ["it scrolls sideways"] if scrolls_sideways(visit) else []
    return [*visit.complaints, *findings(visit, axe_source), *sideways]


@pytest.mark.parametrize("look", LOOKS)
def test_list_run_file_and_comparison_are_sound(visit, sweep, ada, axe_source, look):
    width, scheme = LOOKS[look]
    browser = visit(ada, width=width, color_scheme=scheme)
    wrong = {}
    compared = "/runs/compare/?ids=" + ",".join(f"run{place}" for place in range(4))
    for name, path in {
        "list": "/runs/?filter=metrics.loss > 0",
        "one": "/runs/run0/",
        "file": "/runs/run0/file/?path=table.csv",
        "compared": compared,
        "all": compared + "&show=all",
        "too-few": "/runs/compare/?ids=run0",
    }.items():
        assert browser.go(path) == 200
        if name in ("one", "compared", "all"):
            expect(browser.page.locator("#metrics canvas")).to_have_count(2)
        wrong |= {path: found} if (found := looked_at(browser, axe_source, f"{look}-runs-{name}")) else {}
    assert not wrong


def test_runs_are_chosen_and_compared_by_clicks(visit, sweep, ada):
    browser = visit(ada)
    browser.go("/runs/")
    page = browser.page
    for rate in RATES[:3]:
        page.get_by_label(f"Compare Rate {rate}").check()
    expect(page.locator("#chosen")).to_contain_text("Chosen: 3")
    page.get_by_role("button", name="Compare the chosen").click()
    table = page.locator(".runs-beside")
    expect(table).to_contain_text("learning_rate")
    expect(table).not_to_contain_text("epochs")
    page.get_by_role("link", name=re.compile("alike")).click()
    expect(table).to_contain_text("epochs")
    expect(page.locator("#metrics canvas")).to_have_count(2)
    assert not browser.complaints


def test_lines_are_told_apart_and_follow_the_theme(visit, sweep, ada):
    browser = visit(ada)
    browser.go("/runs/compare/?ids=" + ",".join(f"run{place}" for place in range(4)))
    colours = "[...document.querySelectorAll('.runs-legend .runs-line')].map(line => getComputedStyle(line).color)"
    light = browser.page.evaluate(colours)
    assert len(set(light)) == 4
    browser.page.emulate_media(color_scheme="dark")
    browser.page.wait_for_timeout(1_000)
    dark = browser.page.evaluate(colours)
    assert len(set(dark)) == 4
    assert set(light).isdisjoint(dark)


def test_a_chart_grows_while_its_run_trains_and_rests_when_it_has_ended(visit, mlflow, ada):  # noqa: F811
    account = account_in(ada.personal_project)
    mlflow.runs[account] = [run("live", name="Live", status="RUNNING", metrics={"loss": 1.0})]
    mlflow.histories[("live", "loss")] = [(1, "1.0"), (2, "0.5")]
    browser = visit(ada)
    browser.go("/runs/live/")
    caption = browser.page.locator("#metrics figcaption")
    expect(caption).to_have_text("loss: 0.5")
    mlflow.histories[("live", "loss")].append((3, "0.125"))
    expect(caption).to_have_text("loss: 0.125", timeout=10_000)
    mlflow.runs[account] = [run("live", name="Live", metrics={"loss": 1.0})]
    browser.page.wait_for_timeout(5_000)
    mlflow.asked.clear()
    browser.page.wait_for_timeout(3_000)
    assert not mlflow.asked
    assert not browser.complaints


def test_without_javascript_the_list_the_values_and_the_files_are_there(visit, sweep, ada):
    browser = visit(ada)
    browser.page.context.route("**/*.js", lambda route: route.abort())
    browser.go("/runs/")
    browser.page.get_by_label("Compare Rate 0.001").check()
    browser.page.get_by_label("Compare Rate 0.05").check()
    browser.page.get_by_role("button", name="Compare the chosen").click()
    expect(browser.page.locator(".runs-beside")).to_contain_text("0.96")
    browser.go("/runs/run0/")
    browser.page.get_by_role("link", name="notes.txt", exact=True).click()
    expect(browser.page.locator("main")).to_contain_text("It settled.")
