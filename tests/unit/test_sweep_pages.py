"""Sweeps on the pages, as people use them without JavaScript."""

import pytest
from django.urls import reverse

from jobs.models import Deployment, Status, Sweep
from tests.unit.api.conftest import api, site  # noqa: F401
from tests.unit.api.conftest import digits as plain_digits  # noqa: F401
from tests.unit.api.test_sweeps import TRAIN

pytestmark = pytest.mark.usefixtures("site", "digits")


@pytest.fixture
def digits(plain_digits):  # noqa: F811
    plain_digits.api_document = {"swagger": "2.0", "paths": {"/v2/models/digits/train/": TRAIN}}
    plain_digits.save()
    return plain_digits


@pytest.fixture
def adas(client, ada):
    client.force_login(ada)
    return client


def train(browser, **values: str):
    return browser.post(reverse("train", args=["digits"]), {name.replace("__", "-"): v for name, v in values.items()})


@pytest.fixture
def sweep(adas) -> Sweep:
    values = {"values__epochs": "1, 2", "values__rate": "0.1\r\n0.5", "argument__layers": "8"}
    train(adas, title="Wide", at_once="3", retries="2", **values)
    return Sweep.objects.get()


def test_several_values_make_a_sweep_and_one_makes_a_training(adas, sweep):
    assert sweep.variants == [{"epochs": e, "rate": r} for e in (1, 2) for r in (0.1, 0.5)]
    assert (sweep.title, sweep.at_once, sweep.deployments.count()) == ("Wide", 3, 3)
    assert sweep.request["arguments"]["layers"] == [8]
    train(adas)
    assert Sweep.objects.count() == 1


def test_values_side_by_side_are_paired(adas):
    train(adas, values__epochs="1, 1, 2", values__layers="[8, 8]\n16\n[4]", combine="list")
    pairs = [{"epochs": 1, "layers": [8, 8]}, {"epochs": 1, "layers": [16]}, {"epochs": 2, "layers": [4]}]
    assert Sweep.objects.get().variants == pairs


def test_values_side_by_side_must_be_as_many(adas):
    page = train(adas, values__epochs="1, 2, 3", values__rate="0.1", combine="list")
    assert page.status_code == 422
    assert "Here are 1 values and 3 elsewhere" in page.content.decode()


def test_a_wrong_value_comes_back_at_its_field_with_all_that_was_typed(adas):
    page = train(adas, values__epochs="1, many, 900", values__rate="0.1", title="Kept")
    text = page.content.decode()
    assert page.status_code == 422
    assert "“many” is not a number." in text
    assert "“900”: This must be at most 500." in text
    assert "1, many, 900" in text
    assert 'value="Kept"' in text
    assert not Deployment.objects.exists()


def test_too_many_are_counted_beside_the_form_before_anything_starts(adas):
    url = reverse("train-beside", args=["digits"])
    few = adas.post(url, {"values-epochs": "1, 2, 3", "values-rate": "0.1, 0.2"}).content.decode()
    assert "6 trainings come out of this, at most 2 at once." in few
    assert "/api/v1/sweeps" in few
    page = train(adas, values__epochs=", ".join(map(str, range(1, 400))), values__rate="1, 2")
    assert "798 trainings; a sweep has at most 200" in page.content.decode()


def test_the_page_shows_each_training_and_can_be_sorted_by_what_it_reached(adas, sweep):
    for place, accuracy in enumerate((0.55, 0.95, 0.75)):
        reached = {"result": {"output": {"accuracy": accuracy}}}
        sweep.deployments.filter(sweep_place=place).update(status=Status.COMPLETED, result=reached)
    page = adas.get(reverse("sweep", args=[sweep.pk])).content.decode()
    assert "3 of 4 ended" in page
    assert "waits its turn" in page
    assert page.index("0.55</td>") < page.index("0.95</td>") < page.index("0.75</td>")
    page = adas.get(reverse("sweep", args=[sweep.pk]) + "?sort=-accuracy").content.decode()
    assert page.index("0.95</td>") < page.index("0.75</td>") < page.index("0.55</td>")
    assert 'aria-sort="descending"' in page


def test_why_the_next_one_waits_is_on_the_page(adas, sweep):
    Sweep.objects.update(reason="The next training waits. You hold 4 of 4 deployments.")
    assert "You hold 4 of 4 deployments." in adas.get(reverse("sweep", args=[sweep.pk])).content.decode()


def test_what_is_attached_to_all_of_them_is_on_the_page(adas, sweep):
    Sweep.objects.update(request={**sweep.request, "storages": [{"target": "photos", "read_only": True}]})
    assert "photos · only to be read" in adas.get(reverse("sweep", args=[sweep.pk])).content.decode()


def test_its_runs_are_compared_without_choosing_them(adas, sweep, client, eve):
    for place, run in enumerate(("r1", "r2")):
        sweep.deployments.filter(sweep_place=place).update(run_id=run, status=Status.COMPLETED)
    address = reverse("runs-compare") + f"?sweep={sweep.pk}"
    assert f'href="{address}"' in adas.get(reverse("sweep", args=[sweep.pk])).content.decode()
    page = adas.get(address)
    assert [row.run.id for row in page.context["rows"]] == ["r1", "r2"]
    assert f'href="{reverse("sweep", args=[sweep.pk])}"' in page.content.decode()
    client.force_login(eve)
    page = client.get(address)
    assert (page.context["rows"], b"Wide" in page.content) == ([], False)


def test_stopping_it_stops_all_of_it(adas, sweep):
    page = adas.post(reverse("sweep-stop", args=[sweep.pk]), follow=True).content.decode()
    assert "“Wide” stops." in page
    assert "never started" in page
    assert not sweep.deployments.live().exists()


def test_a_clone_begins_with_the_same_values(adas, sweep):
    page = adas.get(reverse("train", args=["digits"]) + f"?sweep={sweep.pk}").content.decode()
    assert "1\n2</textarea>" in page
    assert "0.1\n0.5</textarea>" in page
    assert 'name="at_once" value="3"' in page


def test_a_training_leads_to_its_sweep(adas, sweep):
    page = adas.get(reverse("deployment", args=[sweep.deployments.first().pk])).content.decode()
    assert reverse("sweep", args=[sweep.pk]) in page


def test_mlflow_down_costs_the_figures_and_not_the_page(adas, sweep, settings):
    settings.MLFLOW_URL = "http://127.0.0.1:9"
    Sweep.objects.update(run_id="0a1b2c")
    assert adas.get(reverse("sweep", args=[sweep.pk])).status_code == 200


def test_the_list_shows_what_i_may_see(sweep, client, bob, eve):
    for person, sees in ((bob, True), (eve, False)):
        client.force_login(person)
        assert ("Wide" in client.get(reverse("sweeps")).content.decode()) is sees
        assert client.get(reverse("sweep", args=[sweep.pk])).status_code == (200 if sees else 404)


def test_how_a_batch_ended_stands_beside_its_status(adas, sweep):
    training = sweep.deployments.filter(sweep_place=0)
    training.update(status=Status.FAILED, exit_code=3, restarts=1)
    page = adas.get(reverse("deployment", args=[training.get().pk])).content.decode()
    assert "exit code 3" in page
    assert "attempt 2 of 3" in page
