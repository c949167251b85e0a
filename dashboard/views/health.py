"""``GET /healthz``: can pages and API accept deployments, and what does each part do?"""

from dataclasses import asdict

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard.parts import can_accept_deployments, states


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    parts = states()
    ready = can_accept_deployments(parts)
    body = {"status": "ok" if ready else "unavailable", "parts": {name: asdict(part) for name, part in parts.items()}}
    return JsonResponse(body, status=200 if ready else 503)


urlpatterns = [path("healthz", healthz, name="healthz")]
