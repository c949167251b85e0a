"""What batch runs of modules and of scripts have in common."""

from datacenters.jobspec import File, JobKind, Runtime
from jobs.models import Deployment

from .storages import seen_at


def script(deployment: Deployment) -> tuple[File, ...]:
    """A file, and no argument: a command line shows what it holds to everybody on the machine."""
    text = deployment.request.get("script")
    return (File("local/script.py", text),) if text else ()


def output(deployment: Deployment, runtime: Runtime, otherwise: str) -> dict[str, str]:
    """Where a batch run keeps what it makes: a folder of its own in the first storage that it may write to."""
    if deployment.kind != JobKind.BATCH:
        return {}
    attached = (one["target"] for one in deployment.request.get("storages") or () if not one["read_only"])
    target = next(attached, None)
    kept = f"{seen_at(runtime, deployment)}/{target}" if target else otherwise
    return {"SERAI_OUTPUT_DIR": f"{kept}/outputs/{deployment.pk}"}
