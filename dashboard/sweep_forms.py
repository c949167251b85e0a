"""The form of a training that may be asked for with several values of an argument: page and ``POST sweeps`` alike."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from dashboard.api.problems import pointer
from dashboard.argument_fields import shown
from dashboard.form_bodies import SWEPT
from dashboard.forms import DeployForm
from jobs import sweeps
from jobs.deepaas.document import Argument, Type
from jobs.deepaas.values import WrongValue, value_of
from jobs.models import DeploymentKind

GRID, LIST = "grid", "list"
AT_ONCE = 2
COMBINE = (
    (GRID, gettext_lazy("every combination of them")),
    (LIST, gettext_lazy("the first of each, then the second of each, …")),
)
Variant = dict[str, Any]


class ValuesField(forms.CharField):
    """Several values of one argument: a text with commas or lines, or REST's list."""

    widget = forms.Textarea(attrs={"rows": 1})

    def __init__(self, argument: Argument) -> None:
        self.argument = argument
        # A list of lists, and texts that hold commas, need a line each.
        lines = argument.multiple or argument.type is Type.OBJECT
        help_text = _("One value a line.") if lines else ""
        super().__init__(label=argument.title, help_text=help_text, required=False)

    def clean(self, value: Any) -> list[Any]:
        found, wrong = [], []
        for item in self._items(value):
            try:
                read = value_of(self.argument, item)
            except WrongValue as error:
                wrong.append(_named(item, str(error)))
            else:
                found += [] if read is None else [read]
        if wrong:
            raise ValidationError(wrong)
        return found

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(str(shown(self.argument, item)) for item in value) if isinstance(value, list) else value

    def _items(self, value: Any) -> Sequence[Any]:
        if value is None or isinstance(value, list):
            return value or []
        lines = [line.strip() for line in str(value).splitlines() if line.strip()]
        if len(lines) != 1 or self.argument.multiple or self.argument.type is Type.OBJECT:
            return lines
        return [item.strip() for item in lines[0].split(",") if item.strip()]


