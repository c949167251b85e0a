"""A deployment's job as its datacenter is told it, for people to read."""

from typing import Any

from datacenters.services import adapter_for

from .compilers import compile_deployment
from .models import Deployment


def job_json(deployment: Deployment) -> dict[str, Any]:
    """Nomad's JSON of the job; no secret is in it. Raises CannotCompile when it can no longer be made."""
    spec, _secrets = compile_deployment(deployment)
    assert deployment.datacenter is not None
    return adapter_for(deployment.datacenter.cluster).job_json(spec)
