"""What a source of carbon figures answers."""

from dataclasses import dataclass
from datetime import datetime


class CarbonUnknown(Exception):
    """It has no figure; the text is for people."""


@dataclass(frozen=True)
class Reading:
    at: datetime
    grams_per_kwh: float
    source: str  # who says so, for people
