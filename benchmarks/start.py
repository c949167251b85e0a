"""How quickly Serai starts and how much memory it holds: ``python -m benchmarks.start``. Reported, never a gate.

Memory is PSS, so that what processes share is counted once.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.system.stack import Stack, wait_for

AIMS = {"warm start to first page": 5.0, "memory without MLflow": 450.0, "memory of MLflow": 480.0}
UNITS = {"warm start to first page": "s", "memory without MLflow": "MB", "memory of MLflow": "MB"}
IDLE_SECONDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without-mlflow", action="store_true", help="leave it out, where it is not installed yet")
    with_mlflow = not parser.parse_args().without_mlflow
    with tempfile.TemporaryDirectory(prefix="serai-benchmark-") as folder:
        data = Path(folder) / "data"
        with started(data, mlflow=False):
            pass  # the first start makes the database and the static files
        with started(data, mlflow=with_mlflow) as (stack, seconds):
            report("warm start to first page", seconds)
            if with_mlflow:
                wait_for(lambda: stack.parts().get("mlflow") == "up", 300, stack.log)
            time.sleep(IDLE_SECONDS)
            report_memory(psutil.Process(stack.process.pid))


@contextmanager
def started(data: Path, *, mlflow: bool) -> Iterator[tuple[Stack, float]]:
    """A stack, and the seconds it took until the first page was there."""
    began = time.monotonic()
    with Stack(data, SERAI_MLFLOW=str(int(mlflow)), SERAI_REDIS="1") as stack:
        wait_for(lambda: stack.get("/signin")[0] == 200, 120, stack.log)
        seconds = time.monotonic() - began
        stack.wait_until_ready()
        yield stack, seconds


def report_memory(serve: psutil.Process) -> None:
    family = [serve, *serve.children(recursive=True)]
    pss = {process: process.memory_full_info().pss / 1_000_000 for process in family}
    for process, memory in pss.items():
        print(f"    {memory:6.1f} MB  {' '.join(process.cmdline())[:90]}")
    of_mlflow = [process for process in family if any("mlflow" in word for word in process.cmdline())]
    report("memory without MLflow", sum(memory for process, memory in pss.items() if process not in of_mlflow))
    if of_mlflow:
        report("memory of MLflow", sum(pss[process] for process in of_mlflow))


def report(what: str, value: float) -> None:
    verdict = "within" if value <= AIMS[what] else "over"
    print(f"{what}: {value:.1f} {UNITS[what]} ({verdict} the aim of {AIMS[what]:.0f})", flush=True)


if __name__ == "__main__":
    main()
