"""``manage.py check_module URL|PATH``: does a module keep its contract?"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.deepaas.kit import Outcome, Report, check_address, check_folder


class Command(BaseCommand):
    help = "Install and start a module (or ask one that runs), call every route, and report what it keeps."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("module", metavar="URL|PATH", help="address of a running service, or a module's folder")
        parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there as JSON, too")
        parser.add_argument("--write-openapi", action="store_true", help="record its document in openapi.json (PATH)")
        parser.add_argument("--samples", type=Path, metavar="FOLDER", help="samples to send (URL)")
        parser.add_argument("--train", action="store_true", help="train a running service: replaces its weights (URL)")
        parser.add_argument("--environment", type=Path, metavar="FOLDER", help="it is installed there already (PATH)")
        parser.add_argument("--no-train", action="store_true", help="leave the trainings out (PATH)")

    def handle(self, *_args: Any, module: str, report: Path | None, **options: Any) -> None:
        found = self._check(module, options)
        if report is not None:
            report.write_text(json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n")
        counts = ", ".join(f"{found.count(outcome)} {outcome}" for outcome in Outcome)
        if found.failed:
            raise CommandError(f"{module} does not keep its contract: {counts}.", returncode=1)
        self.stdout.write(f"{module} keeps its contract: {counts}.")

    def _check(self, module: str, options: dict[str, Any]) -> Report:
        if module.startswith(("http://", "https://")):
            return check_address(module, sample_folder=options["samples"], train=options["train"], say=self._say)
        folder = Path(module)
        if not (folder / "pyproject.toml").is_file():
            raise CommandError(f"{module} is no module: it has no pyproject.toml, and is no http:// address.")
        return check_folder(
            folder,
            train=not options["no_train"],
            write_document=options["write_openapi"],
            environment=options["environment"],
            say=self._say,
        )

    def _say(self, result: object) -> None:
        self.stdout.write(str(result))
        self.stdout.flush()
