"""Where a request goes: a pure function of what is asked and what each datacenter has.

A job runs on one machine, so asks are compared with machines, never with sums. What no machine has even
when it is empty is refused; what is only taken now waits.
"""

from .needs import Needs, needs_of, runtime_in
from .planner import judge, plan
from .plans import Choice, Plan, Refusal
from .sentences import why_no_gpu
from .surroundings import ANY_GPU, Spot, Surroundings, Wait, Wish

__all__ = [
    "ANY_GPU",
    "Choice",
    "Needs",
    "Plan",
    "Refusal",
    "Spot",
    "Surroundings",
    "Wait",
    "Wish",
    "judge",
    "needs_of",
    "plan",
    "runtime_in",
    "why_no_gpu",
]
