"""The rows of the deploy form that attach storages and name datasets: ``storages-0-path``, ``datasets-1-source``.

Each row is some fields of the one form, so that pages, REST and clones fill them as any other, and an error finds
its place at ``#/storages/0/path``. A page that is shown for the first time has an empty row of each.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from datacenters.capacity import Capacity
from jobs import attaching
from jobs.attaching import COPY, MOST, MOUNT
from jobs.models import Storage
from jobs.requests import DatasetRequest, DeployRequest, StorageRequest

GROUPS: Mapping[str, tuple[str, ...]] = {
    "storages": ("storage", "path", "target", "mode", "read_only"),
    "datasets": ("source", "target", "checksum", "force"),
}
# What makes a row one that somebody filled.
KEYS = {"storages": "storage", "datasets": "source"}
NAME = re.compile(r"(storages|datasets)-(\d{1,3})-([a-z_]+)")


def is_ours(name: str) -> bool:
    return NAME.fullmatch(name) is not None


def pointer_of(name: str) -> str:
    found = NAME.fullmatch(name)
    return f"#/{found[1]}/{found[2]}/{found[3]}" if found else ""


def rows_in(names: Iterable[str], group: str) -> int:
    """How many rows these names of fields speak of."""
    found = [NAME.fullmatch(name) for name in names]
    return max((int(one[2]) + 1 for one in found if one and one[1] == group), default=0)


# ── Fields ───────────────────────────────────────────────────────────────────────────────────────
def fields(
    names: Sequence[str], *, owner: User, capacities: Sequence[Capacity], least: int, another: str
) -> Iterator[tuple[str, forms.Field]]:
    """For the rows that these names speak of, at least so many, and one more of the group that another is wanted of."""
    known = Storage.objects.usable_by(owner).select_related("project").order_by("project__name", "name")
    choices = [(str(row.pk), f"{row.name} ({row.project.name})") for row in known]
    make = {"storages": lambda: _storage_fields(choices, capacities), "datasets": _dataset_fields}
    for group, row in make.items():
        for index in range(min(max(rows_in(names, group), least) + (group == another), MOST)):
            yield from ((f"{group}-{index}-{name}", field) for name, field in row().items())


def _storage_fields(choices: list[tuple[str, str]], capacities: Sequence[Capacity]) -> dict[str, forms.Field]:
    unknown = gettext_lazy("This is no storage that you may attach.")
    return {
        "storage": forms.ChoiceField(
            label=gettext_lazy("Storage"),
            choices=[("", gettext_lazy("none")), *choices],
            required=False,
            error_messages={"invalid_choice": unknown},
        ),
        "path": forms.CharField(
            label=gettext_lazy("Folder of it"),
            max_length=2_000,
            required=False,
            strip=False,
            help_text=gettext_lazy("Empty: all of it. A folder that is missing is made."),
        ),
        "target": forms.CharField(
            label=gettext_lazy("Found as"),
            max_length=40,
            required=False,
            help_text=gettext_lazy("A folder in $SERAI_STORAGES_DIR. Empty: as the storage is called."),
        ),
        "mode": _mode_field(capacities),
        "read_only": forms.BooleanField(label=gettext_lazy("Only to be read"), required=False),
    }


def _mode_field(capacities: Sequence[Capacity]) -> forms.ChoiceField:
    may_mount = any(capacity.mounts_storages for capacity in capacities)
    text = gettext_lazy("Mounted, files are read when they are needed. Copied, all come before the start.")
    why_not = gettext_lazy("No datacenter here can mount storages: files are copied before the start and back.")
    modes = [(MOUNT, gettext_lazy("mount it")), (COPY, gettext_lazy("copy its files"))]
    return forms.ChoiceField(
        label=gettext_lazy("How"),
        # One that cannot be had is refused with its reason, by whoever plans.
        choices=modes if may_mount else modes[::-1],
        initial=MOUNT if may_mount else COPY,
        required=False,
        help_text=text if may_mount else why_not,
    )


def _dataset_fields() -> dict[str, forms.Field]:
    return {
        "source": forms.CharField(
            label=gettext_lazy("DOI or address"),
            max_length=2_000,
            required=False,
            help_text=gettext_lazy("As 10.5281/zenodo.1234567, or of one file: https://…"),
        ),
        "target": forms.CharField(
            label=gettext_lazy("Found as"),
            max_length=240,
            required=False,
            help_text=gettext_lazy("A folder in $SERAI_DATASETS_DIR. To keep it in an attached storage: photos/data."),
        ),
        "checksum": forms.CharField(
            label=gettext_lazy("Checksum"),
            max_length=80,
            required=False,
            help_text=gettext_lazy("Of one file: md5:… or sha256:…"),
        ),
        "force": forms.BooleanField(label=gettext_lazy("Fetch it again at each start"), required=False),
    }


# ── Values ───────────────────────────────────────────────────────────────────────────────────────
def errors(values: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(field, sentence) of rows that say something and not what it is of."""
    for group, index in _rows(names):
        key = KEYS[group]
        said = [name for name in GROUPS[group] if name not in (key, "mode") and values.get(f"{group}-{index}-{name}")]
        if said and not values.get(f"{group}-{index}-{key}"):
            yield f"{group}-{index}-{key}", _("Say which, or leave the whole row empty.")


