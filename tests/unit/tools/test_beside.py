"""JupyterLab beside a module, in one deployment."""

import json

import pytest

from accounts.models import Level, User
from dashboard.forms import DeployForm
from dashboard.gateway.access import Credentials, find
from dashboard.gateway.places import Place
from datacenters.jobspec import Lifecycle, Runtime
from datacenters.nomad.render import TRUSTED, job_json
from jobs import activity, health, lifetimes, placement, services, tools
from jobs.compilers import compile_deployment
from jobs.models import Deployment, Status
from jobs.refusals import RequestRefused
from marketplace.models import Asset
from tests.fake_modules import make_module
from tests.unit.jobs.conftest import asset_of, digits  # noqa: F401

from .test_deploying import body, compiled, plain
from .test_jupyterlab import INSTALLED_WITHIN, opened

pytestmark = pytest.mark.django_db
TOGETHER = {"jupyterlab": True}


@pytest.fixture(autouse=True)
def _she_develops(ada):
    User.objects.filter(pk=ada.pk).update(level=Level.ADVANCED)
    ada.refresh_from_db()


def test_both_share_what_was_asked_for_and_the_module_keeps_the_gpu(site, ide, digits, ask, ada):  # noqa: F811
    spec, secrets = compiled(ask(cpu_cores=1, memory_mb=2_000, options=TOGETHER), ada)
    tasks = {task.name: task for task in spec.tasks}
    assert list(tasks) == ["packages-ide", "storage", "packages", "main", "ide"]
    mains = [task for task in spec.tasks if task.lifecycle is Lifecycle.MAIN]
    assert [(task.resources.cpu_cores, task.resources.memory_mb) for task in mains] == [(0.5, 1_000)] * 2
    assert sum(task.resources.memory_mb for task in spec.tasks if task.lifecycle is Lifecycle.PRESTART) <= 2_000
    assert [(port.label, port.health_path) for port in spec.ports] == [("api", "/swagger.json"), ("ide", "/api")]
    lab = tasks["ide"].env
    assert lab["SERAI_MODULE_ENVIRONMENT"] + "/bin/python" == tasks["main"].command
    assert lab["SERAI_STORAGE_DIR"] == tasks["main"].env["SERAI_STORAGE_DIR"]
    assert lab["SERAI_ENVIRONMENT"] != lab["SERAI_MODULE_ENVIRONMENT"]
    assert secrets["JUPYTER_TOKEN"] not in json.dumps(job_json(spec, TRUSTED))
    assert "JUPYTER_TOKEN" not in tasks["main"].secrets


def test_a_gpu_is_the_modules(site, ide, digits, ask, ada):  # noqa: F811
    deployment = services.deploy(ask(memory_mb=1_000, options=TOGETHER), owner=ada)
    asked = {**deployment.request["resources"], "gpus": 1}
    Deployment.objects.update(request={**deployment.request, "resources": asked})
    spec, _secrets = compile_deployment(Deployment.objects.with_parts().get())
    assert {task.name for task in spec.tasks if task.resources.gpu} == {"main"}


def test_without_being_asked_a_module_stays_as_it_was(site, ide, digits, ask, ada):  # noqa: F811
    spec, secrets = compiled(ask(), ada)
    assert [task.name for task in spec.tasks] == ["storage", "packages", "main"]
    assert "JUPYTER_TOKEN" not in secrets


def test_whoever_does_not_develop_is_not_offered_it(site, ide, digits, ask, ada):  # noqa: F811
    ada.level = Level.INTERMEDIATE
    form = DeployForm.from_api(body(tool=None, module="digits", options=TOGETHER), owner=ada)
    assert dict(form.problems())["#/options/jupyterlab"] == "No such value is taken here. Taken: workers."
    with pytest.raises(RequestRefused, match="not develop in them"):
        services.deploy(ask(memory_mb=1_000, options=TOGETHER), owner=ada)


def test_the_form_asks_for_enough_memory(site, ide, digits, ask, ada):  # noqa: F811
    with pytest.raises(RequestRefused, match="at least 1000 MB") as refused:
        services.deploy(ask(memory_mb=999, options=TOGETHER), owner=ada)
    assert [error.pointer for error in refused.value.errors] == ["#/resources/memory_mb"]


