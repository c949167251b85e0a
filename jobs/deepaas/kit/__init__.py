"""The contract kit: whether a module keeps what Serai, and everybody else, counts on.

``check_address`` asks a service that runs; ``check_folder`` installs a module in an environment of its own, starts
it, and looks at its files, its command line and what it leaves behind, too.
"""

from .report import Outcome, Report, Result
from .running import check_address, check_folder

__all__ = ["Outcome", "Report", "Result", "check_address", "check_folder"]
