"""``manage.py doctor``: what is on a small default, how to grow, and what is wrong; ends with 1 if something is."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from dashboard.checkup import Verdict, findings

MARKS = {Verdict.FINE: "✓", Verdict.SMALL: "·", Verdict.WRONG: "✗"}


class Command(BaseCommand):
    help = "Say what is on a small default, how to grow, and what is wrong. Ends with 1 if something is wrong."

    def handle(self, *_args: Any, **_options: Any) -> None:
        wrong = 0
        for finding in findings():
            wrong += finding.verdict == Verdict.WRONG
            self.stdout.write(f"{MARKS[finding.verdict]} {finding.sentence}")
            if finding.advice:
                self.stdout.write(f"    {finding.advice}")
        self.stdout.write(_("%d wrong.") % wrong if wrong else _("Nothing is wrong."))
        if wrong:
            sys.exit(1)
