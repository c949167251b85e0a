"""The choices that a module or tool offers beside its resources, by how it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from accounts.models import Capability
from jobs import packages, tools
from jobs.models import DeploymentKind
from marketplace.models import Asset
from marketplace.sources import SourceError, git

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

IMAGE_TAG = RegexValidator(r"^[\w][\w.-]{0,127}$", _("A tag holds letters, digits, dots, hyphens and underscores."))


class RepositoryField(forms.CharField):
    """The https address of a Git repository, with its branch behind #; no host that Serai itself would not go to."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        try:
            place = git.remote(text) if text else None
        except SourceError as problem:
            raise ValidationError(str(problem)) from None
        if place is None:
            return ""
        return f"{place.url}#{place.branch}" if place.branch else place.url


class PackagesField(forms.CharField):
    """Packages of Python by their names, one a line; by REST also as a list."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "off", "class": "script short"})

    def to_python(self, value: Any) -> str:
        text = "\n".join(map(str, value)) if isinstance(value, list) else super().to_python(value)
        try:
            return packages.normal(text or "")
        except packages.NotPackages as problem:
            raise ValidationError(str(problem)) from None


@dataclass(frozen=True)
class Option:
    """One choice of the form; ``type`` says which field it has."""

    name: str
    title: "str | _StrPromise"
    help: "str | _StrPromise"
    default: Any
    type: str = "text"
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[tuple[str, str], ...] = ()
    needs: Capability = Capability.USE
    more: bool = False  # few people need it: the form folds it away

    def field(self) -> forms.Field:
        make = FIELDS[self.type]
        return make(self, label=self.title, help_text=self.help, initial=self.default, required=False)


def _number(kind: type[forms.IntegerField]) -> Callable[..., forms.Field]:
    return lambda option, **words: kind(min_value=option.minimum, max_value=option.maximum, **words)


def _text(kind: type[forms.CharField], *validators: Callable[[str], None]) -> Callable[..., forms.Field]:
    return lambda _option, **words: kind(max_length=TEXT_LENGTH, validators=validators, **words)


TEXT_LENGTH, PACKAGES_LENGTH = 400, 4_000
FIELDS: Mapping[str, Callable[..., forms.Field]] = {
    "text": _text(forms.CharField),
    "image-tag": _text(forms.CharField, IMAGE_TAG),
    "repository": _text(RepositoryField),
    "deployment": _text(forms.CharField),  # whether it is one that may be named is said with the project
    "packages": lambda _option, **words: PackagesField(max_length=PACKAGES_LENGTH, **words),
    "integer": _number(forms.IntegerField),
    "number": _number(forms.FloatField),
    "boolean": lambda _option, **words: forms.BooleanField(**words),
    "choice": lambda option, **words: forms.ChoiceField(choices=option.choices, **words),
}

WORKERS = Option(
    "workers",
    _("Workers"),
    _("How many requests are worked on at once. With two, predictions go on while it trains."),
    2,
    type="integer",
    minimum=1,
    maximum=8,
)
TAG = Option("image_tag", _("Image tag"), _("Which build of the module's image to run."), "latest", type="image-tag")
JUPYTERLAB = Option(
    tools.BESIDE,
    _("JupyterLab beside it"),
    _("Notebooks and terminals that see the module's packages and files. Each gets half of the processor and memory."),
    False,
    type="boolean",
    needs=Capability.DEVELOP,
)


def options_of(asset: Asset, kind: str) -> tuple[Option, ...]:
    tool = tools.tool_of(asset)
    return tuple(map(_of_tool, tool.options)) if tool else _of_module(asset, kind)


def _of_tool(option: tools.ToolOption) -> Option:
    return Option(
        option.name,
        option.title,
        option.help,
        option.default,
        type=option.type,
        minimum=option.minimum,
        maximum=option.maximum,
        choices=option.choices,
        more=option.more,
    )


def _of_module(asset: Asset, kind: str) -> tuple[Option, ...]:
    beside = (JUPYTERLAB,) if asset.package else ()
    service = (WORKERS, *beside) if kind == DeploymentKind.SERVICE else ()
    image = (TAG,) if asset.docker_image and not asset.package else ()
    return service + image
