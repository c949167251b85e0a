"""What is said beside a choice: how near, how green, how full, how dear."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datacenters.capacity import Capacity
from jobs.requests import DeployRequest

from .plans import Choice
from .ranking import nearest, wait_of
from .surroundings import Surroundings

NEAR_KM = 30.0


def notes_on(request: DeployRequest, around: Surroundings, capacity: Capacity, choice: Choice) -> tuple[str, ...]:
    found = (
        _near(around, capacity),
        _green(capacity),
        _queue(around, capacity),
        _wait(request, around, choice),
        _cost(capacity),
    )
    return tuple(note for note in found if note)


def _near(around: Surroundings, capacity: Capacity) -> str:
    found = nearest(around, capacity)
    if found is not None:
        spot, distance = found
        if distance < NEAR_KM:
            return _("Near the data: “%(storage)s” is there.") % {"storage": spot.name}
        return _("“%(storage)s” is about %(km)s km away.") % {"storage": spot.name, "km": f"{_rounded(distance):,}"}
    named = next((spot for spot in around.spots if spot.country), None)
    if named is None or not capacity.footprint.country:
        return ""
    same = named.country == capacity.footprint.country
    text = _("“%(storage)s” is in the same country.") if same else _("“%(storage)s” is in another country.")
    return text % {"storage": named.name}


def _green(capacity: Capacity) -> str:
    figures = capacity.footprint
    if figures.grams_per_kwh is None:
        return ""
    values = {"work": f"{figures.grams_per_kwh_of_work:.0f}", "says": _who(capacity)}
    if figures.pue is None:
        return _("About %(work)s g of CO₂ for each kWh (%(says)s).") % values
    values |= {"grams": f"{figures.grams_per_kwh:.0f}", "pue": f"{figures.pue:g}"}
    return _("About %(work)s g of CO₂ for each kWh of work: %(grams)s g × PUE %(pue)s (%(says)s).") % values


def _who(capacity: Capacity) -> str:
    figures = capacity.footprint
    if figures.measured is None:
        return _("as its operator says")
    return _("%(source)s, %(when)s UTC") % {
        "source": figures.source,
        "when": f"{localtime(figures.measured):%F %H:%M}",
    }


def _queue(around: Surroundings, capacity: Capacity) -> str:
    count = around.queued.get(capacity.name, 0)
    if not count:
        return ""
    return ngettext("%(count)d deployment waits there.", "%(count)d deployments wait there.", count) % {"count": count}


def _wait(request: DeployRequest, around: Surroundings, choice: Choice) -> str:
    wait = None if choice.starts_now else wait_of(request.resources, around, choice.datacenter)
    if wait is None:
        return ""
    return _("The like waited about %(lasts)s there.") % {"lasts": about(wait.lasts)}


def _cost(capacity: Capacity) -> str:
    texts = {"low": _("Its cost is low."), "normal": _("Its cost is normal."), "high": _("Its cost is high.")}
    return texts.get(capacity.footprint.cost, "")


def about(lasts: timedelta) -> str:
    """A time as people say it who do not know it well."""
    minutes = lasts / timedelta(minutes=1)
    if minutes < 1:
        return _("less than a minute")
    if minutes < 90:
        count = round(minutes)
        return ngettext("%(count)d minute", "%(count)d minutes", count) % {"count": count}
    hours = round(minutes / 60)
    if hours < 48:
        return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
    return _("%(count)d days") % {"count": round(hours / 24)}


def _rounded(distance: float) -> int:
    return round(distance, -1 if distance < 1_000 else -2).__int__()


def hints(request: DeployRequest, around: Surroundings, choices: tuple[tuple[Capacity, Choice], ...]) -> Iterator[str]:
    """What would come of another wish: the first one is what happens."""
    if not choices:
        return
    best, choice = choices[0]
    wait = wait_of(request.resources, around, best.name)
    if choice.starts_now:
        yield _("Starts now at %(place)s.") % {"place": best.title}
    elif wait:
        yield _("Starts in about %(lasts)s at %(place)s.") % {"lasts": about(wait.lasts), "place": best.title}
    yield from _with_another_gpu(request, around, choices)
    yield from _greener(choices)


def _with_another_gpu(
    request: DeployRequest, around: Surroundings, choices: tuple[tuple[Capacity, Choice], ...]
) -> Iterator[str]:
    if not request.resources.gpus:
        return
    models = sorted({model for _place, model in around.waits} - {"", "GPU", request.resources.gpu_model})
    names = {capacity.name for capacity, _choice in choices}
    for model in models:
        known = [wait for (name, other), wait in around.waits.items() if other == model and name in names]
        if known:
            lasts = about(min(wait.lasts for wait in known))
            yield _("With %(model)s it waits about %(lasts)s.") % {"model": model, "lasts": lasts}


def _greener(choices: tuple[tuple[Capacity, Choice], ...]) -> Iterator[str]:
    known = [
        (grams, place) for place, _choice in choices if (grams := place.footprint.grams_per_kwh_of_work) is not None
    ]
    first = choices[0][0].footprint.grams_per_kwh_of_work
    if first is None or not known:
        return
    least, place = min(known, key=lambda pair: (pair[0], pair[1].name))
    percent = round(100 * (1 - least / first)) if first else 0
    if percent >= 5:
        yield _("At %(place)s it is greener by %(percent)d%%.") % {"place": place.title, "percent": percent}
