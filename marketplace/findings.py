"""What a check of a metadata file says: one finding, one sentence that tells its author what to do."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    ERROR = "error"  # the file is broken: its last good version is shown, if there is one
    WARNING = "warning"  # shown, but something is missing or wrong
    INFO = "info"  # worth knowing


@dataclass(frozen=True)
class Finding:
    level: Level
    field: str  # dotted, as links.dataset; empty: the whole file
    sentence: str
    reference: bool = False  # said by AI4OS's own validator, put in our words

    def as_json(self) -> dict[str, str | bool]:
        return {**asdict(self), "level": str(self.level)}


def error(field: str, sentence: str, *, reference: bool = False) -> Finding:
    return Finding(Level.ERROR, field, str(sentence), reference)


def warning(field: str, sentence: str, *, reference: bool = False) -> Finding:
    return Finding(Level.WARNING, field, str(sentence), reference)


def info(field: str, sentence: str) -> Finding:
    return Finding(Level.INFO, field, str(sentence))
