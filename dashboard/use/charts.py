"""Numbers as a line chart, drawn here: it needs no script, prints, and can be read as the table below it. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 720.0, 240.0, 8.0
POINTS_AT_MOST = 2_000
LOWER, UPPER = ("lower", "low", "min", "lower_bound"), ("upper", "high", "max", "upper_bound")
# Names of columns that say where a row stands rather than what was measured there.
POSITIONS = ("step", "index", "x", "t", "time", "timestamp", "date", "epoch", "hour", "day", "month", "year")


@dataclass(frozen=True)
class Line:
    name: str
    points: str  # as SVG's polyline takes them
    number: int  # chooses its colour


@dataclass(frozen=True)
class Chart:
    """Lines over one axis; a band where the rows have bounds."""

    lines: tuple[Line, ...]
    bottom: str
    top: str
    first: str
    last: str
    band: str = ""
    width: float = WIDTH
    height: float = HEIGHT


def chart(columns: dict[str, Sequence[float]], positions: Sequence[object] = ()) -> Chart | None:
    """A chart of these columns; None if there is nothing to draw."""
    numbers = {name: [float(value) for value in values][:POINTS_AT_MOST] for name, values in columns.items()}
    count = max(map(len, numbers.values()), default=0)
    finite = [value for values in numbers.values() for value in values if math.isfinite(value)]
    if count < 2 or not finite:
        return None
    scale = _Scale(count, min(finite), max(finite))
    low, high = _bound(numbers, LOWER), _bound(numbers, UPPER)
    shown = {name: values for name, values in numbers.items() if not (low and high) or name not in (low, high)}
    return Chart(
        lines=tuple(
            Line(name, scale.points(values), number % 6) for number, (name, values) in enumerate(shown.items())
        ),
        bottom=short(scale.least),
        top=short(scale.most),
        first=str(positions[0]) if positions else "1",
        last=str(positions[min(count, len(positions)) - 1]) if positions else str(count),
        band=scale.band(numbers[low], numbers[high]) if low and high else "",
    )


def short(number: float) -> str:
    """At most four digits that matter."""
    return f"{number:.4g}" if math.isfinite(number) else str(number)


def _bound(columns: dict[str, list[float]], names: Sequence[str]) -> str | None:
    return next((name for name in columns if name.lower() in names), None) if len(columns) > 2 else None


@dataclass(frozen=True)
class _Scale:
    count: int
    least: float
    most: float

    def points(self, values: Sequence[float]) -> str:
        pairs = [(index, value) for index, value in enumerate(values) if math.isfinite(value)]
        return " ".join(self._point(index, value) for index, value in pairs)

    def band(self, lower: Sequence[float], upper: Sequence[float]) -> str:
        there, back = list(enumerate(upper)), list(enumerate(lower))[::-1]
        return " ".join(self._point(index, value) for index, value in there + back if math.isfinite(value))

    def _point(self, index: int, value: float) -> str:
        # Halved before the difference: the span of two large numbers may be infinite.
        span = self.most / 2 - self.least / 2
        height = (value / 2 - self.least / 2) / span if span else 0.5
        x = MARGIN + index / (self.count - 1) * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - height * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"
