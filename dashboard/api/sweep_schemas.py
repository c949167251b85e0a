"""What goes in and out of REST about sweeps."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, cast
from uuid import UUID

from ninja import Schema
from pydantic import Field

from dashboard.api.schemas import DeploymentIn, ListOut, StatusName, Whole
from dashboard.sweep_table import Row, Table, progress
from jobs.models import Sweep


class SweepIn(DeploymentIn):
    """A training with several values of its arguments: every combination of ``grid``, or each of ``variants``."""

    kind: Literal["batch"] | None = None
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    variants: list[dict[str, Any]] | None = None
    at_once: Whole | None = None


class ProgressOut(Schema):
    total: int
    waiting: int
    running: int
    completed: int
    failed: int
    stopped: int


class SweepOut(Schema):
    id: UUID
    module: str
    title: str
    project: str
    owner: str
    at_once: int
    progress: ProgressOut
    reason: Annotated[str | None, Field(description="Why no further training starts now.")]
    run: Annotated[str | None, Field(description="Its parent run in MLflow.")]
    created: datetime
    stopped: datetime | None
    ended: datetime | None

    @classmethod
    def fields_of(cls, sweep: Sweep) -> dict[str, Any]:
        """Needs ``project`` and ``owner`` loaded with the row."""
        return {
            "id": sweep.pk,
            "module": sweep.asset_slug,
            "title": sweep.title,
            "project": sweep.project.slug,
            "owner": sweep.owner.username,
            "at_once": sweep.at_once,
            "progress": ProgressOut.model_validate(progress(sweep), from_attributes=True),
            "reason": sweep.reason or None,
            "run": sweep.run_id or None,
            "created": sweep.created,
            "stopped": sweep.stopped,
            "ended": sweep.ended,
        }

    @classmethod
    def of(cls, sweep: Sweep) -> Self:
        return cls(**cls.fields_of(sweep))


class VariantOut(Schema):
    """One training of the sweep; ``deployment`` and ``status`` are null while it waits for its turn."""

    arguments: dict[str, Any]
    deployment: UUID | None
    status: StatusName | None
    reason: str | None
    exit_code: int | None
    run: str | None
    metrics: dict[str, float | str | None]

    @classmethod
    def of(cls, row: Row, table: Table) -> Self:
        deployment = row.deployment
        return cls(
            arguments=dict(zip(table.arguments, row.arguments, strict=True)),
            deployment=deployment.pk if deployment else None,
            status=cast(StatusName, deployment.status) if deployment else None,
            reason=deployment.reason or None if deployment else None,
            exit_code=deployment.exit_code if deployment else None,
            run=deployment.run_id or None if deployment else None,
            metrics={name: value for name, value in zip(table.metrics, row.reached, strict=True) if value is not None},
        )


class SweepDetailOut(SweepOut):
    variants: list[VariantOut]

    @classmethod
    def detailed(cls, sweep: Sweep, table: Table) -> Self:
        return cls(**cls.fields_of(sweep), variants=[VariantOut.of(row, table) for row in table.rows])


class SweepList(ListOut):
    items: list[SweepOut]
