"""A service of the web that measures: asked with a place, it answers JSON with a moment and grams a kilowatt hour.

``SERAI_CARBON_URL`` is its address with ``{latitude}``, ``{longitude}`` and ``{country}`` where these belong. The
newest figure of the answer counts: of an object with a time and a number, or of a pair of both, however deep it lies.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.network import Forbidden, public_target
from datacenters.footprints import MOST_GRAMS, Footprint

from .reading import CarbonUnknown, Reading

CONNECT_SECONDS, READ_SECONDS, SECONDS = 5, 10, 20
LARGEST_BYTES = 1_000_000
TIMES = ("time", "at", "datetime", "timestamp", "date")
VALUES = ("carbon", "carbon_intensity", "carbonIntensity", "intensity", "value", "grams_per_kwh")
DEPTH = 4  # of lists and objects in each other
AHEAD = timedelta(minutes=5)  # by which its clock may differ


def read(footprint: Footprint) -> Reading:
    address = _address(footprint)
    found = [reading for reading in _readings(_json(address), _host(address)) if reading.at <= timezone.now() + AHEAD]
    if not found:
        raise CarbonUnknown(
            _("%(host)s answers, but with no figure that Serai understands.") % {"host": _host(address)}
        )
    return max(found, key=lambda reading: reading.at)


def _address(footprint: Footprint) -> str:
    if not settings.CARBON_URL:
        raise CarbonUnknown(_("No service is set up here. Whoever runs Serai may set SERAI_CARBON_URL."))
    place = footprint.datacenter
    known = {"latitude": place.latitude, "longitude": place.longitude, "country": footprint.country}
    missing = [name for name, value in known.items() if f"{{{name}}}" in settings.CARBON_URL and value in (None, "")]
    if missing:
        raise CarbonUnknown(
            _("The service wants to know where it is. Missing: %(what)s.") % {"what": ", ".join(missing)}
        )
    address: str = settings.CARBON_URL
    for name, value in known.items():
        address = address.replace(f"{{{name}}}", quote(str(value), safe=""))
    return address


def _host(address: str) -> str:
    return urlsplit(address).hostname or address


def _json(address: str) -> Any:
    """Followed nowhere, and given up in time; its host is a public one or one that whoever runs Serai trusts."""
    began, headers = time.monotonic(), {"Accept": "application/json"}
    if settings.CARBON_TOKEN:
        headers["Authorization"] = f"Bearer {settings.CARBON_TOKEN}"
    try:
        public_target(address)
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        with requests.get(address, headers=headers, timeout=timeout, allow_redirects=False, stream=True) as response:
            response.raise_for_status()
            return json.loads(_body(response, began))
    except Forbidden as error:
        raise CarbonUnknown(str(error)) from None
    except requests.RequestException as error:
        raise CarbonUnknown(
            _("%(host)s did not answer: %(why)s.") % {"host": _host(address), "why": type(error).__name__}
        ) from None
    except (ValueError, RecursionError):
        raise CarbonUnknown(_("%(host)s answers no JSON.") % {"host": _host(address)}) from None


def _body(response: requests.Response, began: float) -> bytes:
    body = bytearray()
    for piece in response.iter_content(65_536):
        body += piece
        if len(body) > LARGEST_BYTES or time.monotonic() - began > SECONDS:
            raise requests.Timeout("too large, or too slow")
    return bytes(body)


def _readings(answer: Any, source: str, depth: int = 0) -> Iterator[Reading]:
    if depth > DEPTH:
        return
    if isinstance(answer, Mapping):
        if reading := _reading(_first(answer, TIMES), _first(answer, VALUES), source):
            yield reading
        for inner in answer.values():
            yield from _readings(inner, source, depth + 1)
    elif isinstance(answer, list):
        if len(answer) == 2 and (reading := _reading(answer[0], answer[1], source)):
            yield reading
        for inner in answer:
            yield from _readings(inner, source, depth + 1)


def _first(answer: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((answer[name] for name in names if name in answer), None)


def _reading(at: Any, value: Any, source: str) -> Reading | None:
    moment = _moment(at)
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if moment is None or not 0 <= number <= MOST_GRAMS:
        return None
    return Reading(moment, number, source)


def _moment(text: Any) -> datetime | None:
    try:
        moment = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return timezone.make_aware(moment) if moment and timezone.is_naive(moment) else moment
