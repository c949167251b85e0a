"""The pages of runs, as people use them without JavaScript."""

import pytest
from django.urls import reverse

from accounts.models import Membership, Role
from jobs.models import Status, Sweep
from tests.unit.answers import whole
from tests.unit.runs.conftest import account_in, training_of
from tests.unit.runs.double import run

pytestmark = pytest.mark.django_db


@pytest.fixture
def adas(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def two(mlflow, ada):
    """Two runs of Ada's, alike but for one parameter and how well they went."""
    tags = {"serai.module": "digits"}
    mlflow.runs = {
        account_in(ada.personal_project): [
            run("aa11", name="Alpha", params={"epochs": "3", "seed": "0"}, metrics={"loss": 0.5}, tags=tags),
            run("bb22", name="Beta", params={"epochs": "5", "seed": "0"}, metrics={"loss": 0.25}, tags=tags),
        ]
    }
    return mlflow


def page(client, name, *args, query=""):
    return client.get(reverse(name, args=args) + query).content.decode()


def test_the_list_has_columns_for_what_differs_and_says_once_what_is_alike(adas, two):
    shown = page(adas, "runs")
    assert "Alpha" in shown
    assert "sort=-params.epochs" in shown
    assert "sort=-params.seed" not in shown
    assert "<code>seed</code> 0" in shown


def test_a_run_without_parameters_makes_nothing_differ(adas, two, ada):
    two.runs[account_in(ada.personal_project)].append(run("cc33", name="Gamma"))
    shown = page(adas, "runs")
    assert "Gamma" in shown
    assert "sort=-params.seed" not in shown


def test_eve_sees_none_of_it(client, two, eve):
    account_in(eve.personal_project)
    client.force_login(eve)
    assert "Alpha" not in page(client, "runs")
    for name in ("run", "run-metrics", "run-file"):
        assert client.get(reverse(name, args=["aa11"])).status_code == 404, name
    compared = client.get(reverse("runs-compare"), {"ids": "aa11,bb22"})
    assert b"Alpha" not in compared.content
    assert client.get(reverse("runs-compare-metrics"), {"ids": "aa11"}).status_code == 404


def test_bob_sees_the_runs_of_the_project_that_he_works_in(client, two, bob):
    client.force_login(bob)
    assert "Alpha" in page(client, "runs")
    assert "Alpha" in page(client, "run", "aa11")


def test_a_viewer_looks_and_is_not_led_to_where_runs_can_be_deleted(client, two, ada, eve):
    Membership.objects.create(project=ada.personal_project, user=eve, role=Role.VIEWER)
    training_of(ada)
    for person, led in ((ada, True), (eve, False)):
        client.force_login(person)
        assert ("Open in MLflow" in page(client, "run", "aa11")) is led


def test_a_run_leads_to_its_deployment_and_to_no_other_projects(adas, two, ada, eve):
    mine, hers = training_of(ada, title="Mine"), training_of(eve, title="Hers")
    one, other = two.runs[account_in(ada.personal_project)]
    one["data"]["tags"].append({"key": "serai.deployment", "value": str(mine.pk)})
    other["data"]["tags"].append({"key": "serai.deployment", "value": str(hers.pk)})
    assert reverse("deployment", args=[mine.pk]) in page(adas, "run", "aa11")
    assert str(hers.pk) not in page(adas, "run", "bb22")


def test_a_run_tells_its_module_version_and_data(adas, two, ada):
    [one, _other] = two.runs[account_in(ada.personal_project)]
    one["data"]["tags"] += [
        {"key": "serai.version", "value": "1.2.0"},
        {"key": "serai.revision", "value": "abcdef0123456789"},
        {"key": "why", "value": "a try"},
    ]
    one["inputs"]["dataset_inputs"] = [{"dataset": {"name": "plants", "digest": "ab12", "source": "{}"}}]
    shown = page(adas, "run", "aa11")
    assert "1.2.0 · abcdef012345" in shown
    assert "plants" in shown
    assert "a try" in shown
    assert "serai.version" not in shown


def test_a_list_is_narrowed_to_a_deployment_and_a_sweep_by_name(adas, two, ada):
    training = training_of(ada, title="Only this one")
    sweep = Sweep.objects.create(
        project=ada.personal_project, owner=ada, asset_slug="digits", title="Four of them", request={}, variants=[]
    )
    assert "Only this one" in page(adas, "runs", query=f"?deployment={training.pk}")
    assert "Four of them" in page(adas, "runs", query=f"?sweep={sweep.pk}")
    assert two.filters == [
        f"tags.`serai.deployment` = '{training.pk}'",
        f"tags.`serai.sweep` = '{sweep.pk}' and tags.`serai.deployment` != ''",
    ]


@pytest.mark.parametrize("query", ["deployment=x", "sweep=x", "status=x", "page=x", "sort=x", "project=x", "columns=x"])
def test_what_nothing_can_be_is_no_error(adas, two, query):
    assert adas.get(reverse("runs") + "?" + query).status_code == 200


def test_a_run_that_says_nonsense_of_itself_is_shown(adas, two, ada):
    one, other = two.runs[account_in(ada.personal_project)]
    for key in ("serai.deployment", "serai.sweep", "serai.datasets", "serai.version"):
        one["data"]["tags"].append({"key": key, "value": "<b>'x"})
    other["data"]["tags"].append({"key": "serai.sweep", "value": "0"})
    assert "Alpha" in page(adas, "runs")
    assert "&lt;b&gt;" in page(adas, "run", "aa11")


def test_a_run_that_holds_a_sweep_together_leads_to_the_sweep(adas, two, ada):
    sweep = Sweep.objects.create(
        project=ada.personal_project, owner=ada, asset_slug="digits", title="Four", request={}, variants=[]
    )
    [one, _other] = two.runs[account_in(ada.personal_project)]
    one["data"]["tags"].append({"key": "serai.sweep", "value": str(sweep.pk)})
    assert reverse("sweep", args=[sweep.pk]) in page(adas, "runs")


def test_the_comparison_shows_differences_alone_until_all_is_asked_for(adas, two):
    address = reverse("runs-compare")
    differing = adas.get(address, {"ids": ["aa11", "bb22"]}).content.decode()
    everything = adas.get(address, {"ids": "aa11,bb22", "show": "all"}).content.decode()
    for shown in (differing, everything):
        assert "epochs" in shown
        assert "0.25" in shown
    assert "seed" not in differing
    assert "seed" in everything


def test_runs_of_the_same_name_are_told_apart_by_what_differs(adas, two, ada):
    for one in two.runs[account_in(ada.personal_project)]:
        one["info"]["run_name"] = "digits"
    shown = page(adas, "runs-compare", query="?ids=aa11,bb22")
    assert "digits · epochs 3" in shown
    assert "digits · epochs 5" in shown


@pytest.mark.parametrize(
    ("ids", "said"),
    [("", "tick 2 to 10"), ("aa11", "tick 2 to 10"), ("aa11,bb22,cc33", "One of the runs is not there")],
)
def test_a_comparison_that_cannot_be_says_why(adas, two, ids, said):
    assert said in page(adas, "runs-compare", query=f"?ids={ids}")


def test_a_filter_that_mlflow_cannot_read_is_told_at_its_field(adas, two):
    two.refuses_filter = "Invalid clause(s)"
    answer = adas.get(reverse("runs"), {"filter": "metrics.x >"})
    assert answer.status_code == 422
    assert "Invalid clause(s)" in answer.content.decode()


# ── Charts and files ─────────────────────────────────────────────────────────────────────────────
def test_charts_are_told_until_the_run_has_ended(adas, two):
    two.histories = {("aa11", "loss"): [(1, "1.0"), (2, "0.5")], ("bb22", "loss"): [(1, "0.25")]}
    told = adas.get(reverse("runs-compare-metrics"), {"ids": "aa11,bb22"}).json()
    assert told["running"] is False
    assert told["series"] == [
        {
            "name": "loss",
            "courses": [
                {"run": 0, "steps": [1, 2], "values": [1.0, 0.5]},
                {"run": 1, "steps": [1], "values": [0.25]},
            ],
        }
    ]


def test_files_are_listed_shown_and_handed_on(adas, two):
    two.files = {
        "aa11": {"notes/answer.txt": b"forty-two", "table.csv": b"digit,right\n7,31\n", "weights.bin": b"\0\1"}
    }
    assert "notes" in page(adas, "run", "aa11")
    assert "answer.txt" in page(adas, "run", "aa11", query="?folder=notes")
    assert "forty-two" in page(adas, "run-file", "aa11", query="?path=notes/answer.txt")
    assert "<td>31</td>" in page(adas, "run-file", "aa11", query="?path=table.csv")
    assert "not shown here" in page(adas, "run-file", "aa11", query="?path=weights.bin")
    assert adas.get(reverse("run-file", args=["aa11"]), {"path": "nothing"}).status_code == 404


@pytest.mark.parametrize("path", ["../../secret", "/etc/passwd", "notes/../x", "", "."])
def test_no_path_leads_out_of_the_run(adas, two, path):
    assert adas.get(reverse("run-file", args=["aa11"]), {"path": path}).status_code == 404


def test_a_page_among_the_files_runs_nothing(adas, two):
    two.files = {"aa11": {"report.html": b"<script>alert(1)</script>", "drawing.svg": b"<svg onload='alert(1)'/>"}}
    for name in ("report.html", "drawing.svg"):
        assert "alert" not in page(adas, "run-file", "aa11", query=f"?path={name}")
        kept = adas.get(reverse("run-file", args=["aa11"]), {"path": name, "download": ""})
        assert kept["Content-Type"] == "application/octet-stream"
        assert kept["Content-Disposition"].startswith("attachment")
        assert "sandbox" in kept["Content-Security-Policy"]
        assert kept["X-Content-Type-Options"] == "nosniff"


def test_a_download_is_the_file_byte_for_byte(adas, two):
    content = bytes(range(256)) * 4_000
    two.files = {"aa11": {"weights.bin": content}}
    answer = adas.get(reverse("run-file", args=["aa11"]), {"path": "weights.bin", "download": ""})
    assert whole(answer) == content
    assert answer["Content-Length"] == str(len(content))


# ── While MLflow is away ─────────────────────────────────────────────────────────────────────────
def test_while_mlflow_is_away_pages_say_so_and_show_what_serai_knows(adas, away, ada):
    account_in(ada.personal_project)
    result = {"result": {"output": {"test_accuracy": 0.97, "weights": "w.joblib"}}}
    training_of(ada, title="Known here", run_id="aa11", result=result, request={"arguments": {"epochs": 20}})
    training_of(ada, title="Failed here", status=Status.FAILED)
    shown = page(adas, "runs")
    assert "MLflow does not answer" in shown
    assert "0.97" in shown
    assert "Failed here" in shown
    assert "Failed here" not in page(adas, "runs", query="?status=finished")
    assert "Failed here" not in page(adas, "runs", query="?deployment=x")
    one = page(adas, "run", "aa11")
    assert "epochs" in one
    assert "0.97" in one
    assert adas.get(reverse("run-metrics", args=["aa11"])).json()["problem"]


def test_where_there_is_no_mlflow_that_is_said(adas, settings, ada):
    settings.MLFLOW_URL = ""
    account_in(ada.personal_project)
    assert "it has no MLflow" in page(adas, "runs")
