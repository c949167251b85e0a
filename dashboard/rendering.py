"""How forms are drawn: ``{{ form }}`` and ``{{ form.title.as_field_group }}`` use our components."""

from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.forms.renderers import TemplatesSetting

CHECKS = (forms.CheckboxInput, forms.CheckboxSelectMultiple, forms.RadioSelect)


class StyledField(BoundField):
    """A bound field whose widget carries the design's classes."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: forms.Widget | None = None) -> dict[str, Any]:
        widget = widget or self.field.widget
        built: dict[str, Any] = super().build_widget_attrs(attrs, widget)
        # The widget's own classes are merged by Django only if we do not set any.
        own = (attrs.get("class", ""), widget.attrs.get("class", ""))
        built["class"] = " ".join(filter(None, [*own, self._look(widget), "is-invalid" if self.errors else ""]))
        return built

    @property
    def is_check(self) -> bool:
        return isinstance(self.field.widget, forms.CheckboxInput)

    def _look(self, widget: forms.Widget) -> str:
        if isinstance(widget, CHECKS):
            return "form-check-input"
        return "form-select" if isinstance(widget, forms.Select) else "form-control"


class SeraiRenderer(TemplatesSetting):
    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
    bound_field_class = StyledField
