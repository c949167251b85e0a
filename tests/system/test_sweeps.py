"""Scripts and a sweep over all of Serai, by REST alone: the digits module, its real trainings, a real MLflow."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.stack import Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DIGITS = "digits-classifier"
ENDED = ("completed", "failed", "stopped")
SCRIPT = """
import mlflow, os, pathlib, sys
from digits_classifier.model import fit  # the module's own package

with mlflow.start_run(run_name="by hand"):
    classifier = fit(epochs=3, hidden_units=8, learning_rate=0.05, seed=1)
    mlflow.log_metric("accuracy", classifier.test_accuracy)
pathlib.Path(os.environ["SERAI_OUTPUT_DIR"], "accuracy.txt").write_text(str(classifier.test_accuracy))
print("{{ accuracy }} ${HOME}:", classifier.test_accuracy > 0.5)
"""


@pytest.fixture(scope="module")
def api(whole_stack) -> Iterator[httpx.Client]:
    with whole_stack.client() as client:
        client.base_url = f"{whole_stack.url}/api/v1/"
        wait_for(lambda: whole_stack.parts()["mlflow"] == "up", 240, whole_stack.log)
        yield client
        for deployment in client.get("deployments").json()["items"]:
            client.delete(f"deployments/{deployment['id']}")


def until(api: httpx.Client, route: str, condition: Callable[[dict], object], seconds: float = 400) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def fulfilled() -> object:
        found.update(api.get(route).json())
        return condition(found)

    wait_for(fulfilled, seconds, lambda: str(found))
    return found


def kill_worker(stack: Stack) -> int:
    """With -9, all of its processes; its supervisor starts another."""
    marks = f"SERAI_DATA={stack.data}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"dashboard.celery" in (folder / "cmdline").read_bytes() and marks in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return len(found)


def test_a_sweep_of_four_ends_although_its_worker_is_killed(api, whole_stack):
    grid = {"epochs": [2, 6], "learning_rate": [0.001, 0.05]}
    body = {"module": DIGITS, "grid": grid, "arguments": {"seed": 4}, "at_once": 2, "title": "Four"}
    answer = api.post("sweeps", json={**body, "resources": {"cpu_cores": 0.5, "memory_mb": 700}})
    assert answer.status_code == 201, answer.text
    sweep = f"sweeps/{answer.json()['id']}"
    running: list[int] = []

    def one_has_ended(found: dict) -> bool:
        running.append(found["progress"]["running"])
        return any(variant["status"] in ENDED for variant in found["variants"])

    until(api, sweep, one_has_ended)
    assert kill_worker(whole_stack) >= 1
    found = until(api, sweep, lambda now: running.append(now["progress"]["running"]) or now["ended"])

    assert max(running) <= 2
    assert [variant["status"] for variant in found["variants"]] == ["completed"] * 4, found
    assert len({variant["deployment"] for variant in found["variants"]}) == 4
    accuracy = [variant["metrics"]["test_accuracy"] for variant in found["variants"]]
    assert accuracy[1] > accuracy[0]  # two epochs learn little at 0.001
    assert max(accuracy) == max(accuracy[2:] + accuracy[1:2]) > 0.9
    for variant in found["variants"]:
        assert api.get(f"deployments/{variant['deployment']}/events").json()["items"][0]["verb"] == "queued"


def test_its_runs_lie_below_its_own_in_mlflow(api):
    [sweep] = [found for found in api.get("sweeps").json()["items"] if found["title"] == "Four"]
    found = until(api, f"sweeps/{sweep['id']}", lambda now: now["run"] and all(v["run"] for v in now["variants"]), 90)
    parent = api.get(f"runs/{found['run']}").json()
    assert parent["name"] == "Four"
    for variant in found["variants"]:
        run = api.get(f"runs/{variant['run']}").json()
        assert (run["sweep"], run["deployment"]) == (found["id"], variant["deployment"])
    until(api, f"runs/{found['run']}", lambda now: now["status"].upper() == "FINISHED", 60)


def test_a_script_uses_the_modules_code_and_is_tracked(api):
    body = {"module": DIGITS, "kind": "batch", "script": SCRIPT, "title": "By hand", "max_run_seconds": 300}
    answer = api.post("deployments", json={**body, "resources": {"cpu_cores": 0.5, "memory_mb": 700}})
    assert answer.status_code == 201, answer.text
    route = f"deployments/{answer.json()['id']}"
    found = until(api, route, lambda now: now["status"] in ENDED)
    assert (found["status"], found["exit_code"]) == ("completed", 0), found
    assert "{{ accuracy }} ${HOME}: True" in api.get(f"{route}/logs").text
    found = until(api, route, lambda now: now["run"], 60)
    assert api.get(f"runs/{found['run']}").json()["metrics"]["accuracy"] > 0.5


def test_a_stopped_sweep_leaves_nothing_running(api):
    script = "import time\ntime.sleep(300)"
    body = {"module": DIGITS, "variants": [{"epochs": n} for n in range(1, 4)], "script": script, "at_once": 2}
    answer = api.post("sweeps", json={**body, "resources": {"cpu_cores": 0.1, "memory_mb": 200}})
    sweep = f"sweeps/{answer.json()['id']}"
    until(api, sweep, lambda now: now["variants"][0]["status"] == "running")
    assert api.post(f"{sweep}/stop").status_code == 202
    found = until(api, sweep, lambda now: now["ended"], 60)
    assert [variant["status"] for variant in found["variants"]] == ["stopped", "stopped", None]
