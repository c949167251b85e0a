"""Clusters as operators bring them: what works there, what right is missing, and what to load."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from textwrap import dedent

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .interface import Adapter, DatacenterError, NodeFacts, Rights
from .models import Cluster
from .services import adapter_for, refresh

# All that Serai's token needs, in Nomad's words (https://developer.hashicorp.com/nomad/docs/other-specifications/acl-policy).
POLICY = dedent("""\
    # Jobs of Serai's projects: each has a namespace of its own, which begins with "serai-".
    namespace "serai-*" {
      policy = "write"

      # Secrets of a job, which it alone reads.
      variables {
        path "nomad/jobs/*" {
          capabilities = ["write", "read", "list", "destroy"]
        }
      }
    }

    # What is there and what is free. With "write" operators empty a node, or take it out for a while, from Serai.
    node {
      policy = "read"
    }
""")
COMMANDS = dedent("""\
    nomad acl policy apply -description "Serai" serai serai-policy.hcl
    nomad acl token create -name serai -policy serai -type client
""")
ENDS_SOON = timedelta(days=14)


@dataclass(frozen=True)
class Check:
    """One thing that was tried. ``ok`` None: it works, but not as well as it could."""

    what: str
    ok: bool | None
    sentence: str
    advice: str = ""


def examine(cluster: Cluster) -> tuple[Check, ...]:
    """Try all that Serai does there, and keep what was found; the figures of its nodes are read as well."""
    checks = tuple(_checks(cluster))
    Cluster.objects.filter(pk=cluster.pk).update(checks=[asdict(check) for check in checks], checked=timezone.now())
    if cluster.enabled:
        refresh(cluster)
    cluster.refresh_from_db()
    return checks


def works(checks: Sequence[Check]) -> bool:
    return all(check.ok is not False for check in checks)


def _checks(cluster: Cluster) -> Iterator[Check]:
    adapter = adapter_for(cluster)
    try:
        rights = adapter.rights()
    except DatacenterError as error:
        yield Check(_("Address and token"), False, str(error), _advice(cluster))
        return
    yield _region(cluster, rights)
    if cluster.region in rights.regions:
        yield from _of_token(rights)
        yield from _of_nodes(cluster, adapter, rights)


def _advice(cluster: Cluster) -> str:
    if cluster.address.startswith("https://") and not cluster.ca_certificate:
        return _(
            "Look at the address, at the token, and whether the cluster's certificate comes from an own authority."
        )
    return _("Look at the address and at the token.")


def _region(cluster: Cluster, rights: Rights) -> Check:
    if cluster.region in rights.regions:
        return Check(_("Region"), True, _("The region %s is there.") % cluster.region)
    words = {"region": cluster.region, "known": ", ".join(rights.regions)}
    text = _("There is no region %(region)s in this cluster. It knows: %(known)s.") % words
    return Check(_("Region"), False, text, _("Choose one of these."))


def _of_token(rights: Rights) -> Iterator[Check]:
    yield _token(rights)
    policy = _("Load the policy below.")
    yield _right(
        rights.submits, _("Jobs"), _("Serai may run jobs."), _("The token may not run jobs in “serai-*”."), policy
    )
    yield _right(
        rights.keeps_secrets,
        _("Secrets"),
        _("Serai may keep secrets for jobs."),
        _("The token may not write variables below nomad/jobs/ in “serai-*”."),
        policy,
    )
    if rights.access_control and not rights.management:
        text = _("Each project needs a namespace, which only an operator can make.")
        advice = _("Once a project: nomad namespace apply serai-<project>. Its first deployment there says so.")
        yield Check(_("Namespaces"), None, text, advice)
    if rights.changes_nodes is False:
        text = _("The token may not change nodes (node:write), so nobody empties one or takes it out from Serai.")
        yield Check(
            _("Emptying nodes"),
            None,
            text,
            _('Optional. Where operators are to do that here: node { policy = "write" }.'),
        )
    if rights.hears_events is False:
        text = _("The token is told no events of all namespaces, so Serai asks for changes instead: it works as well.")
        yield Check(_("News"), True, text)


def _token(rights: Rights) -> Check:
    name = _("Token")
    if not rights.access_control:
        text = _("Access control is off: whoever reaches the address may do everything.")
        return Check(name, None, text, _("Switch it on in Nomad (acl { enabled = true })."))
    if rights.expires and rights.expires < timezone.now() + ENDS_SOON:
        text = _("The token ends on %s.") % rights.expires.date()
        return Check(name, None, text, _("Make a new one and put it here; jobs go on meanwhile."))
    if rights.management:
        text = _("This is a management token, which may do everything.")
        return Check(name, None, text, _("A token with the policy below is enough."))
    return Check(name, True, _("The token is taken."))


def _right(ok: bool | None, what: str, good: str, bad: str, advice: str) -> Check:
    if ok is None:
        return Check(what, None, _("It could not be found out now."), _("Test again in a moment."))
    return Check(what, ok, good if ok else bad, "" if ok else advice)


def _of_nodes(cluster: Cluster, adapter: Adapter, rights: Rights) -> Iterator[Check]:
    name = _("Nodes")
    if rights.sees_nodes is False:
        yield Check(name, False, _("The token may not see nodes."), _("Load the policy below."))
        return
    try:
        nodes = adapter.nodes()
    except DatacenterError as error:
        yield Check(name, False, str(error))
        return
    yield _ready(name, nodes)
    yield _runtimes(cluster, nodes)


def _ready(name: str, nodes: Sequence[NodeFacts]) -> Check:
    ready = [node for node in nodes if node.ready]
    places = ", ".join(sorted({node.datacenter for node in nodes}))
    if not ready:
        return Check(name, False, _("No node takes jobs."), _("Start a Nomad client, or make one eligible again."))
    text = ngettext(
        "%(count)d node takes jobs, in %(places)s.", "%(count)d nodes take jobs, in %(places)s.", len(ready)
    )
    return Check(name, True, text % {"count": len(ready), "places": places})


def _runtimes(cluster: Cluster, nodes: Sequence[NodeFacts]) -> Check:
    driver = "raw_exec" if cluster.trusted_for_tests else "exec"
    drivers = {driver for node in nodes for driver in node.drivers}
    packages = any(driver in node.drivers and node.meta.get("serai_python") for node in nodes)
    offered = [name for name, there in ((_("packages"), packages), (_("containers"), "docker" in drivers)) if there]
    if offered:
        return Check(_("Runtimes"), True, _("Modules can run as: %s.") % ", ".join(offered))
    text = _("No node can run a module: none has the docker driver, nor %s with Serai's metadata.") % driver
    return Check(_("Runtimes"), False, text, _("The how-to “Bring a datacenter” has the client's configuration."))