def test_it_ends_as_a_development_environment_does(site, ide, digits, ada):  # noqa: F811
    form = DeployForm.from_api(body(tool=None, module="digits", options=TOGETHER), owner=ada)
    assert form.is_valid(), form.problems()
    assert (form.deploy_request().max_run_seconds, form.deploy_request().idle_stop_minutes) == (12 * 3600, 60)
    never = DeployForm.from_api(
        body(tool=None, module="digits", options=TOGETHER, max_run_seconds=0, idle_stop_minutes=0), owner=ada
    )
    assert never.is_valid(), never.problems()
    assert (never.deploy_request().max_run_seconds, never.deploy_request().idle_stop_minutes) == (None, None)


def test_it_keeps_to_what_the_site_allows_environments(site, ide, digits, ada, settings):  # noqa: F811
    settings.IDE_HOURS_MAX = 2
    form = DeployForm.from_api(body(tool=None, module="digits", options=TOGETHER, max_run_seconds=0), owner=ada)
    assert dict(form.problems())["#/max_run_seconds"] == "Here it is 2 h at most."
    plain = DeployForm.from_api(body(tool=None, module="digits", options=TOGETHER), owner=ada)
    assert plain.is_valid(), plain.problems()
    assert plain.deploy_request().max_run_seconds == 7_200


def test_it_goes_where_packages_run_though_the_module_has_an_image(digits):  # noqa: F811
    both = Asset(docker_image="example/digits", package="/srv/digits")
    assert placement.needs_of(both).runtimes == (Runtime.CONTAINER, Runtime.PACKAGE)
    assert placement.needs_of(both, TOGETHER).runtimes == (Runtime.PACKAGE,)


def test_each_endpoint_has_its_own_login_and_its_own_health(site, ide, digits, ask, ada, bearer):  # noqa: F811
    deployment = services.deploy(ask(memory_mb=1_000, options=TOGETHER), owner=ada)
    token = tools.secrets_of(deployment)["JUPYTER_TOKEN"]
    endpoints = [{"label": label, "host": "127.0.0.1", "port": 9} for label in ("api", "ide")]
    Deployment.objects.update(status=Status.RUNNING, endpoints=endpoints)
    credentials = Credentials(token=plain(bearer(ada)))
    assert find(credentials, Place(deployment.pk, "ide")).login.authorization == f"token {token}".encode()
    assert find(credentials, Place(deployment.pk, "api")).login == tools.Login()
    assert [health._path(deployment, label) for label in ("api", "ide")] == ["/swagger.json", "/api"]
    assert tools.is_environment(deployment)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_notebook_beside_a_module_sees_its_packages_and_its_api(world, ide, ada, client, tmp_path):
    asset_of("tiny", str(make_module(tmp_path / "tiny")))
    deployment = world.again("tiny", options=TOGETHER, memory_mb=1_400, idle_stop_minutes=60)
    running = world.until(deployment, Status.RUNNING, INSTALLED_WITHIN)
    assert sorted(endpoint["label"] for endpoint in running.endpoints) == ["api", "ide"]
    lab = opened(running, ada, client)
    code = "from importlib.metadata import entry_points as e; print(len(e(group='deepaas.v2.model')))"
    assert lab.run(code) == "1\n"
    ask = "import os, urllib.request as u; print(u.urlopen(os.environ['SERAI_MODULE_API'] + '/swagger.json').status)"
    assert lab.run(ask) == "200\n"
    kernels = lab.ask("GET", "/api/kernelspecs").json["kernelspecs"]
    assert kernels["python3"]["spec"]["display_name"] == f"Python 3 with {running.asset_slug}"
    assert activity.look(running).busy is False
    lifetimes.tick()
    assert lifetimes.ending(Deployment.objects.get(pk=running.pk)).for_want_of_use
    _a_server_that_is_killed_comes_back(lab, world, running)


def _a_server_that_is_killed_comes_back(lab, world, running) -> None:
    """It alone: the module beside it answers on."""
    kill = "import os, signal, threading; threading.Timer(1, os.kill, (os.getppid(), signal.SIGKILL)).start()"
    lab.run(kill)
    # Who is first to see it: whoever asks at its port, or whoever hears of its end.
    ill = world.until(running, lambda row: row.healthy is False or row.status != Status.RUNNING)
    assert ill.reason.startswith(("ide: Nothing listens at its port.", "The task “ide” ended with exit code 137"))
    assert world.until(running, lambda row: row.healthy and row.status == Status.RUNNING).reason == ""
    assert lab.ask("GET", "/api/kernels").json == []
    assert running.events.filter(verb="became ready").count() == 2
