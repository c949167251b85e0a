"""What operators do with clusters, for pages, REST and commands alike."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, Capability, User
from accounts.services import NotPossible
from dashboard.cluster_forms import SECRETS, ClusterForm
from datacenters import clusters
from datacenters.models import Cluster
from jobs.models import FINAL, Deployment


def must_operate(user: User) -> None:
    if not user.can(Capability.OPERATE):
        raise PermissionDenied(_("Only operators of datacenters may do that."))


def listed() -> QuerySet[Cluster]:
    live = ~Q(datacenters__deployments__status__in=FINAL)
    counts = {
        "places": Count("datacenters", distinct=True),
        "at_work": Count("datacenters__deployments", filter=live, distinct=True),
    }
    return Cluster.objects.annotate(**counts).order_by("-local", "name")


def save(form: ClusterForm, actor: User | None) -> Cluster:
    """Keep what a valid form says, then try it; a cluster that does not answer is kept too, with the reason."""
    is_new = form.instance.pk is None
    changed = [name for name in form.changed_data if form.cleaned_data.get(name) or name not in SECRETS]
    with transaction.atomic():
        cluster = form.save()
        AuditEvent.record(actor, "cluster.added" if is_new else "cluster.changed", cluster, fields=changed)
    clusters.examine(cluster)
    return cluster


def test(cluster: Cluster, actor: User | None) -> tuple[clusters.Check, ...]:
    checks = clusters.examine(cluster)
    AuditEvent.record(actor, "cluster.tested", cluster, works=clusters.works(checks))
    return checks


def remove(cluster: Cluster, actor: User | None) -> None:
    """Forget a cluster on which nothing was ever deployed."""
    if why := why_not_remove(cluster):
        raise NotPossible(why)
    with transaction.atomic():
        AuditEvent.record(actor, "cluster.removed", cluster)
        cluster.delete()


def why_not_remove(cluster: Cluster) -> str:
    if cluster.local:
        return _("The local datacenter belongs to Serai. Start with SERAI_LOCAL=0 to be without it.")
    if Deployment.objects.filter(datacenter__cluster=cluster).exists():
        return _("Deployments were sent here, and their history stays. Switch the cluster off instead.")
    return ""
