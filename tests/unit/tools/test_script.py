"""A script that belongs to no module, with packages that are listed by name."""

import html
import json

import pytest
from django.urls import reverse

from accounts.models import Level
from datacenters.jobspec import JobKind
from jobs import archive, packages, services
from jobs.compilers import compile_deployment
from jobs.compilers.tool import key_of_listed
from jobs.models import Deployment, Status
from jobs.refusals import RequestRefused
from jobs.tools import mirror
from tests.unit.api.conftest import api  # noqa: F401

pytestmark = pytest.mark.django_db
SCRIPT = "print('{{ hello }} ${HOME} %{x}')\n"
WORKS = """
import json, os, pathlib, sys
folder = pathlib.Path(os.environ["SERAI_OUTPUT_DIR"])
(folder / "answer.txt").write_text("42")
print(json.dumps({"python": sys.executable, "module": os.environ["SERAI_MODULE"]}))
"""
TRIES = """
import os, pathlib, sys
seen = pathlib.Path(os.environ["SERAI_OUTPUT_DIR"], "seen")
if seen.exists():
    sys.exit(0)
seen.touch()
sys.exit(5)
"""


@pytest.fixture(autouse=True)
def tool(db):
    mirror.ensure()


@pytest.fixture
def adas(client, ada):
    client.force_login(ada)
    return client


def start(browser, **values: str):
    return browser.post(reverse("deploy", args=["script"]), values)


def errors(answer) -> dict[str, str]:
    assert answer.status_code == 422, answer.content
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────
def test_page_and_rest_ask_for_the_same(adas, api, site):  # noqa: F811
    sent = start(
        adas, script=SCRIPT, retries="2", max_run_seconds="1 h", **{"option-packages": "numpy\r\npandas>=2,<3"}
    )
    assert sent.status_code == 302, sent.content
    body = {"tool": "script", "script": SCRIPT, "retries": 2, "max_run_seconds": 3_600}
    for listed in ("numpy\npandas>=2,<3", ["numpy", "pandas>=2,<3"]):
        assert api.post("deployments", {**body, "options": {"packages": listed}}).status_code == 201
    by_page, *by_rest = (row.request for row in Deployment.objects.order_by("created"))
    assert [by_page, by_page] == by_rest
    assert by_page["options"] == {"packages": "numpy\npandas<3,>=2"}
    assert (by_page["kind"], by_page["script"], by_page["retries"]) == ("batch", SCRIPT, 2)


def test_without_a_script_there_is_nothing_to_run(adas, api, site, ask, ada):  # noqa: F811
    assert "Write the script that is to run." in start(adas, script=" \n").content.decode()
    assert errors(api.post("deployments", {"tool": "script"})) == {"#/script": "Write the script that is to run."}
    assert errors(api.post("deployments", {"tool": "script", "script": ""})) == {
        "#/script": "Write the script that is to run."
    }
    with pytest.raises(RequestRefused, match="Write the script"):
        services.deploy(ask("script", kind=JobKind.BATCH), owner=ada)
    assert not Deployment.objects.exists()


def test_no_other_tool_takes_a_script(api, site, ask, ada):  # noqa: F811
    answer = api.post("deployments", {"tool": "cvat-export", "script": SCRIPT})
    assert errors(answer)["#/script"] == "This tool takes no script."
    with pytest.raises(RequestRefused, match="takes no script"):
        services.deploy(ask("cvat-export", kind=JobKind.BATCH, script=SCRIPT), owner=ada)


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        ("numpy @ https://example.org/numpy.whl", "Only packages by their name on PyPI"),
        ("git+https://example.org/x.git", "is no package"),
        ("--index-url https://example.org/simple", "is no package"),
        ("-e .", "is no package"),
        ("./here", "is no package"),
        ("numpy pandas", "is no package"),
        ("numpy>=banana", "is no package"),
        ("\n".join(f"p{n}" for n in range(101)), "These are 101 packages"),
    ],
)
def test_what_is_no_package_is_told_at_its_field(api, site, listed, says):  # noqa: F811
    answer = api.post("deployments", {"tool": "script", "script": SCRIPT, "options": {"packages": listed}})
    assert says in errors(answer)["#/options/packages"]


