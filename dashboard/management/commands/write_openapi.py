"""``manage.py write_openapi``: the committed copy of the REST API's document, made anew."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from dashboard.api.v1 import api


class Command(BaseCommand):
    help = "Write docs/reference/openapi.json, the committed copy of the REST API's document."

    def handle(self, *_args: Any, **_options: Any) -> None:
        file = settings.BASE_DIR / "docs" / "reference" / "openapi.json"
        file.write_text(json.dumps(api.get_openapi_schema(), indent=1) + "\n")
        self.stdout.write(f"Wrote {file.relative_to(settings.BASE_DIR)}.")
