"""Forms for tokens of clusters: pages show them, REST and ``manage.py project_token`` fill them."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, User
from datacenters import tokens
from datacenters.clusters import POLICY
from datacenters.interface import DatacenterError
from datacenters.models import Cluster

MANAGEMENT = _("Nomad's own, of type management. It is used once, now, and kept nowhere.")


def hidden() -> forms.PasswordInput:
    return forms.PasswordInput(attrs={"autocomplete": "off"})


class ProjectTokenForm(forms.Form):
    """Either a management token, with which the project's is made, or a token that somebody made by the commands."""

    project = forms.ModelChoiceField(
        label=_("Project"), queryset=Project.objects.filter(archived=None).order_by("slug"), to_field_name="slug"
    )
    management_token = forms.CharField(
        label=_("Management token"), help_text=MANAGEMENT, max_length=100, required=False, widget=hidden()
    )
    token = forms.CharField(
        label=_("Or: the project's token"),
        help_text=_("Made by the printed commands. Kept encrypted and never shown again."),
        max_length=100,
        required=False,
        widget=hidden(),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        given = [name for name in ("management_token", "token") if values.get(name)]
        if len(given) != 1 and not self.errors:
            raise ValidationError(_("Give one of both: a management token, or the project's token."))
        return values

    def act(self, cluster: Cluster, actor: User | None) -> bool:
        """Do what the valid form says; False, with the reason at its field, if the cluster does not."""
        values = self.cleaned_data
        field = "management_token" if values["management_token"] else "token"
        do = tokens.give if values["management_token"] else tokens.keep
        try:
            do(cluster, values["project"], values[field].strip(), actor)
        except DatacenterError as error:
            self.add_error(field, str(error))
        return not self.errors


class RenewForm(forms.Form):
    management_token = forms.CharField(
        label=_("Management token"), help_text=MANAGEMENT, max_length=100, widget=hidden()
    )

    def act(self, cluster: Cluster, actor: User | None) -> bool:
        try:
            tokens.renew(cluster, self.cleaned_data["management_token"].strip(), POLICY, actor)
        except DatacenterError as error:
            self.add_error("management_token", str(error))
        return not self.errors
