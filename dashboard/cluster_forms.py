"""The one form of clusters: pages show it, REST and ``manage.py add_cluster`` fill it."""

import ssl
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from datacenters.models import Cluster
from datacenters.services import LOCAL

PEM_ROWS = {"rows": 4, "spellcheck": "false", "autocapitalize": "off", "class": "mono"}
# What is shown to nobody again: empty keeps what there is.
SECRETS = ("token", "client_key")


class ClusterForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    address = forms.CharField(
        label=_("Address"),
        max_length=300,
        validators=[URLValidator(schemes=("http", "https"), message=_("Write it as https://nomad.example.org:4646."))],
        help_text=_("Of Nomad's HTTP API, as https://nomad.example.org:4646."),
    )
    token = forms.CharField(
        label=_("Token"),
        max_length=100,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Kept encrypted and never shown again. The policy that it needs stands below."),
    )
    client_key = forms.CharField(
        label=_("Key of Serai's certificate"),
        required=False,
        widget=forms.Textarea(attrs=PEM_ROWS),
        help_text=_("PEM, without a pass phrase. Kept encrypted and never shown again."),
    )

    class Meta:
        model = Cluster
        fields = [
            "name",
            "address",
            "region",
            "ca_certificate",
            "client_certificate",
            "trusted_for_tests",
            "only_tested",
            "enabled",
        ]
        labels = {
            "name": _("Name"),
            "region": _("Region"),
            "ca_certificate": _("Authority of its certificate"),
            "client_certificate": _("Serai's own certificate"),
            "trusted_for_tests": _("Trusted: test"),
            "only_tested": _("Only tested machines"),
            "enabled": _("In use"),
        }
        help_texts = {
            "name": _("Short, for addresses and scripts: small letters, digits and hyphens."),
            "region": _("For another region of the same federation, add a cluster with the same address."),
            "enabled": _("Off: nothing new goes there and it is not watched; what runs there goes on."),
        }
        widgets = {
            "ca_certificate": forms.Textarea(attrs=PEM_ROWS),
            "client_certificate": forms.Textarea(attrs=PEM_ROWS),
        }

    field_order = ("name", "address", "region", "token", "ca_certificate", "client_certificate", "client_key")

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).lower()
        if name == LOCAL and not self.instance.local:
            raise ValidationError(_("This is the name of the embedded local datacenter. Choose another."))
        return name

    def clean_ca_certificate(self) -> str:
        pem = str(self.cleaned_data["ca_certificate"]).strip()
        try:
            if pem:
                ssl.create_default_context(cadata=pem)
        except ssl.SSLError:
            raise ValidationError(
                _("This is no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----.")
            ) from None
        return pem

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        self._check_own_certificate(values)
        kept = self.instance.pk and self.instance.token and not values.get("token")
        if kept and "address" in self.changed_data and not self.errors:
            text = _("The address changed: give the token again, so that it goes only where its owner meant it to.")
            self.add_error("token", text)
        return values

    def save(self, commit: bool = True) -> Cluster:
        for name in SECRETS:
            setattr(self.instance, name, self.cleaned_data.get(name) or getattr(self.instance, name))
        cluster: Cluster = super().save(commit)
        return cluster

    def _check_own_certificate(self, values: dict[str, Any]) -> None:
        certificate, key = values.get("client_certificate", "").strip(), values.get("client_key", "").strip()
        if certificate and not (key or self.instance.client_key):
            self.add_error("client_key", _("A certificate needs its key."))
        if "client_certificate" not in self.errors and certificate and not _is_certificate(certificate):
            self.add_error("client_certificate", _("This is no certificate in PEM."))
        if key and not _is_key(key):
            self.add_error("client_key", _("This is no private key in PEM, or it has a pass phrase."))


def _is_certificate(pem: str) -> bool:
    try:
        x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return False
    return True


def _is_key(pem: str) -> bool:
    try:
        load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        return False
    return True
