"""What the form of a service asks about its end: after how long, and after how long without use."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.batch_fields import YEAR_SECONDS, RunTimeField
from jobs import tools
from jobs.durations import in_words
from jobs.requests import DeployRequest
from marketplace.models import Asset

OPTION = "option-"
NAMES = ("max_run_seconds", "idle_stop_minutes")
SECONDS_OF = dict(zip(NAMES, (1, 60), strict=True))


def fields(asset: Asset | None) -> Iterator[tuple[str, forms.Field]]:
    time: forms.Field = RunTimeField(
        label=gettext_lazy("Stop after"),
        help_text=gettext_lazy("As 90 min, 12 h or 2 d; 0: never. Its page warns before, and can put it off."),
        min_value=0,
        max_value=YEAR_SECONDS,
        required=False,
    )
    unused = forms.IntegerField(
        label=gettext_lazy("Stop when unused for (minutes)"),
        help_text=gettext_lazy("0: never. An open page, a call, a kernel that computes and a busy processor are use."),
        min_value=0,
        max_value=YEAR_SECONDS // 60,
        required=False,
    )
    if is_environment(asset):
        for name, field in zip(NAMES, (time, unused), strict=True):
            field.validators.append(partial(_check, name))
    yield from zip(NAMES, (time, unused), strict=True)


def suggested(asset: Asset | None) -> dict[str, int]:
    """Development environments are forgotten more often than other services: they end by themselves."""
    return environment_defaults() if is_environment(asset) else {}


def environment_defaults() -> dict[str, int]:
    usual, most = (settings.IDE_HOURS * 3_600, settings.IDE_IDLE_MINUTES), _limits()
    return {name: min(value or most[name], most[name] or value) for name, value in zip(NAMES, usual, strict=True)}


def _limits() -> dict[str, int]:
    """The most that people may choose for an environment; 0: anything."""
    return dict(zip(NAMES, (settings.IDE_HOURS_MAX * 3_600, settings.IDE_IDLE_MINUTES_MAX), strict=True))


def complete(values: Mapping[str, Any]) -> dict[str, Any]:
    """A module with JupyterLab beside it ends as other environments do, unless somebody says otherwise."""
    if not values.get(OPTION + tools.BESIDE):
        return {}
    return {name: default for name, default in environment_defaults().items() if values.get(name) is None}


def problems(values: Mapping[str, Any]) -> Iterator[tuple[str, ValidationError]]:
    """Of a module with JupyterLab beside it; an environment's own fields know their limits."""
    for name in NAMES if values.get(OPTION + tools.BESIDE) else ():
        try:
            _check(name, values.get(name) or 0)
        except ValidationError as problem:
            yield name, problem


def is_environment(asset: Asset | None) -> bool:
    tool = tools.tool_of(asset)
    return tool is not None and tool.is_environment


def body_values(request: DeployRequest, asset: Asset) -> dict[str, int | None]:
    """As ``POST deployments`` takes them: where something else is the default, "never" must be said."""
    never = 0 if is_environment(asset) or request.options.get(tools.BESIDE) else None
    return {name: getattr(request, name) or never for name in NAMES}


def asked_before(request: Mapping[str, Any]) -> dict[str, int]:
    """The values of an earlier request, in which "never" is nothing."""
    return {name: request[name] or 0 for name in NAMES if name in request}


def _check(name: str, value: int) -> None:
    most = _limits()[name]
    if most and not 0 < value <= most:
        raise ValidationError(_("Here it is %(most)s at most.") % {"most": in_words(most * SECONDS_OF[name])})
