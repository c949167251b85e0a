"""What people run, and what happened to it. These rows are the truth; Celery is only a doorbell."""

from .deployments import (
    FINAL,
    JOB_PREFIX,
    NAMESPACE_PREFIX,
    UNDO_LASTS,
    Deployment,
    DeploymentEvent,
    DeploymentKind,
    DeploymentQuerySet,
    DeploymentSecret,
    IdempotencyKey,
    Status,
    UsageSample,
    as_json,
)
from .federation import FederationClient
from .placing import Favour, Preference
from .quotas import Quota
from .storages import Storage, StorageKind
from .tracking import Sweep, SweepQuerySet, TrackingAccount

__all__ = [
    "FINAL",
    "JOB_PREFIX",
    "NAMESPACE_PREFIX",
    "UNDO_LASTS",
    "Deployment",
    "DeploymentEvent",
    "DeploymentKind",
    "DeploymentQuerySet",
    "DeploymentSecret",
    "Favour",
    "FederationClient",
    "IdempotencyKey",
    "Preference",
    "Quota",
    "Status",
    "Storage",
    "StorageKind",
    "Sweep",
    "SweepQuerySet",
    "TrackingAccount",
    "UsageSample",
    "as_json",
]
