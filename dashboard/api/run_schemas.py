"""Runs as the REST API gives them."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from ninja import Schema
from pydantic import Field

from dashboard.api.schemas import ListOut
from dashboard.runs.comparing import compare
from dashboard.runs.listing import Row
from jobs.tracking import Course
from jobs.tracking.files import RunFile


class RunDataOut(Schema):
    name: str
    digest: str
    source: str


class RunOut(Schema):
    id: Annotated[str, Field(description="MLflow's; empty for a training whose run is not known while MLflow is away.")]
    name: str
    status: str
    project: str
    module: str | None
    version: str | None
    deployment: str | None
    sweep: str | None
    started: datetime | None
    ended: datetime | None
    parameters: dict[str, str]
    metrics: dict[str, float | None]
    tags: dict[str, str]
    data: list[RunDataOut]

    @classmethod
    def of(cls, row: Row) -> Self:
        run = row.run
        return cls(
            id=run.id,
            name=row.name,
            status=row.status,
            project=row.project.slug,
            module=row.module or None,
            version=row.version or None,
            deployment=str(row.deployment.pk) if row.deployment else None,
            sweep=row.sweep or None,
            started=run.started,
            ended=run.ended,
            parameters=dict(run.params),
            metrics=_numbers(run.metrics),
            tags=dict(row.own_tags),
            data=[RunDataOut(name=one.name, digest=one.digest, source=one.source) for one in run.datasets],
        )


def _numbers(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """JSON knows neither NaN nor infinity."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


Problem = Annotated[
    str | None, Field(description="Why this is only what Serai itself knows of trainings: MLflow does not answer.")
]


class RunList(ListOut):
    count: Annotated[int, Field(description="Of this page; MLflow does not count.")]
    items: list[RunOut]
    problem: Problem


class RunDetailOut(RunOut):
    problem: Problem = None


class CourseOut(Schema):
    steps: list[int]
    values: list[float | None]

    @classmethod
    def of(cls, course: Course) -> Self:
        return cls(steps=list(course.steps), values=list(course.values))


class RunMetricsOut(Schema):
    id: str
    status: str
    metrics: dict[str, CourseOut]


class DifferenceOut(Schema):
    name: str
    values: Annotated[list[str], Field(description="One a run, in the order of the runs; empty where it has none.")]


class ComparisonOut(Schema):
    runs: list[RunOut]
    facts: list[DifferenceOut]
    parameters: list[DifferenceOut]
    metrics: list[DifferenceOut]
    problem: Problem

    @classmethod
    def of(cls, rows: list[Row], problem: str, *, every: bool) -> Self:
        whole = compare(rows)
        shown = whole if every else whole.differing
        groups = {"facts": shown.facts, "parameters": shown.parameters, "metrics": shown.metrics}
        lines = {
            name: [DifferenceOut(name=line.name, values=list(line.values)) for line in group]
            for name, group in groups.items()
        }
        return cls(runs=[RunOut.of(row) for row in rows], problem=problem or None, **lines)


class RunFileOut(Schema):
    path: str
    folder: bool
    size_bytes: int | None

    @classmethod
    def of(cls, file: RunFile) -> Self:
        return cls(path=file.path, folder=file.is_folder, size_bytes=file.size_bytes)


class RunFileList(Schema):
    items: list[RunFileOut]
