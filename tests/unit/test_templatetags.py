"""What templates say with our tags, in the words that people read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django import forms
from django.template import Context, Template
from django.test import RequestFactory

from dashboard.looks import STATUS_LOOKS, status_look
from dashboard.templatetags import serai
from jobs.models import Deployment, Status

NOON = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)


def draw(source: str, **context) -> str:
    return Template("{% load serai %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=10), "just now"),
        (timedelta(seconds=50), "1 minute ago"),
        (timedelta(minutes=5), "5 minutes ago"),
        (timedelta(hours=3), "3 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=100), "3 months ago"),
        (timedelta(days=800), "2 years ago"),
        (-timedelta(days=30), "in 30 days"),
    ],
)
def test_times_are_told_as_people_tell_them(distance, words):
    assert serai.ago(NOON - distance, NOON) == words


def test_a_relative_time_keeps_the_exact_one_for_machines_and_on_hover():
    drawn = serai.relative_time(NOON)
    assert 'datetime="2025-06-01T12:00:00Z"' in drawn
    assert "12:00:00 UTC" in drawn


def test_a_time_that_never_was_is_said_in_words():
    assert serai.relative_time(None, "never") == "never"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.4, "0 s"), (59, "59 s"), (72, "1 min 12 s"), (3_720, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_durations_have_their_two_largest_units(seconds, words):
    assert serai.duration(seconds) == words
    if seconds is not None:
        assert serai.duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(None, "–"), (0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (8_000_000_000, "8 GB"), (2.5e15, "2500 TB")],
)
def test_sizes_count_in_thousands(size, words):
    assert serai.filesize(size) == words


def test_megabytes_are_told_in_the_fitting_unit():
    assert serai.megabytes(8_000) == "8 GB"


@pytest.mark.parametrize(("part", "whole", "percent"), [(1, 4, 25), (5, 4, 100), (-1, 4, 0), (3, 0, 0)])
def test_a_share_is_between_nothing_and_all(part, whole, percent):
    assert serai.percent_of(part, whole) == percent


def test_a_sparkline_spans_its_width_and_height():
    points = serai.sparkline([0, 10, 5]).split('points="')[1].split('"')[0]
    assert points == "0.0,26.0 60.0,2.0 120.0,14.0"


def test_one_value_makes_no_line():
    assert serai.sparkline([3]) == ""


def test_a_facet_value_is_added_and_taken_away_and_the_rest_of_the_query_stays():
    request = RequestFactory().get("/modules", {"q": "leaf", "tasks": ["a", "b"], "page": "3"})
    context = {"request": request}
    assert draw("{% toggle_query 'tasks' 'c' %}", **context) == "?q=leaf&amp;tasks=a&amp;tasks=b&amp;tasks=c"
    assert draw("{% toggle_query 'tasks' 'a' %}", **context) == "?q=leaf&amp;tasks=b"


def test_every_status_has_a_look_with_an_icon_and_a_word():
    assert set(STATUS_LOOKS) == set(Status)
    assert all(look.icon and look.text for look in STATUS_LOOKS.values())


def test_running_but_not_healthy_looks_like_a_warning():
    drawn = draw("{% status_badge deployment %}", deployment=Deployment(status=Status.RUNNING, healthy=False))
    assert "not healthy" in drawn
    assert "tag-warning" in drawn
    assert status_look(Status.RUNNING, True).tone == "good"


def test_texts_in_components_are_escaped():
    evil = "<script>alert(1)</script>"
    drawn = draw(
        "{% card title=evil %}{{ evil }}{% endcard %}"
        "{% badge evil title=evil %}"
        "{% page_header evil %}{% endpage_header %}",
        evil=evil,
    )
    assert "<script>" not in drawn
    assert drawn.count("&lt;script&gt;") == 5


def test_an_icon_without_a_label_is_hidden_from_screen_readers():
    assert 'aria-hidden="true"' in serai.icon("check")
    assert 'role="img" aria-label="done"' in serai.icon("check", label="done")


class Beds(forms.Form):
    beds = forms.IntegerField(help_text="How many sleep here", min_value=1)
    fire = forms.BooleanField(required=False, help_text="Lit at dusk")
    side = forms.ChoiceField(choices=[("n", "north"), ("s", "south")], widget=forms.RadioSelect)


def test_a_field_ties_its_help_and_its_errors_to_its_control():
    drawn = Beds({"beds": "0", "side": "n"}).render()
    assert 'aria-describedby="id_beds_helptext id_beds_error"' in drawn
    assert 'id="id_beds_helptext"' in drawn
    assert 'id="id_beds_error"' in drawn
    assert "form-control is-invalid" in drawn


def test_choices_are_a_fieldset_with_a_legend():
    drawn = Beds().render()
    assert "<fieldset" in drawn
    assert "<legend" in drawn


def test_every_icon_that_is_named_exists():
    root = Path(__file__).resolve().parents[2]
    icons = root / "node_modules" / "@tabler" / "icons" / "icons" / "outline"
    if not icons.exists():
        pytest.skip("@tabler/icons is not installed: npm ci")
    looks = [*STATUS_LOOKS.values(), status_look(Status.RUNNING, False)]
    assert [look.icon for look in looks if not (icons / f"{look.icon}.svg").exists()] == []


def test_the_lock_of_npm_names_no_host():
    lock = (Path(__file__).resolve().parents[2] / "package-lock.json").read_text()
    assert "://" not in lock, "npm run lock takes the addresses out"
