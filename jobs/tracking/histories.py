"""How metrics went, of one run or of several at once: one call a metric and project, at the same time."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from accounts.models import Project
from jobs.tracking.client import Login, call
from jobs.tracking.finding import AT_ONCE, ProjectRun
from jobs.tracking.runs import CHART_POINTS, login


@dataclass(frozen=True)
class Course:
    """One metric of one run, in order of its steps; a value that is no number is None."""

    run_id: str
    steps: tuple[int, ...]
    values: tuple[float | None, ...]


def courses(runs: Sequence[ProjectRun], names: Sequence[str]) -> dict[str, list[Course]]:
    """Of each of these metrics, how it went in each run that has it. Raises as ``call`` does."""
    asked = [
        (who, [item.run.id for item in group if name in item.run.metrics], name)
        for who, group in _by_login(runs)
        for name in names
    ]
    asked = [(who, ids, name) for who, ids, name in asked if ids]
    found: dict[str, list[Course]] = {name: [] for name in names}
    if not asked:
        return found
    with ThreadPoolExecutor(min(AT_ONCE, len(asked))) as pool:
        answers = pool.map(lambda one: _courses(*one), asked)
    for (_who, _ids, name), answer in zip(asked, answers, strict=True):
        found[name] += answer
    return found


def _by_login(runs: Iterable[ProjectRun]) -> list[tuple[Login, list[ProjectRun]]]:
    groups: dict[Project, list[ProjectRun]] = defaultdict(list)
    for item in runs:
        groups[item.project].append(item)
    return [(login(project), group) for project, group in groups.items()]


def _courses(who: Login, run_ids: Sequence[str], name: str) -> list[Course]:
    found = call(
        who,
        "GET",
        "2.0/mlflow/metrics/get-history-bulk-interval",
        run_ids=list(run_ids),
        metric_key=name,
        max_results=CHART_POINTS,
    )
    points: dict[str, list[tuple[int, int, float | None]]] = defaultdict(list)
    for words in found.get("metrics", []):
        points[words["run_id"]].append((int(words.get("step", 0)), int(words["timestamp"]), _number(words)))
    return [_course(run_id, points[run_id]) for run_id in run_ids if points[run_id]]


def _course(run_id: str, points: Iterable[tuple[int, int, float | None]]) -> Course:
    """Of a step that was logged twice, as after a restart, the later value counts."""
    last = {step: value for step, _at, value in sorted(points, key=lambda point: point[:2])}
    return Course(run_id, tuple(last), tuple(last.values()))


def _number(words: Mapping[str, object]) -> float | None:
    value = float(str(words["value"]))
    return value if math.isfinite(value) else None
