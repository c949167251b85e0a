"""Forms of people's own pages and of the people page."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.utils.translation import gettext_lazy as _

from accounts import standing as standings
from accounts.models import Level, Scope, User, create_person

TOKEN_LASTS = {7: _("7 days"), 30: _("30 days"), 90: _("90 days"), 365: _("1 year")}


class SigninForm(AuthenticationForm):
    error_messages = {
        "invalid_login": _(
            "This name and password do not belong together. Check both: capital letters matter. "
            "Without a password, ask an administrator for a sign-in link."
        ),
        "inactive": _("This account is switched off. Ask an administrator."),
    }


class WelcomeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=200,
        help_text=_("The part of your sign-in link behind the #."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false"}),
    )


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = User
        fields = ["full_name", "email"]
        labels = {"full_name": _("Name"), "email": _("E-mail")}
        help_texts = {"full_name": _("As others in your projects see you.")}


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_("What is it for?"), max_length=100, help_text=_("You will know it by this name, as “laptop” or “CI”.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("What may it do?"),
        choices=Scope.choices,
        initial=[Scope.READ, Scope.WRITE, Scope.CALL],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(
        label=_("How long does it work?"), choices=list(TOKEN_LASTS.items()), coerce=int, initial=30
    )

    @property
    def lasts(self) -> timedelta:
        return timedelta(days=self.cleaned_data["days"])


class Standing:
    """What somebody is here, beside their level; each is one choice of the people page."""

    PERSON, OPERATOR, ADMINISTRATOR = "person", "operator", "administrator"
    CHOICES = [
        (PERSON, _("person")),
        (OPERATOR, _("operator of datacenters")),
        (ADMINISTRATOR, _("administrator of the platform")),
    ]

    @classmethod
    def of(cls, user: User) -> str:
        if user.is_superuser:
            return cls.ADMINISTRATOR
        return cls.OPERATOR if user.is_staff else cls.PERSON

    @classmethod
    def flags(cls, standing: str) -> dict[str, bool]:
        return {"is_staff": standing != cls.PERSON, "is_superuser": standing == cls.ADMINISTRATOR}


class StandingForm(forms.Form):
    level = forms.TypedChoiceField(label=_("Comes to"), choices=Level.choices, coerce=int, initial=Level.INTERMEDIATE)
    standing = forms.ChoiceField(label=_("Is"), choices=Standing.CHOICES, initial=Standing.PERSON)

    @property
    def fields_of_user(self) -> dict[str, Any]:
        return {"level": self.cleaned_data["level"], **Standing.flags(self.cleaned_data["standing"])}

    @property
    def asked(self) -> standings.Standing:
        flags = Standing.flags(self.cleaned_data["standing"])
        return standings.Standing(Level(self.cleaned_data["level"]), flags["is_staff"], flags["is_superuser"])


class InviteForm(StandingForm):
    username = forms.CharField(
        label=_("User name"), max_length=150, validators=[UnicodeUsernameValidator()], help_text=_("For signing in.")
    )
    full_name = forms.CharField(label=_("Name"), max_length=150, required=False)
    field_order = ["username", "full_name", "level", "standing"]

    def clean_username(self) -> str:
        username = str(self.cleaned_data["username"])
        if User.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError(_("Somebody has this user name already. Choose another."))
        return username

    def save(self) -> User:
        return create_person(
            self.cleaned_data["username"], full_name=self.cleaned_data["full_name"], **self.fields_of_user
        )
