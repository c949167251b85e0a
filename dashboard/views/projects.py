"""Projects: who works together, how much they may hold, who did what there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import services
from accounts.models import AuditEvent, Capability, Membership, Project, Role, User
from accounts.services import NotPossible
from dashboard import audit, scope
from dashboard.addresses import next_page
from dashboard.people import person
from dashboard.project_forms import MemberForm, ProjectForm, QuotaForm, RenameForm, RoleForm
from dashboard.views.people import administrators_only
from jobs import projects, quotas
from jobs.models import FINAL, Deployment, DeploymentEvent
from jobs.refusals import NotPossibleNow

RECENT, AUDIT_PAGE = 8, 50


@dataclass(frozen=True)
class Listed:
    """A project as the list shows it to one person; ``role`` None: an administrator who is not in it."""

    project: Project
    role: Role | None
    people: int
    running: int


# ── Look ─────────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    user = person(request)
    listed = _listed(user)
    context = {
        "mine": [item for item in listed if item.role and not item.project.archived],
        "archived": [item for item in listed if item.project.archived],
        "others": [item for item in listed if item.role is None and not item.project.archived],
        "may_create": services.may_create(user),
    }
    return render(request, "projects/index.html", context)


def _listed(user: User) -> list[Listed]:
    roles = {row.project_id: Role(row.role) for row in Membership.objects.filter(user=user)}
    running = Count(
        "deployments", filter=Q(deployments__deleted=None) & ~Q(deployments__status__in=FINAL), distinct=True
    )
    # The ids first: what is counted must not be narrowed to this person's membership.
    seen = Project.objects.filter(pk__in=Project.objects.visible_to(user).values("pk"))
    rows: Any = seen.annotate(people=Count("memberships", distinct=True), running=running).order_by("name")
    listed = [Listed(row, roles.get(row.pk), row.people, row.running) for row in rows]
    return sorted(listed, key=lambda item: item.project.personal_of_id != user.pk)


@login_required
@require_GET
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    return _page(request, _load(request, slug), MemberForm())


def _page(request: HttpRequest, project: Project, form: MemberForm) -> HttpResponse:
    user = person(request)
    manages = services.may_manage(project, user)
    context = {
        "project": project,
        "role": project.role_of(user),
        "manages": manages,
        "may_invite": manages and not project.is_personal and not project.archived,
        "form": form,
        "roles": Role.choices,
        "memberships": project.memberships.select_related("user").order_by("created"),
        "meters": quotas.meters(project),
        "recent": _recent(project, user),
        "lines": audit.lines(_audit_of(project)[:RECENT], user) if manages else [],
    }
    return render(request, "projects/detail.html", context, status=422 if form.errors else 200)


def _recent(project: Project, user: User) -> list[DeploymentEvent]:
    seen = Deployment.objects.visible_to(user).in_project(project)
    events = DeploymentEvent.objects.filter(deployment__in=seen)
    return list(events.select_related("deployment", "actor").order_by("-id")[:RECENT])


@login_required
@require_GET
def project_audit(request: HttpRequest, slug: str) -> HttpResponse:
    project = _load(request, slug)
    if not services.may_manage(project, person(request)):
        raise PermissionDenied(_("Only the managers of this project see who did what there."))
    page = Paginator(_audit_of(project), AUDIT_PAGE).get_page(request.GET.get("page"))
    context = {"project": project, "page": page, "lines": audit.lines(list(page), person(request))}
    return render(request, "projects/audit.html", context)


def _audit_of(project: Project) -> Any:
    return AuditEvent.objects.filter(project=project).select_related("actor", "project").order_by("-at", "-pk")


# ── Make, rename, archive ────────────────────────────────────────────────────────────────────────
@login_required
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    services.must_be_allowed_to_create(person(request))
    form = ProjectForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            project = services.create_project(person(request), **form.cleaned_data)
        except NotPossible as obstacle:
            form.add_error("slug", str(obstacle))
        else:
            messages.success(request, _("“%s” is there. Now add who works in it.") % project)
            return redirect("project", project.slug)
    return render(request, "projects/new.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Its name, for managers; how much it may hold, for administrators."""
    project = _load(request, slug)
    if not (services.may_manage(project, person(request)) or _administers(request)):
        raise PermissionDenied(_("Only the managers of this project may do that."))
    data = request.POST if request.method == "POST" else None
    return _edit_page(request, project, RenameForm(data, initial={"name": project.name}))


def _edit_page(
    request: HttpRequest, project: Project, form: RenameForm, quota: QuotaForm | None = None
) -> HttpResponse:
    if form.is_valid():
        name = form.cleaned_data["name"]
        said = _("The project is called “%s” now.") % name
        return _done(request, project, said, lambda: services.rename_project(project, person(request), name))
    context = {
        "project": project,
        "form": form,
        "manages": services.may_manage(project, person(request)),
        "quota_form": (quota or QuotaForm.of(project)) if _administers(request) else None,
    }
    wrong = form.errors or (quota and quota.errors)
    return render(request, "projects/edit.html", context, status=422 if wrong else 200)