def test_a_list_is_read_as_people_write_it():
    assert packages.normal("# mine\n numpy # numbers\n\nnumpy\r\nuvicorn[standard]>=0.30 ; python_version<'4'\n") == (
        'numpy\nuvicorn[standard]>=0.30; python_version < "4"'
    )
    assert packages.normal(" \n") == ""


def test_its_form_tells_rest_what_it_takes(api, site):  # noqa: F811
    schema = api.get("tools/script/form").json()["properties"]
    assert schema["kind"]["const"] == "batch"
    assert {"script", "retries", "max_run_seconds"} <= set(schema)
    assert schema["options"]["properties"]["packages"]["type"] == "string"


def test_who_may_not_train_may_not_run_a_script(api, site, ada):  # noqa: F811
    ada.level = Level.BASIC
    ada.save()
    answer = api.post("deployments", {"tool": "script", "script": SCRIPT})
    assert "may use modules, not train" in str(errors(answer))


def test_clone_and_edit_fills_in_script_and_packages(adas, api, site):  # noqa: F811
    body = {"tool": "script", "script": SCRIPT, "options": {"packages": "numpy"}, "retries": 1}
    first = api.post("deployments", body).json()["id"]
    form = adas.get(reverse("deployment-clone", args=[first]), follow=True).content.decode()
    assert html.escape(SCRIPT.strip(), quote=True) in form
    assert ">\nnumpy</textarea>" in form


# ── What becomes of it ───────────────────────────────────────────────────────────────────────────
def test_the_same_list_shares_one_environment_and_another_has_its_own(site, ask, ada):
    def environment(listed: str) -> str:
        request = ask("script", kind=JobKind.BATCH, script=SCRIPT, options={"packages": listed})
        deployment = services.deploy(request, owner=ada)
        spec, _secrets = compile_deployment(Deployment.objects.with_parts().get(pk=deployment.pk))
        main = next(task for task in spec.tasks if task.name == "main")
        return main.env["SERAI_ENVIRONMENT"]

    assert environment("numpy") == environment("numpy") != environment("")
    assert environment("numpy").endswith(key_of_listed("numpy"))


def test_it_runs_with_a_python_of_its_own_and_what_it_writes_is_kept(world, local_agent):
    run = world.until(world.again("script", kind=JobKind.BATCH, script=WORKS), Status.COMPLETED)
    said = json.loads(archive.read(run, "main", "stdout"))
    assert said["module"] == "script"
    assert f"/packages/{key_of_listed('')}/" in said["python"]
    kept = local_agent.tasks / "storage" / run.project.slug / "script" / "outputs" / str(run.pk) / "answer.txt"
    assert kept.read_text() == "42"
    assert run.exit_code == 0


def test_it_is_tried_again_as_often_as_was_asked(world):
    run = world.until(world.again("script", kind=JobKind.BATCH, script=TRIES, retries=1), Status.COMPLETED)
    assert (run.exit_code, run.restarts) == (0, 1)
    failed = world.until(world.again("script", kind=JobKind.BATCH, script="import sys\nsys.exit(7)"), Status.FAILED)
    assert failed.exit_code == 7


def test_a_package_that_is_missing_is_named_by_the_traceback(world):
    run = world.until(world.again("script", kind=JobKind.BATCH, script="import tabulate"), Status.FAILED)
    assert "No module named 'tabulate'" in run.reason


@pytest.mark.slow
def test_its_packages_are_installed_from_the_index(world):
    script = "import tabulate\nprint(tabulate.tabulate([[1]], tablefmt='plain'))"
    options = {"packages": "tabulate<1"}
    run = world.until(world.again("script", kind=JobKind.BATCH, script=script, options=options), Status.COMPLETED, 90)
    assert archive.read(run, "main", "stdout").decode().strip() == "1"


@pytest.mark.slow
@pytest.mark.parametrize("listed", ["a-package-that-nobody-ever-made-for-serai", "tabulate==99.0"])
def test_a_package_that_is_not_there_is_said_in_a_sentence(world, listed):
    request = world.again("script", kind=JobKind.BATCH, script="print(1)", options={"packages": listed})
    run = world.until(request, Status.FAILED, 90)
    assert listed.partition("==")[0] in run.reason