class SweepForm(DeployForm):
    """A training's form; what is given under "several values" makes a sweep of it."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        owner: User,
        asset: Any,
        kind: str = DeploymentKind.BATCH,
        initial: Mapping[str, Any] | None = None,
        unknown: Sequence[tuple[str, str]] = (),
        listed: Sequence[Variant] | None = None,
    ) -> None:
        super().__init__(data, owner=owner, asset=asset, kind=kind, initial=initial, unknown=unknown)
        self._listed = listed
        for argument in self.arguments:
            self.fields[SWEPT + argument.name] = ValuesField(argument)
        self.fields["combine"] = forms.ChoiceField(
            label=gettext_lazy("Train with"), choices=COMBINE, initial=GRID, required=False
        )
        self.fields["at_once"] = forms.IntegerField(
            label=gettext_lazy("At most so many at once"),
            help_text=gettext_lazy("The others wait until one ends, or until your share of the machines has room."),
            min_value=1,
            max_value=sweeps.MOST_AT_ONCE,
            initial=AT_ONCE,
            required=False,
        )

    @classmethod
    def from_sweep(cls, body: Mapping[str, Any], *, owner: User) -> Self:
        """The form filled with the body of ``POST sweeps`` as its schema gives it."""
        filled = cls.from_api({**body, "kind": DeploymentKind.BATCH}, owner=owner)
        given = {SWEPT + name: values for name, values in body["grid"].items()}
        unknown = [
            (pointer("grid", name.removeprefix(SWEPT)), filled.unknown_field(name))
            for name in given
            if name not in filled.fields
        ]
        data = {**filled.data, **given, "at_once": body["at_once"]}
        return cls(data, owner=owner, asset=filled.asset, unknown=[*filled._unknown, *unknown], listed=body["variants"])

    # ── Checked ──────────────────────────────────────────────────────────────────────────────────
    @property
    def is_sweep(self) -> bool:
        return self._listed is not None or any(self.swept.values())

    @cached_property
    def swept(self) -> dict[str, list[Any]]:
        """The arguments that are given several values, once the form is clean."""
        given = {
            name.removeprefix(SWEPT): values if self._side_by_side else _distinct(values)
            for name, values in self.cleaned_data.items()
            if name.startswith(SWEPT)
        }
        return {name: values for name, values in given.items() if values}

    @property
    def at_once(self) -> int:
        return int(self.cleaned_data.get("at_once") or AT_ONCE)

    @cached_property
    def variants(self) -> list[Variant]:
        """The arguments of each training, in their order."""
        if self._listed is not None:
            return [variant for variant, _errors in self._read_list()]
        names, columns = list(self.swept), list(self.swept.values())
        rows = zip(*columns, strict=True) if self._side_by_side else itertools.product(*columns)
        return [dict(zip(names, row, strict=True)) for row in rows] if names else []

    @property
    def _side_by_side(self) -> bool:
        return self.cleaned_data.get("combine") == LIST

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if not self.errors:
            self._check_count()
        return values

    def _check_count(self) -> None:
        lengths = {name: len(values) for name, values in self.swept.items()}
        if self._listed is not None and lengths:
            self._unknown.append(("#/variants", _("Give either a grid or a list of variants, not both.")))
        elif self._listed is not None:
            self._unknown += [problem for _variant, problems in self._read_list() for problem in problems]
            self._refuse_too_many("#/variants", len(self._listed))
        elif self._side_by_side and len(set(lengths.values())) > 1:
            most = max(lengths.values())
            for name, count in lengths.items():
                if count < most:
                    self.add_error(SWEPT + name, _fewer(count, most))
        elif not self._side_by_side:
            # Counted before they are made: a few dozen values each can be more than memory holds.
            self._refuse_too_many("#/grid", math.prod(lengths.values()))

    def _refuse_too_many(self, place: str, count: int) -> None:
        if count > sweeps.MOST_VARIANTS:
            fields = [SWEPT + name for name in self.swept]
            if fields:
                self.add_error(fields[0], sweeps.too_many(count))
            else:
                self._unknown.append((place, sweeps.too_many(count)))

    def _read_list(self) -> Iterator[tuple[Variant, list[tuple[str, str]]]]:
        """Each listed variant with its values read, and what is wrong with it."""
        known = {argument.name: argument for argument in self.arguments}
        for index, listed in enumerate(self._listed or ()):
            variant, problems = {}, []
            for name, given in listed.items():
                try:
                    variant[name] = value_of(known[name], given)
                except KeyError:
                    problems.append((pointer("variants", index, name), self.unknown_field(SWEPT + name)))
                except WrongValue as error:
                    problems.append((pointer("variants", index, name), str(error)))
            yield variant, problems

    # ── Shown ────────────────────────────────────────────────────────────────────────────────────
    @property
    def swept_fields(self) -> list[forms.BoundField]:
        return self.group(SWEPT)

    @property
    def sweep_is_open(self) -> bool:
        """Whether to show the fields of the sweep: something stands in one of them."""
        return any(bound.value() for bound in self.swept_fields) or bool(self["at_once"].errors)

    def count_in_words(self) -> str:
        count = len(self.variants)
        text = ngettext("%(count)d training comes out of this", "%(count)d trainings come out of this", count)
        at_once = _("at most %(most)d at once.") % {"most": self.at_once}
        return f"{text % {'count': count}}, {at_once}"


def sweep_body(form: SweepForm, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of ``POST sweeps`` that does what this checked form does, for "copy as"."""
    shared = {name: value for name, value in body.items() if name != "kind"}
    several = {"variants": form.variants} if form._side_by_side else {"grid": form.swept}
    return {**shared, **several, "at_once": form.at_once}


def _distinct(values: list[Any]) -> list[Any]:
    return [value for index, value in enumerate(values) if value not in values[:index]]


def _named(item: Any, sentence: str) -> str:
    said = str(item)
    return sentence if said in sentence else f"“{said[:60]}”: {sentence}"


def _fewer(count: int, most: int) -> str:
    text = _("Here are %(count)d values and %(most)d elsewhere; side by side, each argument needs as many.")
    return text % {"count": count, "most": most}
