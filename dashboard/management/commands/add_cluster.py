"""``manage.py add_cluster NAME ADDRESS``: bring a Nomad cluster, and say what works there."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard import clusters
from dashboard.cluster_forms import ClusterForm
from datacenters.models import Cluster

MARKS = {True: "works", None: "could be better", False: "MISSING"}


class Command(BaseCommand):
    help = "Add a Nomad cluster, or change the one with this name, and test what Serai may do there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("address", help="of Nomad's HTTP API, as https://nomad.example.org:4646")
        parser.add_argument("--region", default="global")
        parser.add_argument("--token-file", type=Path, help="a file that holds the token; - for standard input")
        parser.add_argument("--ca-file", type=Path, help="PEM of the authority that signed the cluster's certificate")
        parser.add_argument("--cert-file", type=Path, help="PEM of Serai's own certificate")
        parser.add_argument("--key-file", type=Path, help="PEM of its key")
        parser.add_argument("--trusted-for-tests", action="store_true", help="packages may run by raw_exec")

    def handle(self, *_args: Any, **options: Any) -> None:
        known = Cluster.objects.filter(name=options["name"]).first()
        form = ClusterForm(_data(options), instance=known)
        if not form.is_valid():
            raise CommandError("\n".join(f"{name}: {text}" for name, texts in form.errors.items() for text in texts))
        cluster = clusters.save(form, None)
        for check in cluster.checks:
            self.stdout.write(
                f"{MARKS[check['ok']]:>15}  {check['what']}: {check['sentence']} {check['advice']}".rstrip()
            )
        if any(check["ok"] is False for check in cluster.checks):
            raise CommandError("It is kept, and not everything works there yet.")


def _data(options: dict[str, Any]) -> dict[str, Any]:
    files = {
        "token": options["token_file"],
        "ca_certificate": options["ca_file"],
        "client_certificate": options["cert_file"],
        "client_key": options["key_file"],
    }
    plain = {name: options[name] for name in ("name", "address", "region", "trusted_for_tests")}
    return {**plain, "enabled": True, **{name: _read(path) for name, path in files.items() if path}}


def _read(path: Path) -> str:
    try:
        return (Path("/dev/stdin") if str(path) == "-" else path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
