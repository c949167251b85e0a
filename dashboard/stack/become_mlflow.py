"""Run by MLflow's own Python: ``mlflow``, but its launcher becomes the server it would start.

The launcher imports all of MLflow, starts uvicorn as a child and waits: 250 MB for nothing. Should a
later MLflow start its server another way, this changes nothing and costs that memory again.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import server
from mlflow.cli import cli


def become(command: Sequence[str], *, extra_env: Mapping[str, str], **_: Any) -> None:
    os.execvpe(command[0], list(command), {**os.environ, **extra_env})


if __name__ == "__main__":
    if hasattr(server, "_exec_cmd"):
        server._exec_cmd = become
    sys.exit(cli())
