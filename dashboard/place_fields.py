"""What the deploy form asks of the place: which one, which not, what counts most, and how long to wait for it."""

from django import forms
from django.utils.translation import gettext_lazy

from dashboard import batch_fields
from jobs.models import Favour

NAMES = ("datacenter", "prefer", "exclude", "favour", "max_wait")


class PlaceForm(forms.Form):
    datacenter = forms.ChoiceField(label=gettext_lazy("Datacenter"), required=False)
    prefer = forms.MultipleChoiceField(label=gettext_lazy("Prefer"), required=False)
    exclude = forms.MultipleChoiceField(label=gettext_lazy("Never"), required=False)
    favour = forms.ChoiceField(
        label=gettext_lazy("What counts most"),
        choices=[("", gettext_lazy("as you or the project chose")), *Favour.choices],
        required=False,
    )
    max_wait = forms.IntegerField(
        label=gettext_lazy("Wait at most (seconds)"),
        min_value=0,
        max_value=batch_fields.YEAR_SECONDS,
        required=False,
        help_text=gettext_lazy("Then it goes to the next best place, or stops if there is none. Empty: for ever."),
    )
