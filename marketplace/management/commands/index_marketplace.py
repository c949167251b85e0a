"""``manage.py index_marketplace``: write anew what is searched, after rows came by other ways than Serai's."""

from typing import Any

from django.core.management.base import BaseCommand

from marketplace import search


class Command(BaseCommand):
    help = "Write the marketplace's search index anew."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(f"{search.rebuild()} assets can be found.")
