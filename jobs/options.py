"""The choices that a module offers beside its resources, by how it runs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from jobs.models import DeploymentKind
from marketplace.models import Asset

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

IMAGE_TAG = RegexValidator(r"^[\w][\w.-]{0,127}$", _("A tag holds letters, digits, dots, hyphens and underscores."))


@dataclass(frozen=True)
class Option:
    """One choice: a whole number within a range, or a text."""

    name: str
    title: "str | _StrPromise"
    help: "str | _StrPromise"
    default: Any
    minimum: int | None = None
    maximum: int | None = None

    def field(self) -> forms.Field:
        if isinstance(self.default, int):
            return forms.IntegerField(
                label=self.title,
                help_text=self.help,
                initial=self.default,
                min_value=self.minimum,
                max_value=self.maximum,
                required=False,
            )
        return forms.CharField(
            label=self.title, help_text=self.help, initial=self.default, required=False, validators=[IMAGE_TAG]
        )


WORKERS = Option(
    "workers",
    _("Workers"),
    _("How many requests are worked on at once. With two, predictions go on while it trains."),
    2,
    minimum=1,
    maximum=8,
)
TAG = Option("image_tag", _("Image tag"), _("Which build of the module's image to run."), "latest")


def options_of(asset: Asset, kind: str) -> tuple[Option, ...]:
    service = (WORKERS,) if kind == DeploymentKind.SERVICE else ()
    image = (TAG,) if asset.docker_image and not asset.package else ()
    return service + image
