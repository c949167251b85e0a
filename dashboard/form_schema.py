"""The deploy form as JSON Schema, for ``GET modules/{id}/form`` and ``GET tools/{id}/form``."""

from collections.abc import Mapping
from typing import Any

from django import forms

from dashboard import attachment_fields, batch_fields, lifetime_fields, place_fields
from dashboard.form_bodies import OPTION, RESOURCES
from dashboard.forms import DeployForm, Limit


def json_schema(form: DeployForm) -> dict[str, Any]:
    """JSON Schema (2020-12) of ``POST deployments`` for this module or tool, with defaults and the site's facts."""
    limits = form.limits()
    parts = {name: _schema(form[name], limits.get(name)) for name in form.fields if not attachment_fields.is_ours(name)}
    resources = {name: parts[name] for name in RESOURCES}
    groups = {
        "resources": resources,
        "options": _without_prefix(parts, OPTION),
        "arguments": {argument.name: argument.json_schema() for argument in form.arguments},
    }
    of_kind = (*batch_fields.NAMES, *lifetime_fields.NAMES)
    plain = ("title", "project", *of_kind, *place_fields.NAMES)
    top = {name: parts[name] for name in plain if name in parts}
    kind, slug = (str(form.asset.kind), form.asset.slug) if form.asset else ("module", "")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": str(form.asset),
        "type": "object",
        "required": [kind],
        "additionalProperties": False,
        "properties": {
            kind: {"const": slug},
            "kind": {"const": str(form.kind), "default": str(form.kind)},
            **top,
            **attachment_fields.schema(),
            **{
                name: {"type": "object", "additionalProperties": False, "properties": properties}
                for name, properties in groups.items()
            },
        },
    }


def _schema(bound: forms.BoundField, limit: Limit | None) -> dict[str, Any]:
    field = bound.field
    schema: dict[str, Any] = {"title": str(bound.label), "type": _json_type(field)}
    if field.help_text:
        schema["description"] = str(field.help_text)
    if bound.initial not in (None, ""):
        schema["default"] = bound.initial
    if isinstance(field, forms.FloatField | forms.IntegerField):
        schema |= _bounds(field, limit)
    if isinstance(field, forms.ChoiceField):
        schema |= _choices_schema(field)
    return schema


def _bounds(field: forms.IntegerField, limit: Limit | None) -> dict[str, float]:
    mosts = [value for value in (field.max_value, limit.most if limit else None) if isinstance(value, int | float)]
    least = {"minimum": field.min_value} if isinstance(field.min_value, int | float) else {}
    return least | ({"maximum": min(mosts)} if mosts else {})


def _choices_schema(field: forms.ChoiceField) -> dict[str, Any]:
    values = [value for value, _title in field.choices if value]  # type: ignore[union-attr, misc]
    return {"items": {"enum": values}} if isinstance(field, forms.MultipleChoiceField) else {"enum": values}


def _json_type(field: forms.Field) -> str:
    for kind, name in (
        (forms.FloatField, "number"),
        (forms.IntegerField, "integer"),
        (forms.BooleanField, "boolean"),
        (forms.MultipleChoiceField, "array"),
    ):
        if isinstance(field, kind):
            # FloatField is a kind of IntegerField in Django, hence the order.
            return name
    return "string"


def _without_prefix(parts: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): part for name, part in parts.items() if name.startswith(prefix)}