@administrators_only
@require_http_methods(["GET", "POST"])
def quota(request: HttpRequest, slug: str) -> HttpResponse:
    project = _load(request, slug)
    form = QuotaForm.of(project, request.POST if request.method == "POST" else None)
    if form.is_valid():
        quotas.set_limits(project, person(request), form.cleaned_data)
        messages.success(request, _("It holds from now on. What runs goes on."))
        return redirect("project", slug)
    return _edit_page(request, project, RenameForm(initial={"name": project.name}), form)


@login_required
@require_POST
def archive(request: HttpRequest, slug: str) -> HttpResponse:
    project = _load(request, slug)
    said = _("“%s” is archived. You can open it again.") % project
    return _done(request, project, said, lambda: projects.archive(project, person(request)))


@login_required
@require_POST
def restore(request: HttpRequest, slug: str) -> HttpResponse:
    project = _load(request, slug)
    said = _("“%s” is open again.") % project
    return _done(request, project, said, lambda: services.restore_project(project, person(request)))


# ── Members ──────────────────────────────────────────────────────────────────────────────────────
@login_required
@require_http_methods(["GET", "POST"])
def add_member(request: HttpRequest, slug: str) -> HttpResponse:
    project = _load(request, slug)
    if request.method == "GET":  # back here from elsewhere after a wrong value
        return redirect("project", slug)
    services.must_manage(project, person(request))
    form = MemberForm(request.POST)
    if form.is_valid():
        try:
            services.add_member(project, person(request), form.cleaned_data["username"], form.cleaned_data["role"])
        except NotPossible as obstacle:
            form.add_error("username", str(obstacle))
        else:
            messages.success(request, _("%s is in.") % form.cleaned_data["username"])
            return redirect("project", slug)
    return _page(request, project, form)


@login_required
@require_POST
def change_role(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    membership = _member(request, slug, username)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["role"][0]))
        return redirect("project", slug)
    role = form.cleaned_data["role"]
    said = _("%(person)s: %(role)s from now on.") % {"person": membership.user, "role": role.label}
    return _done(request, membership.project, said, lambda: services.change_role(membership, person(request), role))


@login_required
@require_POST
def remove_member(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """Take somebody out, or leave: then the project may be out of sight."""
    membership = _member(request, slug, username)
    leaves = membership.user == person(request)
    said = _("You left “%s”.") % membership.project if leaves else _("%s is out.") % membership.user
    answer = _done(request, membership.project, said, lambda: services.remove_member(membership, person(request)))
    still_there = Project.objects.visible_to(person(request)).filter(slug=slug).exists()
    return answer if still_there else redirect("projects")


@login_required
@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Look at one project only, or at all of them."""
    scope.choose(request, person(request), request.POST.get("project", ""))
    return redirect(next_page(request))


def _load(request: HttpRequest, slug: str) -> Project:
    return get_object_or_404(Project.objects.visible_to(person(request)), slug=slug)


def _member(request: HttpRequest, slug: str, username: str) -> Membership:
    rows = Membership.objects.select_related("user", "project")
    return get_object_or_404(rows, project=_load(request, slug), user__username=username)


def _administers(request: HttpRequest) -> bool:
    return person(request).can(Capability.ADMINISTER)


def _done(request: HttpRequest, project: Project, said: str, act: Callable[[], object]) -> HttpResponse:
    """Back to the project's page, which says that it is done, or what stands against it."""
    try:
        act()
    except (NotPossible, NotPossibleNow) as obstacle:
        messages.error(request, str(obstacle))
    else:
        messages.success(request, said)
    return redirect("project", project.slug)


urlpatterns = [
    path("projects/", index, name="projects"),
    path("projects/new", new, name="new-project"),
    path("projects/choose", choose, name="choose-project"),
    path("projects/<slug:slug>/", detail, name="project"),
    path("projects/<slug:slug>/edit", edit, name="edit-project"),
    path("projects/<slug:slug>/quota", quota, name="project-quota"),
    path("projects/<slug:slug>/audit", project_audit, name="project-audit"),
    path("projects/<slug:slug>/archive", archive, name="archive-project"),
    path("projects/<slug:slug>/restore", restore, name="restore-project"),
    path("projects/<slug:slug>/members", add_member, name="project-members"),
    path("projects/<slug:slug>/members/<str:username>", change_role, name="project-member"),
    path("projects/<slug:slug>/members/<str:username>/remove", remove_member, name="remove-member"),
]
