"""JupyterLab beside a module, in one deployment: who may have it, and what it needs."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from accounts.models import User

from .options import JUPYTERLAB
from .refusals import FieldError
from .requests import DeployRequest

LEAST_MEMORY_MB = 1_000  # of both together


def errors(request: DeployRequest, owner: User) -> Iterator[FieldError]:
    if not request.options.get(JUPYTERLAB.name):
        return
    if not owner.can(JUPYTERLAB.needs):
        text = _("Your account may use modules, not develop in them. Ask an administrator for more.")
        yield FieldError(f"#/options/{JUPYTERLAB.name}", text)
    if request.resources.memory_mb < LEAST_MEMORY_MB:
        text = _("With JupyterLab beside it, it needs at least %(least)d MB.")
        yield FieldError("#/resources/memory_mb", text % {"least": LEAST_MEMORY_MB})
