"""What every page knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def shell(_request: HttpRequest) -> dict[str, Any]:
    return {"serai_version": settings.VERSION}
