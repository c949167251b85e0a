"""What people filter by: the values of each asset, and how often each occurs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.models import Asset, Condition, Facet, Kind

RUNTIMES = {"package": _("as a package"), "container": _("as a container")}


@dataclass(frozen=True)
class FacetKind:
    """One thing to filter by. ``titles`` say the values in words, where those of the file are none."""

    label: str | Promise
    values: Callable[[Asset], Iterable[str]]
    titles: Mapping[str, str | Promise]


def _labels(choices: Iterable[tuple[str, str | Promise]]) -> dict[str, str | Promise]:
    return dict(choices)


FACETS: dict[str, FacetKind] = {
    "kind": FacetKind(_("Kind"), lambda asset: [asset.kind], _labels(Kind.choices)),
    "tasks": FacetKind(_("Tasks"), lambda asset: asset.tasks, {}),
    "data-type": FacetKind(_("Data types"), lambda asset: asset.data_types, {}),
    "libraries": FacetKind(_("Libraries"), lambda asset: asset.libraries, {}),
    "categories": FacetKind(
        _("What it offers"),
        lambda asset: asset.categories,
        {
            "AI4 pre trained": _("ready to use"),
            "AI4 trainable": _("trainable on your data"),
            "AI4 inference": _("predictions"),
            "AI4 tools": _("tool"),
        },
    ),
    "runs": FacetKind(_("Runs"), lambda asset: asset.runtimes, RUNTIMES),
    "licence": FacetKind(_("Licence"), lambda asset: [asset.licence] if asset.licence else [], {}),
    "tags": FacetKind(_("Tags"), lambda asset: asset.tags, {}),
    "condition": FacetKind(_("Condition"), lambda asset: [asset.condition], _labels(Condition.choices)),
}


def rows_of(asset: Asset) -> list[Facet]:
    """The facets to keep of an asset; of one that left its source, none."""
    if asset.gone:
        return []
    return [
        Facet(asset=asset, field=field, value=value)
        for field, kind in FACETS.items()
        for value in dict.fromkeys(str(value)[:120] for value in kind.values(asset))
    ]
