"""Each project's account and experiment in MLflow, made by Serai: nobody signs up twice."""

import secrets
from collections.abc import Iterator
from itertools import count

from accounts.models import Project
from jobs.models import TrackingAccount
from jobs.tracking.client import Login, TrackingRefused, TrackingUnavailable, administrator, call

NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}
NO_ENTRY = {"UNAUTHORIZED", "PERMISSION_DENIED", "FORBIDDEN", *NOT_THERE}


def account_of(project: Project) -> TrackingAccount:
    """The account as written down here; MLflow need not be there, nor know it yet."""
    names = {"username": f"project-{project.slug}", "password": secrets.token_urlsafe(24)}
    return TrackingAccount.objects.get_or_create(project=project, defaults=names)[0]


def login_of(account: TrackingAccount) -> Login:
    return Login(account.username, account.password)


def ensure_project(project: Project) -> TrackingAccount:
    """Make sure that MLflow knows the project's account and experiment; repeatable at any time."""
    account = account_of(project)
    if not _works(account):
        _make_user(account)
        _make_experiment(account)
        _let_manage(account)
    return account


def ensure_waiting() -> None:
    """Make those that were only written down, because MLflow was not there. It may be away still."""
    for account in TrackingAccount.objects.filter(experiment_id="").select_related("project"):
        try:
            ensure_project(account.project)
        except TrackingUnavailable:
            return


def _works(account: TrackingAccount) -> bool:
    """Does the project get at its experiment? False also after somebody emptied or replaced MLflow."""
    if not account.experiment_id:
        return False
    try:
        found = call(login_of(account), "GET", "2.0/mlflow/experiments/get", experiment_id=account.experiment_id)
    except TrackingRefused as error:
        if error.code in NO_ENTRY:
            return False
        raise
    return bool(found["experiment"]["lifecycle_stage"] == "active")


def _make_user(account: TrackingAccount) -> None:
    values = {"username": account.username, "password": account.password}
    try:
        call(administrator(), "POST", "2.0/mlflow/users/create", **values)
    except TrackingRefused as error:
        if error.code != "RESOURCE_ALREADY_EXISTS":
            raise
        call(administrator(), "PATCH", "2.0/mlflow/users/update-password", **values)


def _make_experiment(account: TrackingAccount) -> None:
    """A new one, or ours brought back. One that somebody else made under the name is never taken for ours."""
    if account.experiment_id and _restored(account):
        return
    for name in _names(account.project.slug):
        try:
            made = call(administrator(), "POST", "2.0/mlflow/experiments/create", name=name)
        except TrackingRefused as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
            continue
        _keep_experiment(account, made["experiment_id"], name)
        return


def _keep_experiment(account: TrackingAccount, experiment_id: str, name: str) -> None:
    """Write it down, unless somebody else made one at the same moment: then theirs is the project's."""
    as_it_was = TrackingAccount.objects.filter(pk=account.pk, experiment_id=account.experiment_id)
    if not as_it_was.update(experiment_id=experiment_id, experiment=name):
        call(administrator(), "POST", "2.0/mlflow/experiments/delete", experiment_id=experiment_id)
    account.refresh_from_db()


def _restored(account: TrackingAccount) -> bool:
    try:
        found = call(administrator(), "GET", "2.0/mlflow/experiments/get", experiment_id=account.experiment_id)
    except TrackingRefused as error:
        if error.code in NOT_THERE:
            return False
        raise
    experiment = found["experiment"]
    if experiment["name"] != account.experiment:
        return False
    if experiment["lifecycle_stage"] == "deleted":
        call(administrator(), "POST", "2.0/mlflow/experiments/restore", experiment_id=account.experiment_id)
    return True


def _let_manage(account: TrackingAccount) -> None:
    values = {"resource_type": "experiment", "resource_id": account.experiment_id, "permission": "MANAGE"}
    try:
        call(administrator(), "POST", "3.0/mlflow/users/permissions/grant", username=account.username, **values)
    except TrackingRefused as error:
        if error.code != "RESOURCE_ALREADY_EXISTS":
            raise


def _names(slug: str) -> Iterator[str]:
    yield slug
    yield from (f"{slug}-{number}" for number in count(2))
