"""The plug-ins that say how much carbon a datacenter's electricity stands for, and asking them all."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.utils import timezone

from datacenters.footprints import CarbonReading, CarbonSource, Footprint

from . import constant, service
from .reading import CarbonUnknown, Reading

logger = logging.getLogger(__name__)

# A source says how it is now, in at most ``service.SECONDS``, or raises CarbonUnknown with a sentence.
SOURCES: Mapping[str, Callable[[Footprint], Reading]] = {
    CarbonSource.CONSTANT: constant.read,
    CarbonSource.SERVICE: service.read,
}
KEPT = timedelta(days=8)


def fetch_all() -> None:
    """Ask for every datacenter that has a source; one that does not answer keeps no other from being asked."""
    described = Footprint.objects.filter(carbon_source__in=SOURCES, datacenter__enabled=True)
    for footprint in described.select_related("datacenter"):
        fetch(footprint)
    CarbonReading.objects.filter(at__lt=timezone.now() - KEPT).delete()


def fetch(footprint: Footprint) -> bool:
    """False, and why, if its source has no answer; older readings stay."""
    row = Footprint.objects.filter(pk=footprint.pk)
    try:
        reading = SOURCES[footprint.carbon_source](footprint)
    except CarbonUnknown as error:
        logger.info("%s: %s", footprint.datacenter, error)
        row.update(asked=timezone.now(), problem=str(error))
        return False
    CarbonReading.objects.get_or_create(
        datacenter=footprint.datacenter,
        at=reading.at,
        defaults={"grams_per_kwh": reading.grams_per_kwh, "source": reading.source},
    )
    row.update(asked=timezone.now(), problem="")
    return True
