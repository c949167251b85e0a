"""What operators say when they empty a node: pages show this form, REST fills it."""

from datetime import timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

LONGEST_MINUTES = 30 * 24 * 60


class DrainForm(forms.Form):
    reason = forms.CharField(
        label=_("What for"),
        max_length=200,
        help_text=_("Those whose deployments run there read it, as “new disk”."),
    )
    lasts_minutes = forms.IntegerField(
        label=_("Minutes for batches to end by themselves"),
        min_value=1,
        max_value=LONGEST_MINUTES,
        initial=60,
        help_text=_("Services go to another machine at once. What has not ended by then is stopped and begins anew."),
    )

    def clean_reason(self) -> str:
        return str(self.cleaned_data["reason"]).rstrip(".")  # it stands within a sentence

    @property
    def lasts(self) -> timedelta:
        return timedelta(minutes=self.cleaned_data["lasts_minutes"])