def requests(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What the rows ask for, as ``DeployRequest`` has it."""
    filled = [(group, _row(values, group, index)) for group, index in _rows(names)]
    storages = [row for group, row in filled if group == "storages" and row["storage"]]
    datasets = [row for group, row in filled if group == "datasets" and row["source"]]
    titles = dict(Storage.objects.filter(pk__in=[row["storage"] for row in storages]).values_list("pk", "name"))
    named = {str(pk): name for pk, name in titles.items()}
    _name_targets(storages, lambda row: named.get(row["storage"], ""))
    _name_targets(datasets, lambda row: row["source"])
    return {
        "storages": tuple(StorageRequest(**row) for row in storages),
        "datasets": tuple(DatasetRequest(**row) for row in datasets),
    }


def _rows(names: Iterable[str]) -> list[tuple[str, int]]:
    names = list(names)
    return [(group, index) for group in GROUPS for index in range(rows_in(names, group))]


def _row(values: Mapping[str, Any], group: str, index: int) -> dict[str, Any]:
    row = {name: values.get(f"{group}-{index}-{name}") or "" for name in GROUPS[group]}
    row |= {name: bool(row[name]) for name in ("read_only", "force") if name in row}
    if group == "storages":
        row["mode"] = row["mode"] or MOUNT
        row["path"] = row["path"].strip("/")
    return row


def _name_targets(rows: list[dict[str, Any]], source_of: Any) -> None:
    """A name for each row that has none, which no other has."""
    for row in rows:
        taken = {one["target"].lower() for one in rows}
        plain = attaching.suggested_target(source_of(row))
        free = (name for number in range(1, 99) if (name := plain if number == 1 else f"{plain[:36]}-{number}"))
        row["target"] = row["target"] or next(name for name in free if name.lower() not in taken)


def body_values(request: DeployRequest) -> dict[str, Any]:
    """As ``POST deployments`` takes them."""
    found = {group: [asdict(one) for one in getattr(request, group)] for group in GROUPS}
    return {
        group: [{name: value for name, value in row.items() if value not in ("", False)} for row in rows]
        for group, rows in found.items()
    }


def flat(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The names and values of the fields, from a request's or a body's lists."""
    return {
        f"{group}-{index}-{name}": value
        for group in GROUPS
        for index, row in enumerate(kept.get(group) or ())
        for name, value in row.items()
        if value is not None
    }


def schema() -> dict[str, Any]:
    """Of both lists, for the form's JSON Schema."""

    def of(properties: dict[str, Any], required: str) -> dict[str, Any]:
        row = {"type": "object", "additionalProperties": False, "required": [required], "properties": properties}
        return {"type": "array", "maxItems": MOST, "items": row}

    text, switch = {"type": "string"}, {"type": "boolean", "default": False}
    mode = {"enum": [MOUNT, COPY], "default": MOUNT}
    storage = {"storage": text, "path": text, "target": text, "mode": mode, "read_only": switch}
    dataset = {"source": text, "target": text, "checksum": text, "force": switch}
    return {"storages": of(storage, "storage"), "datasets": of(dataset, "source")}
