"""What goes in and out of the routes of projects, members, quotas and the audit."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from ninja import Schema
from pydantic import Field

from accounts.models import AuditEvent, Membership, Project, User
from dashboard.api.schemas import ListOut, Real, Strict, Whole
from jobs import quotas

RoleName = Literal["viewer", "member", "manager"]


# ── In ───────────────────────────────────────────────────────────────────────────────────────────
class ProjectIn(Strict):
    name: str
    id: Annotated[str, Field(description="Small letters, digits, hyphens, for ever; empty: made from the name.")] = ""


class ProjectChangeIn(Strict):
    name: str


class MemberIn(Strict):
    username: str
    role: RoleName = "member"


class RoleIn(Strict):
    role: RoleName


class QuotasIn(Strict):
    """What is missing or null is the site's default."""

    deployments: Whole | None = None
    cpu_cores: Real | None = None
    memory_mb: Whole | None = None
    gpus: Whole | None = None
    home_mb: Whole | None = None


# ── Out ──────────────────────────────────────────────────────────────────────────────────────────
class ProjectFullOut(Schema):
    id: str
    name: str
    personal: bool
    role: Annotated[str | None, Field(description="Mine there; null: I see it as an administrator.")]
    created: datetime
    archived: datetime | None

    @classmethod
    def of(cls, project: Project, user: User) -> Self:
        return cls.with_role(project, project.role_of(user))

    @classmethod
    def with_role(cls, project: Project, role: str | None) -> Self:
        return cls(
            id=project.slug,
            name=project.name,
            personal=project.is_personal,
            role=role,
            created=project.created,
            archived=project.archived,
        )


class MemberOut(Schema):
    username: str
    name: str
    role: str
    since: datetime

    @classmethod
    def of(cls, membership: Membership) -> Self:
        user = membership.user
        return cls(username=user.username, name=str(user), role=membership.role, since=membership.created)


class LimitOut(Schema):
    name: str
    limit: float
    used: float
    default: Annotated[float, Field(description="The limit of all for whom nothing else was said.")]


class QuotasOut(Schema):
    items: list[LimitOut]

    @classmethod
    def of(cls, holder: Project | User) -> Self:
        defaults = quotas.defaults_for(holder)
        meters = quotas.meters(holder)
        return cls(items=[LimitOut(default=defaults[m.name], name=m.name, limit=m.limit, used=m.used) for m in meters])


class AuditOut(Schema):
    id: int
    at: datetime
    actor: str | None
    action: str
    project: str | None
    object_type: str
    object_id: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, event: AuditEvent) -> Self:
        """Needs ``actor`` and ``project`` loaded with the row."""
        return cls(
            id=event.pk,
            at=event.at,
            actor=event.actor.username if event.actor else None,
            action=event.action,
            project=event.project.slug if event.project else None,
            object_type=event.object_type,
            object_id=event.object_id,
            detail=event.detail,
        )


class ProjectList(ListOut):
    items: list[ProjectFullOut]


class MemberList(ListOut):
    items: list[MemberOut]


class AuditList(ListOut):
    items: list[AuditOut]
