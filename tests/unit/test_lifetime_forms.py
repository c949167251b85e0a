"""How long something is to run, as pages and REST ask it, and how people put its end off."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from dashboard.form_schema import json_schema
from dashboard.forms import DeployForm, api_body
from jobs import services
from jobs.models import Deployment, Status
from tests.unit.jobs.conftest import _own_data, ask, digits, site  # noqa: F401
from tests.unit.tools.conftest import folder, ide, toy  # noqa: F401
from tests.unit.tools.test_deploying import body

pytestmark = pytest.mark.django_db


def form_of(ada, **given):
    return DeployForm.from_api(body(**given), owner=ada)


def problem(form, name: str) -> str:
    assert not form.is_valid()
    return dict(form.problems())[f"#/{name}"]


def test_a_development_environment_ends_by_itself_unless_somebody_says_otherwise(site, ide, ada):  # noqa: F811
    plain = form_of(ada, tool="ide")
    assert plain.is_valid(), plain.problems()
    request = plain.deploy_request()
    assert (request.max_run_seconds, request.idle_stop_minutes) == (12 * 3600, 60)
    never = form_of(ada, tool="ide", max_run_seconds=0, idle_stop_minutes=0)
    assert never.is_valid(), never.problems()
    assert (never.deploy_request().max_run_seconds, never.deploy_request().idle_stop_minutes) == (None, None)
    assert api_body(never).items() >= {"max_run_seconds": 0, "idle_stop_minutes": 0}.items()


def test_another_service_runs_for_ever_unless_somebody_says_otherwise(site, digits, ada):  # noqa: F811
    plain = form_of(ada, tool=None, module="digits")
    assert plain.is_valid(), plain.problems()
    request = plain.deploy_request()
    assert (request.max_run_seconds, request.idle_stop_minutes) == (None, None)
    assert not {"max_run_seconds", "idle_stop_minutes"} & api_body(plain).keys()
    limited = form_of(ada, tool=None, module="digits", max_run_seconds=60, idle_stop_minutes=5)
    assert limited.is_valid()
    assert api_body(limited).items() >= {"max_run_seconds": 60, "idle_stop_minutes": 5}.items()


def test_the_page_takes_times_as_people_say_them(site, ide, ada):  # noqa: F811
    untouched = DeployForm(owner=ada, asset=ide).initial_data()
    form = DeployForm({**untouched, "max_run_seconds": "1 h 30 min"}, owner=ada, asset=ide)
    assert form.is_valid(), form.problems()
    assert form.deploy_request().max_run_seconds == 5_400
    assert 'value="12 h"' in str(DeployForm(owner=ada, asset=ide)["max_run_seconds"])
    assert "no length of time" in problem(
        DeployForm({**untouched, "max_run_seconds": "soon"}, owner=ada, asset=ide), "max_run_seconds"
    )


def test_a_site_may_limit_what_people_choose_for_environments(site, ide, digits, ada, settings):  # noqa: F811
    settings.IDE_HOURS_MAX, settings.IDE_IDLE_MINUTES_MAX = 24, 90
    assert problem(form_of(ada, tool="ide", max_run_seconds=0), "max_run_seconds") == "Here it is 1 d at most."
    assert (
        problem(form_of(ada, tool="ide", idle_stop_minutes=91), "idle_stop_minutes") == "Here it is 1 h 30 min at most."
    )
    assert form_of(ada, tool="ide", max_run_seconds=24 * 3600, idle_stop_minutes=90).is_valid()
    assert form_of(ada, tool=None, module="digits", max_run_seconds=25 * 3600, idle_stop_minutes=91).is_valid()


def test_the_form_of_a_service_deploys_and_asks_when_it_stops(site, ide, ada, client):  # noqa: F811
    client.force_login(ada)
    page = client.get(reverse("deploy", args=["ide"])).content.decode()
    assert 'name="idle_stop_minutes"' in page
    assert page.count('name="max_run_seconds"') == 1
    assert "Deploy\n" in page[page.index('<button type="submit" class="btn btn-primary">') :]


def test_a_batch_ends_by_itself(site, digits, ada):  # noqa: F811
    batch = form_of(ada, tool=None, module="digits", kind="batch", idle_stop_minutes=5)
    assert problem(batch, "idle_stop_minutes") == "Only a service takes this."


def test_the_schema_of_the_form_has_the_times_and_their_defaults(site, ide, ada):  # noqa: F811
    properties = json_schema(DeployForm(owner=ada, asset=ide))["properties"]
    assert properties["max_run_seconds"].items() >= {"type": "integer", "default": 43_200, "minimum": 0}.items()
    assert properties["idle_stop_minutes"].items() >= {"type": "integer", "default": 60}.items()


def test_a_copy_of_what_never_ends_never_ends(site, ide, ask, ada, client):  # noqa: F811
    original = services.deploy(ask("ide", memory_mb=500), owner=ada)
    client.force_login(ada)
    page = client.get(reverse("deploy", args=["ide"]) + f"?clone={original.pk}")
    assert page.context["form"]["idle_stop_minutes"].value() == 0
    assert page.context["form"]["max_run_seconds"].value() == 0


# ── On its page, and by REST ─────────────────────────────────────────────────────────────────────
@pytest.fixture
def ending(site, digits, ask, ada) -> Deployment:  # noqa: F811
    """What ends in five minutes."""
    deployment = services.deploy(ask(max_run_seconds=3_600, idle_stop_minutes=600), owner=ada)
    soon = (timezone.now() + timedelta(minutes=5)).replace(microsecond=0)
    Deployment.objects.update(status=Status.RUNNING, deadline=soon, last_active=timezone.now())
    deployment.refresh_from_db()
    return deployment


def test_its_page_warns_and_extends_by_one_click(ending, ada, client):
    client.force_login(ada)
    address = reverse("deployment", args=[ending.pk])
    assert 'id="lifetime-warning"' in client.get(address).content.decode()
    client.post(reverse("deployment-extend", args=[ending.pk]), {"minutes": 240})
    page = client.get(address).content.decode()
    assert 'id="lifetime-warning"' not in page
    assert "goes on" in page
    assert "Stops when nobody has used it for 10 h." in page
    extended = Deployment.objects.get(pk=ending.pk)
    assert extended.deadline - ending.deadline == timedelta(hours=4)
    assert extended.events.get(verb="was extended").actor == ada


@pytest.mark.parametrize("minutes", ["", "much", "-3", "99999999999"])
def test_an_odd_number_of_minutes_is_an_hour(ending, ada, client, minutes):
    client.force_login(ada)
    client.post(reverse("deployment-extend", args=[ending.pk]), {"minutes": minutes})
    assert Deployment.objects.get(pk=ending.pk).deadline - ending.deadline == timedelta(hours=1)


def test_what_has_ended_says_why_it_is_not_extended(ending, ada, client):
    Deployment.objects.update(status=Status.STOPPED)
    client.force_login(ada)
    page = client.post(reverse("deployment-extend", args=[ending.pk]), follow=True).content.decode()
    assert "It does not run" in page


def test_a_script_extends_it_and_reads_when_it_stops(ending, ada, client, bearer):
    address = f"/api/v1/deployments/{ending.pk}"
    assert client.get(address, headers=bearer(ada)).json()["stops"] == client_time(ending.deadline)
    answer = client.post(f"{address}/extend", {"minutes": 30}, content_type="application/json", headers=bearer(ada))
    assert answer.status_code == 200
    assert answer.json()["deadline"] == client_time(ending.deadline + timedelta(minutes=30))
    wrong = client.post(f"{address}/extend", {"minutes": 0}, content_type="application/json", headers=bearer(ada))
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "#/minutes")


def test_somebody_elses_is_not_there(ending, eve, client, bearer):
    client.force_login(eve)
    assert client.post(reverse("deployment-extend", args=[ending.pk])).status_code == 404
    answer = client.post(
        f"/api/v1/deployments/{ending.pk}/extend", {}, content_type="application/json", headers=bearer(eve)
    )
    assert answer.status_code == 404


def client_time(moment) -> str:
    return moment.isoformat().replace("+00:00", "Z")
