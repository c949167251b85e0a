"""Runs beside each other: what differs, and what does not. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.utils.translation import gettext as _

from dashboard.runs.listing import Row
from dashboard.use.charts import short
from jobs.tracking import Run

AT_LEAST, AT_MOST = 2, 10
LABEL_PARAMETERS = 2

Value = TypeVar("Value")


@dataclass(frozen=True)
class Line:
    """One value of each run; an empty text where a run has none."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class Comparison:
    facts: tuple[Line, ...]
    parameters: tuple[Line, ...]
    metrics: tuple[Line, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        return (*self.facts, *self.parameters, *self.metrics)

    @property
    def differing(self) -> "Comparison":
        groups = (self.facts, self.parameters, self.metrics)
        return Comparison(*(tuple(line for line in group if line.differs) for group in groups))


def compare(rows: Sequence[Row]) -> Comparison:
    runs = [row.run for row in rows]
    return Comparison(
        facts=tuple(_facts(rows)),
        parameters=_lines([run.params for run in runs], str),
        metrics=_lines([run.metrics for run in runs], number),
    )


def labels_of(rows: Sequence[Row], differing: Comparison) -> list[str]:
    """Their names; what differs stands behind them where several have the same, as those of a sweep."""
    if len({row.name for row in rows}) == len(rows):
        return [row.name for row in rows]
    told = differing.parameters[:LABEL_PARAMETERS]
    words = [", ".join(f"{line.name} {line.values[place]}" for line in told) for place in range(len(rows))]
    if len(set(words)) < len(rows):
        words = [row.run.id[:6] for row in rows]
    return [f"{row.name} · {word}" for row, word in zip(rows, words, strict=True)]


def metric_names(runs: Sequence[Run]) -> list[str]:
    """Those of any of them; MLflow's own measurements of the machine last."""
    return sorted({name for run in runs for name in run.metrics}, key=lambda name: (name.startswith("system/"), name))


def number(value: float) -> str:
    return short(value) if math.isfinite(value) and abs(value) < 1e6 else repr(value)


def _lines(values: Sequence[Mapping[str, Value]], text: Callable[[Value], str]) -> tuple[Line, ...]:
    names = sorted({name for one in values for name in one})
    return tuple(Line(name, tuple(text(one[name]) if name in one else "" for one in values)) for name in names)


def _facts(rows: Sequence[Row]) -> list[Line]:
    asked: dict[str, Callable[[Row], str]] = {
        _("Status"): lambda row: str(row.look.text),
        _("Project"): lambda row: str(row.project),
        _("Module"): lambda row: row.module,
        _("Version"): lambda row: row.version,
        _("Data"): lambda row: row.data,
        _("Seconds"): lambda row: f"{row.run.lasted.total_seconds():.0f}" if row.run.lasted else "",
    }
    lines = [Line(name, tuple(value(row) for row in rows)) for name, value in asked.items()]
    return [line for line in lines if any(line.values)]
