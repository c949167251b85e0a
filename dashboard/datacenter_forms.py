"""What operators say of a datacenter: pages show these forms, REST fills them."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from datacenters.models import Datacenter, Maintenance, Sharing

WHEN = "%Y-%m-%dT%H:%M"


class DescriptionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    projects = forms.ModelMultipleChoiceField(
        label=_("Projects"),
        queryset=Project.objects.filter(archived=None).order_by("name"),
        to_field_name="slug",
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 6}),
        help_text=_("Their jobs go there first; and nobody else's, if it is only for them."),
    )

    class Meta:
        model = Datacenter
        fields = ["title", "place", "latitude", "longitude", "sharing", "projects", "enabled"]
        labels = {
            "title": _("Name for people"),
            "place": _("Place"),
            "latitude": _("Latitude"),
            "longitude": _("Longitude"),
            "sharing": _("Whose jobs it takes"),
            "enabled": _("In use"),
        }
        help_texts = {
            "place": _("As “Santander, Spain”."),
            "latitude": _("Degrees north, for the map; negative in the south."),
            "longitude": _("Degrees east; negative in the west."),
            "enabled": _("Off: nothing new goes there; what runs there goes on."),
        }
        widgets = {
            "latitude": forms.NumberInput(attrs={"step": "any"}),
            "longitude": forms.NumberInput(attrs={"step": "any"}),
        }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if (values.get("latitude") is None) != (values.get("longitude") is None) and not self.errors:
            self.add_error("longitude" if values.get("longitude") is None else "latitude", _("Give both, or neither."))
        if values.get("sharing") == Sharing.PROJECTS and not values.get("projects") and "projects" not in self.errors:
            self.add_error("projects", _("Choose at least one project, or nobody could use it."))
        return values


class MaintenanceForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    starts = forms.DateTimeField(
        label=_("From (UTC)"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=WHEN)
    )
    ends = forms.DateTimeField(
        label=_("Until (UTC)"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=WHEN)
    )

    class Meta:
        model = Maintenance
        fields = ["starts", "ends", "reason"]
        labels = {"reason": _("What for")}
        help_texts = {"reason": _("People read it beside the deploy form, as “new cooling”.")}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        starts, ends = values.get("starts"), values.get("ends")
        if starts and ends and ends <= starts:
            self.add_error("ends", _("It must end after it starts."))
        elif ends and ends <= timezone.now():
            self.add_error("ends", _("This is over already."))
        return values
