"""Where figures of carbon come from: one file a source, one line in ``SOURCES``."""

from .figures import FRESH, figures_of, recent
from .reading import CarbonUnknown, Reading
from .sources import SOURCES, fetch_all

__all__ = ["FRESH", "SOURCES", "CarbonUnknown", "Reading", "fetch_all", "figures_of", "recent"]
