import pytest

from accounts.models import Project, User
from jobs.models import Deployment, DeploymentKind, Status, TrackingAccount
from tests.unit.runs.double import Double, Serving


@pytest.fixture
def mlflow(settings):
    """A stand-in for MLflow's server that answers."""
    double = Double()
    serving = Serving(double)
    settings.MLFLOW_URL = serving.url
    yield double
    serving.close()


@pytest.fixture
def away(settings, tmp_path):
    settings.MLFLOW_URL, settings.MLFLOW_DATA = "http://127.0.0.1:9", tmp_path


def account_in(project: Project) -> str:
    """The project's account in MLflow, made."""
    name = f"project-{project.slug}"
    TrackingAccount.objects.get_or_create(
        project=project, defaults={"username": name, "password": "x", "experiment_id": f"of-{name}", "experiment": name}
    )
    return name


def training_of(person: User, **values) -> Deployment:
    fields = {
        "project": person.personal_project, "owner": person, "title": "digits", "asset_slug": "digits",
        "kind": DeploymentKind.BATCH, "status": Status.COMPLETED, "request": {"arguments": {"epochs": 3}, "resources": {}},
    }  # fmt: skip
    return Deployment.objects.create(**(fields | values))
