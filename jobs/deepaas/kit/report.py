"""What came of each check: one word and one sentence."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class NotKept(Exception):
    """The module does not do what it should; the text is for its author."""


class Silent(NotKept):
    """It no longer answers at all: nothing can be asked after this."""


class NotAsked(Exception):
    """The check does not apply here; the text says why."""


@dataclass(frozen=True)
class Result:
    check: str
    outcome: Outcome
    sentence: str

    def __str__(self) -> str:
        return f"{self.outcome:<8} {self.check}: {self.sentence}"


@dataclass(frozen=True)
class Report:
    module: str
    results: tuple[Result, ...]

    @property
    def failed(self) -> bool:
        return any(result.outcome is Outcome.FAILED for result in self.results)

    def count(self, outcome: Outcome) -> int:
        return sum(result.outcome is outcome for result in self.results)

    def as_json(self) -> dict[str, Any]:
        return {"module": self.module, "failed": self.failed, "results": [asdict(result) for result in self.results]}


def run(name: str, check: Callable[[], str]) -> Result:
    """One check: its sentence if all is well; what it raises says the rest."""
    try:
        return Result(name, Outcome.OK, check())
    except NotAsked as reason:
        return Result(name, Outcome.SKIPPED, str(reason))
    except Silent:
        raise
    except NotKept as reason:
        return Result(name, Outcome.FAILED, str(reason))
