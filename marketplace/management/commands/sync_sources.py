"""``manage.py sync_sources [slug …]``: take over what the sources of the marketplace have now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace import services
from marketplace.models import Source


class Command(BaseCommand):
    help = "Take over what the marketplace's sources have now: those switched on, or those named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="source")

    def handle(self, *_args: Any, **options: Any) -> None:
        services.add_presets()
        slugs = options["slugs"]
        unknown = set(slugs) - set(Source.objects.values_list("slug", flat=True))
        if unknown:
            known = ", ".join(Source.objects.values_list("slug", flat=True))
            raise CommandError(f"There is no source {', '.join(sorted(unknown))}. There are: {known}.")
        results = services.sync_enabled(slugs)
        for slug, result in results.items():
            self.stdout.write(f"{slug}: {result}")
        if any(result.problem for result in results.values()):
            raise CommandError("Not every source could be read.")
