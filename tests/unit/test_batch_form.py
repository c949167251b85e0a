"""A batch run as people ask for it: a script, attempts, the longest time; on the page and by REST."""

import pytest
from django.urls import reverse

from dashboard import batch_fields
from jobs.models import Deployment
from tests.unit.api.conftest import api, digits, site  # noqa: F401

pytestmark = pytest.mark.usefixtures("site", "digits")
SCRIPT = "print('{{ hello }} ${HOME} %{x}')\n"


@pytest.fixture
def adas(client, ada):
    client.force_login(ada)
    return client


def train(browser, **values: str):
    return browser.post(reverse("train", args=["digits"]), values)


def batch(api, **values: object):  # noqa: F811
    return api.post("deployments", {"module": "digits", "kind": "batch", **values})


def only_error(answer) -> tuple[str, str]:
    assert answer.status_code == 422, answer.content
    [error] = answer.json()["errors"]
    return error["pointer"], error["detail"]


def test_a_script_is_kept_letter_by_letter_with_plain_line_ends(adas):
    train(adas, script=SCRIPT.replace("\n", "\r\n") + "\tx = 1  ")
    assert Deployment.objects.get().request["script"] == SCRIPT + "\tx = 1  "


def test_page_and_rest_ask_for_the_same(adas, api):  # noqa: F811
    train(adas, script=SCRIPT, retries="2", max_run_seconds="1 h 30 min")
    assert batch(api, script=SCRIPT, retries=2, max_run_seconds=5_400).status_code == 201
    by_rest, by_page = Deployment.objects.order_by("-created")
    assert by_rest.request == by_page.request
    assert (by_page.request["retries"], by_page.request["max_run_seconds"]) == (2, 5_400)


def test_a_form_sent_untouched_trains_once_and_as_long_as_it_takes(adas):
    train(adas)
    request = Deployment.objects.get().request
    assert (request["script"], request["retries"], request["max_run_seconds"]) == ("", 0, None)


@pytest.mark.parametrize("script", ["", "  \n\t", "\r\n"])
def test_an_empty_script_by_rest_is_a_mistake(api, script):  # noqa: F811
    assert only_error(batch(api, script=script)) == ("#/script", batch_fields.empty())


def test_a_script_of_two_megabytes_is_refused_with_both_sizes(api, adas):  # noqa: F811
    pointer, detail = only_error(batch(api, script="#" * 2_000_000))
    assert pointer == "#/script"
    assert "2,000 kB" in detail
    assert "200 kB" in detail
    page = train(adas, script="é" * 100_001)
    assert page.status_code == 422
    assert "200 kB; at most 200 kB" in page.content.decode()
    assert not Deployment.objects.exists()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("retries", -1, "greater than or equal to 0"),
        ("retries", 11, "less than or equal to 10"),
        ("max_run_seconds", 0, "greater than or equal to 1"),
        ("max_run_seconds", 10**12, "less than or equal to"),
        ("script", 5, "A text is wanted here."),
        ("retries", "2", "A number is wanted here"),
    ],
)
def test_a_value_out_of_range_is_told_at_its_place(api, name, value, says):  # noqa: F811
    pointer, detail = only_error(batch(api, **{name: value}))
    assert pointer == f"#/{name}"
    assert says in detail


@pytest.mark.parametrize("text", ["soon", "1 fortnight", "2 h and a bit", "-5 min", "1,5 h"])
def test_a_length_of_time_that_nobody_can_read_says_how_to_write_one(adas, text):
    page = train(adas, max_run_seconds=text)
    assert page.status_code == 422
    assert "Write it as 45 min, 2 h or 1 d 12 h." in page.content.decode()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("45 min", 2_700), ("1h30m", 5_400), ("1.5 h", 5_400), ("1 d, 12 h", 129_600)]
)
def test_a_length_of_time_is_read_as_people_write_it(text, seconds):
    assert batch_fields.seconds_of(text) == seconds
    assert batch_fields.seconds_of(batch_fields.in_units(seconds)) == seconds


@pytest.mark.parametrize(("name", "value"), [("script", "x = 1"), ("retries", 2)])
def test_a_service_takes_none_of_it(api, name, value):  # noqa: F811
    pointer, detail = only_error(api.post("deployments", {"module": "digits", name: value}))
    assert (pointer, detail) == (f"#/{name}", "Only a batch run (kind “batch”) takes this.")


def test_a_clone_begins_with_the_same_script_and_limits(adas):
    train(adas, script=SCRIPT, retries="3", max_run_seconds="7200")
    page = adas.get(reverse("deployment-clone", args=[Deployment.objects.get().pk]), follow=True).content.decode()
    assert "{{ hello }} ${HOME} %{x}" in page
    assert 'value="3"' in page
    assert 'value="2 h"' in page


def test_the_form_in_json_schema_names_them(api):  # noqa: F811
    properties = api.get("modules/digits/form?kind=batch").json()["properties"]
    assert properties["script"]["type"] == "string"
    assert properties["retries"]["maximum"] == 10
    assert properties["max_run_seconds"]["type"] == "integer"
    assert "script" not in api.get("modules/digits/form").json()["properties"]
