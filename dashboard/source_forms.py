"""The form that adds a source to the marketplace."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketplace.models import Kind, Source, SourceKind
from marketplace.sources import SourceError, folder, git


class SourceForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Source
        fields = ("title", "kind", "location", "asset_kind")
        labels = {
            "title": gettext_lazy("Title"),
            "kind": gettext_lazy("What it is"),
            "location": gettext_lazy("Folder or address"),
            "asset_kind": gettext_lazy("What it holds"),
        }
        help_texts = {
            "location": gettext_lazy(
                "A folder of the machine that Serai runs on, or the https:// address of a public Git repository. "
                "Behind # you may name a branch."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("kind", SourceKind.REPOSITORY)
        self.initial.setdefault("asset_kind", Kind.MODULE)
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = [choice for choice in SourceKind.choices if choice[0] != SourceKind.BUILT_IN]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        location, kind = values.get("location"), values.get("kind")
        if location and kind == SourceKind.FOLDER and not folder.place(location).is_dir():
            self.add_error("location", _("There is no folder %(folder)s.") % {"folder": folder.place(location)})
        if location and kind in (SourceKind.CATALOG, SourceKind.REPOSITORY):
            self._check_repository(location)
        return values

    def _check_repository(self, location: str) -> None:
        try:
            git.remote(location)
        except SourceError as problem:
            self.add_error("location", str(problem))
