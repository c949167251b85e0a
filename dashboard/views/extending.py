"""Put off the end of something that runs."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dashboard.people import person
from jobs import lifetimes, refusals
from jobs.models import Deployment


class ExtendForm(forms.Form):
    minutes = forms.IntegerField(min_value=1, max_value=lifetimes.LONGEST_EXTENSION_MINUTES)


@login_required
@require_POST
def extend(request: HttpRequest, pk: UUID) -> HttpResponse:
    user = person(request)
    deployment = get_object_or_404(Deployment.objects.visible_to(user).with_parts(), pk=pk)
    form = ExtendForm(request.POST)
    minutes = form.cleaned_data["minutes"] if form.is_valid() else lifetimes.EXTENSIONS_MINUTES[0]
    try:
        lifetimes.extend(deployment, user, minutes=minutes)
    except refusals.NotPossibleNow as obstacle:
        messages.error(request, str(obstacle))
    else:
        messages.success(request, _("“%(title)s” goes on.") % {"title": deployment.title})
    return redirect("deployment", pk)


urlpatterns = [path("deployments/<uuid:pk>/extend/", extend, name="deployment-extend")]
