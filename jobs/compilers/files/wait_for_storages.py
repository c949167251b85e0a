"""Keeps a job's tasks from starting before its storages are there. Runs on the node, as the operator."""

# ruff: noqa: T201
import json
import os
import sys
import time
from pathlib import Path


def main(targets: list[str]) -> int:
    file = Path(os.environ["SERAI_MOUNTS"], ".state", os.environ["NOMAD_JOB_ID"], "status.json")
    while True:
        problem, attached = look(file)
        if problem:
            print(f"failed: {problem}", file=sys.stderr)
            return 1
        if attached >= set(targets):
            return 0
        time.sleep(0.2)


def look(file: Path) -> tuple[str, set[str]]:
    """What went wrong, and which are attached; what an earlier life of the job left there says nothing."""
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return "", set()
    if found["allocation"] != os.environ["NOMAD_ALLOC_ID"]:
        return "", set()
    return found["problem"], {name for name, one in found["storages"].items() if one["state"] == "attached"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
