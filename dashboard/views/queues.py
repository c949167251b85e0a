"""The page of what waits in a project for its turn."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_GET

from accounts.models import Project
from dashboard import queues
from dashboard.people import person


@login_required
@require_GET
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    user = person(request)
    project = get_object_or_404(Project.objects.visible_to(user), slug=slug)
    return render(request, "projects/queue.html", {"project": project, "lines": queues.lines(project, user)})


urlpatterns = [path("projects/<slug:slug>/queue", queue, name="project-queue")]
