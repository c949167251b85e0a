"""Tokens of projects: made with an operator's own token, which is kept nowhere, or by commands that are printed.

A token is changed in one step: the new one is looked at and written down before the old one ends, so that a job
that is told something meanwhile is told with one that holds.
"""

from contextlib import suppress
from textwrap import dedent

from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEvent, Project, User

from .access import ProjectToken
from .interface import DatacenterError
from .models import Cluster
from .services import adapter_with

SERAI = "serai"  # the policy of a cluster's own token
# As deployments name theirs (jobs.models.NAMESPACE_PREFIX; a test holds both together).
PREFIX = "serai-"
RULES = dedent("""\
    # Jobs of the project %(project)s of Serai, and of no other.
    namespace "%(namespace)s" {
      policy = "write"

      variables {
        path "nomad/jobs/*" {
          capabilities = ["write", "read", "list", "destroy"]
        }
      }
    }

    # What is there and what is free.
    node {
      policy = "read"
    }
""")
COMMANDS = dedent("""\
    nomad namespace apply -description "A project of Serai" %(namespace)s
    nomad acl policy apply -description "Made for Serai" %(namespace)s %(namespace)s.hcl
    nomad acl token create -name %(namespace)s -policy %(namespace)s -type client
""")


class FormerGoesOn(DatacenterError):
    """The new token holds and is written down; the one before it could not be ended."""

    def __init__(self, accessor: str, why: DatacenterError) -> None:
        super().__init__(
            f"The new token holds. The former one could not be ended: {why} "
            f"End it there: nomad acl token delete {accessor}"
        )


def namespace_of(project: Project) -> str:
    return f"{PREFIX}{project.slug}"


def rules_for(project: Project) -> str:
    return RULES % {"project": project.slug, "namespace": namespace_of(project)}


def commands_for(project: Project) -> str:
    """What an operator runs who would not give a management token to Serai, not even for a moment."""
    return COMMANDS % {"namespace": namespace_of(project)}


def give(cluster: Cluster, project: Project, management: str, actor: User | None) -> ProjectToken:
    """Make the project's namespace, policy and token with a management token; the former token ends."""
    operator = adapter_with(cluster, management)
    namespace = namespace_of(project)
    access = operator.give_access(namespace, rules_for(project), namespace)
    adapter_with(cluster, access.token).own_accessor()  # it must hold before it counts
    former = _accessor_of(cluster, project)
    row = _write(cluster, project, access.token, access.accessor, actor)
    _end(cluster, management, former)
    return row


def keep(cluster: Cluster, project: Project, token: str, actor: User | None) -> ProjectToken:
    """Take a token that the printed commands made, once it was looked at; raises DatacenterError."""
    adapter = adapter_with(cluster, token)
    accessor = adapter.own_accessor()
    adapter.ensure_namespace(namespace_of(project))
    return _write(cluster, project, token, accessor, actor)


def take_back(cluster: Cluster, project: Project, actor: User | None) -> bool:
    """The cluster's own token is shown for the project again; False if it had none."""
    with transaction.atomic():
        gone, _by_model = ProjectToken.objects.filter(cluster=cluster, project=project).delete()
        if gone:
            AuditEvent.record(actor, "cluster.project_token_forgotten", cluster, project_token_of=project.slug)
    return bool(gone)


def renew(cluster: Cluster, management: str, rules: str, actor: User | None) -> None:
    """Another token of the cluster's own, made with a management token; the former one ends."""
    former = ""
    with suppress(DatacenterError):  # it may have run out, which is why there is to be another
        former = adapter_with(cluster, cluster.token).own_accessor() if cluster.token else ""
    access = adapter_with(cluster, management).give_access(SERAI, rules)
    adapter_with(cluster, access.token).own_accessor()
    with transaction.atomic():
        Cluster.objects.filter(pk=cluster.pk).update(token=access.token)
        AuditEvent.record(actor, "cluster.token_renewed", cluster)
    cluster.refresh_from_db()
    _end(cluster, management, former)


def _accessor_of(cluster: Cluster, project: Project) -> str:
    found = ProjectToken.objects.filter(cluster=cluster, project=project).values_list("accessor", flat=True).first()
    return found or ""


def _write(cluster: Cluster, project: Project, token: str, accessor: str, actor: User | None) -> ProjectToken:
    values = {"token": token, "accessor": accessor, "given": timezone.now(), "given_by": actor}
    with transaction.atomic():
        row, _is_new = ProjectToken.objects.update_or_create(cluster=cluster, project=project, defaults=values)
        AuditEvent.record(actor, "cluster.project_token_given", cluster, project_token_of=project.slug)
    return row


def _end(cluster: Cluster, management: str, accessor: str) -> None:
    if not accessor:
        return
    try:
        adapter_with(cluster, management).end_access(accessor)
    except DatacenterError as error:
        raise FormerGoesOn(accessor, error) from error
