"""Forms of a federated server's clients: the page shows them, REST fills them."""

from django import forms
from django.utils.translation import gettext_lazy as _


class OutsideForm(forms.Form):
    """A client that runs elsewhere."""

    name = forms.CharField(label=_("Name"), max_length=60, help_text=_("As its institute or its machine is called."))
    public_key = forms.CharField(
        label=_("Public key"),
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Of a key that the client has already, as ecdsa-sha2-nistp384 … Empty: Serai makes one."),
    )


class InsideForm(forms.Form):
    """A client that is a deployment of the project."""

    name = forms.CharField(label=_("Name"), max_length=60)
    part = forms.IntegerField(label=_("Part of the data"), min_value=1, max_value=1_000, initial=1)
    parts = forms.IntegerField(label=_("Of how many parts"), min_value=1, max_value=1_000, initial=2)
