"""The figure that an operator wrote down, as a mean of the country."""

from django.utils import timezone
from django.utils.translation import gettext as _

from datacenters.footprints import Footprint

from .reading import CarbonUnknown, Reading


def read(footprint: Footprint) -> Reading:
    if footprint.carbon_grams is None:
        raise CarbonUnknown(_("Its operator gave no figure."))
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    return Reading(hour, footprint.carbon_grams, "operator")
