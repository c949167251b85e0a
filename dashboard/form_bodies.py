"""Between the names of the deploy form's fields and the body of ``POST deployments``."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from dashboard import attachment_fields, batch_fields, lifetime_fields
from dashboard.place_fields import NAMES as PLACE_NAMES
from marketplace.models import Asset, Kind

OPTION, ARGUMENT, SWEPT = "option-", "argument-", "values-"
RESOURCES = (
    "cpu_cores",
    "memory_mb",
    "disk_mb",
    "gpus",
    "gpu_model",
    "gpu_vendor",
    "gpu_memory_mb",
    "gpu_compute_capability",
)


def fields_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a body names, by the form's field names."""
    plain = (
        "title",
        "project",
        *PLACE_NAMES,
        *batch_fields.NAMES,
        *lifetime_fields.NAMES,
    )
    flat = {name: body.get(name) for name in plain}
    flat |= dict(body["resources"]) | attachment_fields.flat(body)
    flat |= {OPTION + name: value for name, value in body["options"].items()}
    flat |= {ARGUMENT + name: value for name, value in body["arguments"].items()}
    return {name: value for name, value in flat.items() if value is not None and value != []}


def asked_asset(body: Mapping[str, Any]) -> Asset | None:
    kind = Kind.TOOL if body["tool"] else Kind.MODULE
    if body["module"] and body["tool"]:
        return None
    return Asset.objects.listed().filter(kind=kind, slug=body[kind]).first()


def no_asset(body: Mapping[str, Any]) -> tuple[str, str]:
    where = "tool" if body["tool"] else "module"
    slug = body[where]
    if body["module"] and body["tool"]:
        return "#/tool", _("Say either which module to deploy or which tool, not both.")
    if not slug:
        return "#/module", _("Say which module to deploy: its id from GET /api/v1/modules.")
    return f"#/{where}", _("There is no %(what)s “%(slug)s”.") % {"what": where, "slug": slug}


def pointer_of(name: str) -> str:
    if name == "__all__":
        return "#"
    if attachment_fields.is_ours(name):
        return attachment_fields.pointer_of(name)
    for prefix, group in ((OPTION, "options"), (ARGUMENT, "arguments"), (SWEPT, "grid")):
        if name.startswith(prefix):
            return f"#/{group}/{name.removeprefix(prefix)}"
    return f"#/resources/{name}" if name in RESOURCES else f"#/{name}"
