"""What people say of places: operators of energy and cost, members of where files lie, everybody of what counts."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from datacenters.footprints import CarbonSource, Footprint
from datacenters.models import Datacenter
from jobs.models import Favour, Storage


class CountryMixin:
    """Letters in any case; ``country`` is a field of two of them."""

    cleaned_data: dict[str, Any]

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()


def _country(text: Any) -> forms.CharField:
    return forms.CharField(label=_("Country"), max_length=2, min_length=2, required=False, help_text=text)


class FootprintForm(CountryMixin, forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    country = _country(_("Two letters, as ES or DE."))

    class Meta:
        model = Footprint
        fields = ["country", "pue", "carbon_source", "carbon_grams", "cost"]
        labels = {
            "pue": _("PUE"),
            "carbon_source": _("Where its carbon figure comes from"),
            "carbon_grams": _("Carbon (g of CO₂ for each kWh)"),
            "cost": _("What it costs"),
        }
        help_texts = {
            "pue": _("What the whole building takes for each kWh of its machines: 1.2 is good. Empty: not known."),
            "carbon_source": _("The service is asked with its place on the map, every quarter of an hour."),
            "carbon_grams": _("Used where it is always the same figure, as the mean of the country."),
        }
        widgets = {
            "pue": forms.NumberInput(attrs={"step": "any"}),
            "carbon_grams": forms.NumberInput(attrs={"step": "any"}),
        }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        wants_figure = values.get("carbon_source") == CarbonSource.CONSTANT
        if wants_figure and values.get("carbon_grams") is None and "carbon_grams" not in self.errors:
            self.add_error("carbon_grams", _("Give the figure, or choose another source."))
        return values


class StoragePlaceForm(CountryMixin, forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    datacenter = forms.ModelChoiceField(
        label=_("At the datacenter"),
        queryset=Datacenter.objects.filter(enabled=True).order_by("name"),
        to_field_name="name",
        required=False,
        empty_label=_("at none of these, or not known"),
    )
    country = _country(_("Two letters, as ES or DE; where it lies at none of these datacenters."))

    class Meta:
        model = Storage
        fields = ["datacenter", "country"]


class FavourForm(forms.Form):
    favour = forms.ChoiceField(
        label=_("What counts most where several datacenters could run something"),
        choices=[("", _("nothing of this: others decide")), *Favour.choices],
        required=False,
        help_text=_("Each deploy form may say otherwise."),
    )

    @property
    def choice(self) -> Favour | None:
        value = self.cleaned_data["favour"]
        return Favour(value) if value else None
