"""The one way Serai talks to a Nomad cluster: python-nomad behind ``datacenters.interface.Adapter``."""

from .client import NomadAdapter
from .nodes import capability
from .render import GUARDED, TRUSTED, Drivers

__all__ = ["GUARDED", "TRUSTED", "Drivers", "NomadAdapter", "capability"]
