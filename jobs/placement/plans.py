"""What the planner says: choices, refusals, and why there is no choice."""

from dataclasses import dataclass

from datacenters.jobspec import Runtime
from jobs.refusals import FieldError


@dataclass(frozen=True)
class Choice:
    datacenter: str
    sentence: str
    starts_now: bool
    runtime: Runtime
    notes: tuple[str, ...] = ()  # how near, how green, how full, how dear


@dataclass(frozen=True)
class Refusal:
    datacenter: str
    sentence: str


@dataclass(frozen=True)
class Plan:
    """The best choice first. ``errors`` says why there is none, each at the value that is to blame."""

    choices: tuple[Choice, ...]
    refusals: tuple[Refusal, ...]
    errors: tuple[FieldError, ...] = ()
    largest: str = ""
    hints: tuple[str, ...] = ()  # when it starts, and what would come of another wish

    @property
    def starts_now(self) -> bool:
        return bool(self.choices) and self.choices[0].starts_now
