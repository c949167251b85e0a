"""``manage.py test_nodes [DATACENTER …]``: have machines tested, and say what came of it."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datacenters.models import Datacenter, Node, NodeTest
from datacenters.node_tests import asking
from datacenters.node_tests.models import Outcome

LOOK_SECONDS = 1


class Command(BaseCommand):
    help = "Have all machines of these datacenters (or of all) tested by the running Serai."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("datacenters", nargs="*", metavar="DATACENTER")
        parser.add_argument("--node", action="append", default=[], help="only machines of this name")
        parser.add_argument("--wait", type=int, default=900, help="seconds to wait for the results; 0: only ask")

    def handle(self, *_args: Any, **options: Any) -> None:
        tests = [asking.ask(node, None) for node in _nodes(options["datacenters"], options["node"])]
        if not tests:
            raise CommandError("There is no such machine.")
        if not options["wait"]:
            self.stdout.write(f"{len(tests)} machines are to be tested.")
            return
        ended = self._wait_for([test.pk for test in tests], time.monotonic() + options["wait"])
        if len(ended) < len(tests):
            raise CommandError(f"{len(tests) - len(ended)} tests have not ended. Does Serai run (manage.py doctor)?")
        if any(test.outcome != Outcome.PASSED for test in ended):
            raise CommandError("Not every machine passed.")

    def _wait_for(self, ids: list[Any], deadline: float) -> list[NodeTest]:
        ended: dict[Any, NodeTest] = {}
        while len(ended) < len(ids) and time.monotonic() < deadline:
            rows = NodeTest.objects.filter(pk__in=ids, ended__isnull=False).exclude(pk__in=ended)
            for test in rows.select_related("node"):
                ended[test.pk] = test
                self._say(test)
            time.sleep(LOOK_SECONDS)
        return list(ended.values())

    def _say(self, test: NodeTest) -> None:
        self.stdout.write(f"{test.node}: {test.get_outcome_display()}")
        marks = {True: "works", False: "FAILED", None: "not tried"}
        for finding in test.findings:
            self.stdout.write(f"{marks[finding['ok']]:>12}  {finding['sentence']}")


def _nodes(datacenters: list[str], names: list[str]) -> list[Node]:
    unknown = set(datacenters) - set(Datacenter.objects.values_list("name", flat=True))
    if unknown:
        raise CommandError(f"There is no datacenter {', '.join(sorted(unknown))}.")
    rows = Node.objects.filter(datacenter__cluster__enabled=True)
    rows = rows.filter(datacenter__name__in=datacenters) if datacenters else rows
    return list(rows.filter(name__in=names) if names else rows)
