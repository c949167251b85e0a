"""Forms of projects, their members and quotas: pages show them, REST fills them."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, Role, User
from jobs import quotas

SLUG = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z",
    _("An id has small letters, digits and hyphens, with a letter or digit at both ends."),
)


class RenameForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100)


class ProjectForm(RenameForm):
    slug = forms.CharField(
        label=_("Id"),
        max_length=50,
        required=False,
        validators=[SLUG],
        help_text=_("Short, for addresses and scripts, and for ever. Empty: made from the name."),
    )

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        # Nomad's own namespace is nobody's.
        if slug == "default" or Project.objects.filter(slug=slug).exists():
            raise forms.ValidationError(_("This id is taken. Choose another."))
        return slug


class RoleForm(forms.Form):
    role = forms.TypedChoiceField(
        label=_("Role"),
        choices=Role.choices,
        coerce=Role,
        initial=Role.MEMBER,
        help_text=_("Viewers look, members deploy and stop, managers say who is in."),
    )


class MemberForm(RoleForm):
    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )
    field_order = ["username", "role"]

    def clean_username(self) -> User:
        """The person, who must be there: projects invite nobody from outside."""
        person = User.objects.filter(username=self.cleaned_data["username"], is_active=True).first()
        if person is None:
            raise forms.ValidationError(_("Nobody here has this user name. An administrator can invite them."))
        return person


class QuotaForm(forms.Form):
    """Empty: the site's default."""

    deployments = forms.IntegerField(label=_("Deployments"), min_value=0, max_value=1_000_000, required=False)
    cpu_cores = forms.FloatField(label=_("CPU cores"), min_value=0, max_value=1_000_000, required=False)
    memory_mb = forms.IntegerField(label=_("Memory (MB)"), min_value=0, max_value=2_000_000_000, required=False)
    gpus = forms.IntegerField(label=_("GPUs"), min_value=0, max_value=1_000_000, required=False)
    home_mb = forms.IntegerField(label=_("Home (MB)"), min_value=0, max_value=2_000_000_000, required=False)

    @classmethod
    def of(cls, holder: Project | User, data: Any = None) -> "QuotaForm":
        form = cls(data, initial=quotas.own_limits(holder))
        for name, default in quotas.defaults_for(holder).items():
            form.fields[name].widget.attrs["placeholder"] = f"{default:g}"
        return form
