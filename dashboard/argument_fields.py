"""A module's argument as a field of a form: the right widget, and the module's own rules."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField

from jobs.deepaas.document import Argument, Type
from jobs.deepaas.values import WrongValue, value_of


class ArgumentField(forms.Field):
    """Takes a page's texts and REST's JSON values alike; gives the value of the argument's type."""

    def __init__(self, argument: Argument) -> None:
        self.argument = argument
        super().__init__(
            label=argument.title,
            help_text=argument.help,
            initial=shown(argument, argument.default),
            required=False,  # what is empty is the module's own default; a needed one is told by ``value_of``
            widget=_widget(argument),
        )

    def clean(self, value: Any) -> Any:
        try:
            return value_of(self.argument, value)
        except WrongValue as error:
            raise ValidationError(str(error)) from None

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> BoundField:
        if field_name in form.initial:
            form.initial[field_name] = shown(self.argument, form.initial[field_name])
        return super().get_bound_field(form, field_name)


def _widget(argument: Argument) -> forms.Widget:
    if argument.choices and not argument.multiple:
        empty = [] if argument.default is not None else [("", "–")]
        return forms.Select(choices=empty + [(str(choice), str(choice)) for choice in argument.choices])
    if argument.multiple or argument.type is Type.OBJECT:
        return forms.Textarea(attrs={"rows": 3})
    if argument.type is Type.BOOLEAN:
        return forms.Select(choices=[("true", "yes"), ("false", "no")])
    if argument.type in (Type.INTEGER, Type.NUMBER):
        return forms.NumberInput(attrs=_bounds(argument))
    if argument.secret:
        return forms.PasswordInput()
    return forms.TextInput()


def _bounds(argument: Argument) -> dict[str, str]:
    step = "1" if argument.type is Type.INTEGER else "any"
    bounds = {"min": argument.minimum, "max": argument.maximum}
    return {"step": step} | {name: f"{value:g}" for name, value in bounds.items() if value is not None}


def shown(argument: Argument, value: Any) -> Any:
    """A value as the widget shows it."""
    if isinstance(value, list | tuple) and argument.multiple:
        return "\n".join(item if isinstance(item, str) else json.dumps(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict) else value
