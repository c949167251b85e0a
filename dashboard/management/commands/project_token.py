"""``manage.py project_token CLUSTER PROJECT``: give a project a token of its own in a cluster."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Project
from dashboard.token_forms import ProjectTokenForm
from datacenters import tokens
from datacenters.models import Cluster


class Command(BaseCommand):
    help = "Give a project a token of its own in a cluster, or print what an operator runs there for one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("cluster")
        parser.add_argument("project")
        way = parser.add_mutually_exclusive_group(required=True)
        way.add_argument("--management-token-file", type=Path, help="a file with Nomad's management token; - for input")
        way.add_argument("--token-file", type=Path, help="a file with the project's token; - for standard input")
        way.add_argument("--print", action="store_true", help="print the policy and the commands, and do nothing")
        way.add_argument("--forget", action="store_true", help="its jobs use the cluster's own token again")

    def handle(self, *_args: Any, **options: Any) -> None:
        cluster = Cluster.objects.filter(name=options["cluster"], local=False).first()
        project = Project.objects.filter(slug=options["project"]).first()
        if cluster is None or project is None:
            raise CommandError("There is no such cluster of Nomad, or no such project.")
        if options["print"]:
            self.stdout.write(f"{tokens.rules_for(project)}\n{tokens.commands_for(project)}")
        elif options["forget"]:
            tokens.take_back(cluster, project, None)
        else:
            _give(cluster, project, options)
            self.stdout.write(f"Jobs of {project.slug} use a token of their own in {cluster.name}.")


def _give(cluster: Cluster, project: Project, options: dict[str, Any]) -> None:
    ways = {"management_token": options["management_token_file"], "token": options["token_file"]}
    form = ProjectTokenForm({"project": project.slug, **{name: _read(path) for name, path in ways.items() if path}})
    if not form.is_valid() or not form.act(cluster, None):
        raise CommandError("\n".join(str(text) for texts in form.errors.values() for text in texts))


def _read(path: Path) -> str:
    try:
        return (Path("/dev/stdin") if str(path) == "-" else path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
