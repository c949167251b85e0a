"""Projects: make, rename, archive; their members and how much they may hold."""

from typing import Annotated, Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Status
from pydantic import Field

from accounts import services
from accounts.models import Capability, Membership, Project, Role, User
from dashboard.api import paging, problems
from dashboard.api.auth import WRITE
from dashboard.api.project_schemas import (
    MemberIn,
    MemberList,
    MemberOut,
    ProjectChangeIn,
    ProjectFullOut,
    ProjectIn,
    ProjectList,
    QuotasIn,
    QuotasOut,
    RoleIn,
)
from dashboard.people import person
from dashboard.project_forms import MemberForm, ProjectForm, QuotaForm, RenameForm
from jobs import projects, quotas

router = Router(tags=["projects"])


# ── Projects ─────────────────────────────────────────────────────────────────────────────────────
@router.get("projects", response=ProjectList, operation_id="list_projects", summary="The projects I am in")
def list_projects(
    request: HttpRequest,
    q: Annotated[str, Field(description="Part of a name or id.")] = "",
    archived: Annotated[bool, Field(description="Those that are archived, of which I am a manager.")] = False,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> ProjectList:
    """Administrators see all projects."""
    user = person(request)
    rows = Project.objects.visible_to(user).filter(archived__isnull=not archived).order_by("slug")
    rows = rows.filter(Q(name__icontains=q) | Q(slug__icontains=q)) if q else rows
    page, count, following = paging.by_offset(rows, limit=limit, cursor=cursor)
    roles = dict(Membership.objects.filter(user=user, project__in=page).values_list("project", "role"))
    items = [ProjectFullOut.with_role(row, roles.get(row.pk)) for row in page]
    return ProjectList(items=items, count=count, next=following)


@router.post(
    "projects",
    auth=WRITE,
    response={201: ProjectFullOut},
    operation_id="create_project",
    summary="Start a project, which I manage then",
)
def create_project(
    request: HttpRequest, response: HttpResponse, body: ProjectIn
) -> HttpResponse | Status[ProjectFullOut]:
    services.must_be_allowed_to_create(person(request))
    form = ProjectForm({"name": body.name, "slug": body.id})
    if not form.is_valid():
        return problems.invalid_form(form, at=_in_body)
    project = services.create_project(person(request), **form.cleaned_data)
    response["Location"] = f"/api/v1/projects/{project.slug}"
    return Status(201, ProjectFullOut.of(project, person(request)))


@router.get("projects/{id}", response=ProjectFullOut, operation_id="get_project", summary="One project")
def get_project(request: HttpRequest, id: str) -> ProjectFullOut:
    return ProjectFullOut.of(load(request, id), person(request))


@router.patch(
    "projects/{id}", auth=WRITE, response=ProjectFullOut, operation_id="change_project", summary="Give it another name"
)
def change_project(request: HttpRequest, id: str, body: ProjectChangeIn) -> HttpResponse | ProjectFullOut:
    project = load(request, id)
    services.must_manage(project, person(request))
    form = RenameForm(body.model_dump())
    if not form.is_valid():
        return problems.invalid_form(form)
    services.rename_project(project, person(request), form.cleaned_data["name"])
    return ProjectFullOut.of(project, person(request))


@router.delete(
    "projects/{id}",
    auth=WRITE,
    response=ProjectFullOut,
    operation_id="archive_project",
    summary="Archive it, once nothing runs there",
)
def archive_project(request: HttpRequest, id: str) -> ProjectFullOut:
    """What it had stays readable to its managers."""
    project = load(request, id)
    projects.archive(project, person(request))
    return ProjectFullOut.of(project, person(request))


@router.post(
    "projects/{id}/restore",
    auth=WRITE,
    response=ProjectFullOut,
    operation_id="restore_project",
    summary="Open an archived one again",
)
def restore_project(request: HttpRequest, id: str) -> ProjectFullOut:
    project = load(request, id)
    services.restore_project(project, person(request))
    return ProjectFullOut.of(project, person(request))


# ── Members ──────────────────────────────────────────────────────────────────────────────────────
@router.get("projects/{id}/members", response=MemberList, operation_id="list_members", summary="Who is in it")
def list_members(
    request: HttpRequest,
    id: str,
    q: Annotated[str, Field(description="Part of a user name or name.")] = "",
    limit: paging.Limit = paging.LARGEST_LIMIT,
    cursor: paging.Cursor = None,
) -> MemberList:
    rows = _members(load(request, id)).order_by("user__username")
    rows = rows.filter(Q(user__username__icontains=q) | Q(user__full_name__icontains=q)) if q else rows
    page, count, following = paging.by_offset(rows, limit=limit, cursor=cursor)
    return MemberList(items=[MemberOut.of(row) for row in page], count=count, next=following)


@router.post(
    "projects/{id}/members",
    auth=WRITE,
    response={201: MemberOut},
    operation_id="add_member",
    summary="Add somebody by user name",
)
def add_member(request: HttpRequest, id: str, body: MemberIn) -> HttpResponse | Status[MemberOut]:
    project = load(request, id)
    services.must_manage(project, person(request))
    form = MemberForm(body.model_dump())
    if not form.is_valid():
        return problems.invalid_form(form)
    membership = services.add_member(project, person(request), form.cleaned_data["username"], form.cleaned_data["role"])
    return Status(201, MemberOut.of(membership))


@router.patch(
    "projects/{id}/members/{username}",
    auth=WRITE,
    response=MemberOut,
    operation_id="change_member",
    summary="Give somebody another role",
)
def change_member(request: HttpRequest, id: str, username: str, body: RoleIn) -> MemberOut:
    membership = _member(request, id, username)
    services.change_role(membership, person(request), Role(body.role))
    return MemberOut.of(membership)


@router.delete(
    "projects/{id}/members/{username}",
    auth=WRITE,
    response={204: None},
    operation_id="remove_member",
    summary="Take somebody out, or leave",
)
def remove_member(request: HttpRequest, id: str, username: str) -> HttpResponse:
    services.remove_member(_member(request, id, username), person(request))
    return HttpResponse(status=204)


# ── Quotas ───────────────────────────────────────────────────────────────────────────────────────
@router.get(
    "projects/{id}/quotas",
    response=QuotasOut,
    operation_id="get_project_quotas",
    summary="What a project may hold at once, and holds now",
)
def get_project_quotas(request: HttpRequest, id: str) -> QuotasOut:
    return QuotasOut.of(load(request, id))


@router.put(
    "projects/{id}/quotas",
    auth=WRITE,
    response=QuotasOut,
    operation_id="set_project_quotas",
    summary="Say what a project may hold (administrators)",
)
def set_project_quotas(request: HttpRequest, id: str, body: QuotasIn) -> HttpResponse | QuotasOut:
    return _set_limits(request, load(request, id), body)


@router.get(
    "people/{username}/quotas",
    response=QuotasOut,
    operation_id="get_person_quotas",
    summary="What a person may hold at once in all projects together, and holds now",
)
def get_person_quotas(request: HttpRequest, username: str) -> QuotasOut:
    """One's own; administrators see everybody's."""
    return QuotasOut.of(_somebody(request, username))


@router.put(
    "people/{username}/quotas",
    auth=WRITE,
    response=QuotasOut,
    operation_id="set_person_quotas",
    summary="Say what a person may hold (administrators)",
)
def set_person_quotas(request: HttpRequest, username: str, body: QuotasIn) -> HttpResponse | QuotasOut:
    return _set_limits(request, _somebody(request, username), body)


def _set_limits(request: HttpRequest, holder: Project | User, body: QuotasIn) -> HttpResponse | QuotasOut:
    quotas.must_administer(person(request))
    form = QuotaForm.of(holder, body.model_dump())
    if not form.is_valid():
        return problems.invalid_form(form)
    quotas.set_limits(holder, person(request), form.cleaned_data)
    return QuotasOut.of(holder)


# ── Found, answered ──────────────────────────────────────────────────────────────────────────────
def load(request: HttpRequest, slug: str) -> Project:
    """The project, if it is there and this person may see it; else 404."""
    return get_object_or_404(Project.objects.visible_to(person(request)), slug=slug)


def _members(project: Project) -> Any:
    return Membership.objects.filter(project=project).select_related("user", "project")


def _member(request: HttpRequest, slug: str, username: str) -> Membership:
    found: Membership = get_object_or_404(_members(load(request, slug)), user__username=username)
    return found


def _somebody(request: HttpRequest, username: str) -> User:
    """Oneself; administrators find everybody."""
    user = person(request)
    return get_object_or_404(
        User.objects.all() if user.can(Capability.ADMINISTER) else User.objects.filter(pk=user.pk), username=username
    )


def _in_body(field: str) -> str:
    """A project's id is its slug."""
    return problems.pointer("id" if field == "slug" else field)
