"""The form of an operation, made from the module's own document."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.argument_fields import ArgumentField
from jobs.deepaas.client import Upload
from jobs.deepaas.document import Argument, Media, Operation, Type
from jobs.deepaas.samples import Sample

MB = 1_000_000
MEDIA_TITLES = {
    "application/json": gettext_lazy("Data (JSON)"),
    "text/csv": gettext_lazy("Table (CSV)"),
    "text/plain": gettext_lazy("Text"),
    "image/png": gettext_lazy("Image (PNG)"),
    "image/jpeg": gettext_lazy("Image (JPEG)"),
    "image/*": gettext_lazy("Image"),
    "application/zip": gettext_lazy("Files (ZIP)"),
    "application/pdf": gettext_lazy("Document (PDF)"),
    "audio/wav": gettext_lazy("Sound (WAV)"),
    "video/mp4": gettext_lazy("Video (MP4)"),
    "*/*": gettext_lazy("Whatever the module prefers"),
}


class UseForm(forms.Form):
    """One field an argument; the media type of the answer comes last."""

    def __init__(self, operation: Operation, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        self.operation = operation
        for argument in sorted(operation.arguments, key=lambda argument: argument.is_accept):
            field = _field(argument)
            if field is not None:
                self.fields[argument.name] = field

    @classmethod
    def of_sample(cls, operation: Operation, sample: Sample) -> "UseForm":
        """The form filled with what the module's author gave as an example."""
        known = {argument.name for argument in operation.arguments}
        data = {name: [_posted(value)] for name, value in sample.values.items() if name in known}
        files = {name: _opened(path) for name, path in sample.files.items() if name in known}
        return cls(operation, MultiValueDict(data), MultiValueDict({name: [file] for name, file in files.items()}))

    @property
    def main_fields(self) -> list[forms.BoundField]:
        """What must be given, or what comes first if nothing must."""
        needed = [self[name] for name in self.fields if self._is_needed(name)]
        return needed or [self[name] for name in self.fields]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """What the module has a value of its own for."""
        main = {bound.name for bound in self.main_fields}
        return [self[name] for name in self.fields if name not in main]

    @property
    def has_other_errors(self) -> bool:
        return any(bound.errors for bound in self.other_fields)

    def values(self) -> dict[str, Any]:
        given = self.cleaned_data.items()
        return {name: value for name, value in given if value is not None and not isinstance(value, UploadedFile)}

    def uploads(self) -> dict[str, Upload]:
        """The files as they lie on disk or in memory, to be sent piece by piece."""
        return {
            name: Upload(value.name or name, value.file, value.content_type or "application/octet-stream")
            for name, value in self.cleaned_data.items()
            if isinstance(value, UploadedFile) and value.file is not None
        }

    def refuse(self, fields: Mapping[str, str]) -> None:
        """Take over what the module refused, each sentence at its field."""
        for name, text in fields.items():
            known = name if name in self.fields else None
            self.add_error(known, text if known else f"{name}: {text}")

    def _is_needed(self, name: str) -> bool:
        argument = self.operation.argument(name)
        return bool(argument and argument.required and not argument.is_accept)


class UploadField(forms.FileField):
    """A file for the module, with a preview of images by static/js/use.js."""

    def __init__(self, argument: Argument) -> None:
        super().__init__(
            label=argument.title, help_text=argument.help, required=argument.required, allow_empty_file=True
        )
        self.widget.attrs |= {"data-preview": "", "data-limit-mb": str(settings.UPLOAD_LIMIT_MB)}
        self.widget.attrs["data-too-large"] = _too_large()
        if argument.media not in (None, Media.FILE):
            self.widget.attrs["accept"] = f"{argument.media}/*"

    def clean(self, data: Any, initial: Any = None) -> Any:
        file = super().clean(data, initial)
        if isinstance(file, UploadedFile) and (file.size or 0) > settings.UPLOAD_LIMIT_MB * MB:
            raise ValidationError(_too_large())
        return file or None


def _too_large() -> str:
    return _("This file is larger than %(limit)d MB. Call the API to send it.") % {"limit": settings.UPLOAD_LIMIT_MB}


def _field(argument: Argument) -> forms.Field | None:
    if argument.type is Type.FILE:
        return UploadField(argument)
    if not argument.is_accept:
        field = ArgumentField(argument)
        # For its mark and the browser; what is missing is told by the field's own rules.
        field.required = argument.required and argument.default is None
        field.widget.is_required = field.required
        return field
    if len(argument.choices) < 2:
        return None  # nothing to choose: the module's own default it is
    return _accept_field(argument)


def _accept_field(argument: Argument) -> forms.Field:
    field = ArgumentField(argument)
    field.label = gettext_lazy("Answer as")
    titles = [(str(choice), MEDIA_TITLES.get(str(choice), str(choice))) for choice in argument.choices]
    field.widget = forms.Select(choices=titles)
    return field


def _posted(value: Any) -> str:
    """A value as a page would send it."""
    if isinstance(value, list):
        return "\n".join(map(_posted, value))
    return value if isinstance(value, str) else json.dumps(value)


def _opened(path: Path) -> "UploadedFile[Any]":
    return UploadedFile(path.open("rb"), path.name, "application/octet-stream", path.stat().st_size)
