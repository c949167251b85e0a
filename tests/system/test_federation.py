"""One federated run over the whole stack: a server and two clients as deployments, and others that knock at its door."""

import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from jobs.federation.keys import new_node_key
from tests.system.stack import ROOT, Stack, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Two whole rounds, and a third in which one of the clients dies.
OPTIONS = {"rounds": 3, "start_clients": 2, "min_train": 1, "min_evaluate": 1, "min_available": 1, "round_seconds": 60}
INSTALLED_WITHIN, SOON = 300, 120


@pytest.fixture(scope="module")
def api(whole_stack: Stack) -> Iterator[httpx.Client]:
    with whole_stack.client() as client:
        client.base_url = f"{whole_stack.url}/api/v1/"
        yield client
        for deployment in client.get("deployments").json()["items"]:
            client.delete(f"deployments/{deployment['id']}")


def until(look: Callable[[], Any], fulfilled: Callable[[Any], object], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not fulfilled(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    return found


@pytest.fixture(scope="module")
def server(api: httpx.Client) -> str:
    made = api.post("deployments", json={"tool": "flower", "title": "Two halves", "options": OPTIONS})
    assert made.status_code == 201, made.text
    return is_running(api, made.json()["id"], INSTALLED_WITHIN)


def is_running(api: httpx.Client, pk: str, seconds: float = SOON) -> str:
    found = until(lambda: shown(api, pk), lambda row: row["status"] in ("running", "failed"), seconds)
    assert found["status"] == "running", found
    return pk


def shown(api: httpx.Client, pk: str) -> dict[str, Any]:
    return api.get(f"deployments/{pk}").json()


def rounds(api: httpx.Client, server: str) -> list[dict[str, Any]]:
    return (shown(api, server)["result"] or {}).get("rounds", [])


def test_the_joint_model_beats_each_alone_and_a_lost_client_ends_nothing(whole_stack, api, server):
    first, second = (started(api, server, part) for part in (1, 2))
    for client in (first, second):
        is_running(api, client)
    lives = [shown(api, pk) for pk in (server, first, second)]
    the_agent_is_killed(whole_stack)
    _one, two = until(lambda: rounds(api, server), lambda told: len(told) >= 2, 2 * SOON)[:2]
    assert (two["asked"], two["answered"]) == (2, 2)
    assert two["joint"]["accuracy"] > two["train"]["best alone"] + 0.3

    for before in lives:  # nobody began anew, and nobody was told to have failed
        now = shown(api, before["id"])
        assert (now["status"], now["restarts"], now["endpoints"]) == ("running", 0, before["endpoints"])

    until(lambda: shown(api, server)["result"]["now"], lambda now: now == {"began": 3, "asked": 2}, SOON)
    end_as_a_crash_would(second)
    done = until(lambda: shown(api, server)["result"], lambda told: told["phase"] in ("finished", "failed"), 2 * SOON)
    assert done["phase"] == "finished", done
    assert (done["rounds"][2]["asked"], done["rounds"][2]["answered"]) == (2, 1)
    assert shown(api, server)["status"] == "running"
    until(lambda: shown(api, second)["status"], lambda status: status == "failed", SOON)

    model = tasks_folder(whole_stack) / "storage" / "admin" / "flower" / server / "joint-model.npz"
    assert model.stat().st_size > 1_000
    run = until(lambda: shown(api, server)["run"], bool, SOON)
    figures = until(lambda: api.get(f"runs/{run}").json(), lambda found: found["status"] == "finished", SOON)
    assert "joint-model.npz" in api.get(f"runs/{run}/files", params={"path": "model"}).text
    assert figures["metrics"]["joint accuracy"] == pytest.approx(done["rounds"][2]["joint"]["accuracy"])


def the_agent_is_killed(stack: Stack) -> None:
    """With -9, in the middle of the run; the supervisor starts another one."""
    before = agent_of(stack)
    assert before is not None
    before.kill()
    until(lambda: agent_of(stack), lambda now: now is not None and now.pid != before.pid, SOON)


def agent_of(stack: Stack) -> psutil.Process | None:
    own = psutil.Process(stack.process.pid).children(recursive=True)
    found = (process for process in own if process.is_running() and "datacenters.local" in command_of(process))
    return next((process for process in found if "shim" not in command_of(process)), None)


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # ended meanwhile
        return ""


def started(api: httpx.Client, server: str, part: int) -> str:
    asked = {"name": f"half {part}", "inside": True, "part": part, "parts": 2}
    answer = api.post(f"deployments/{server}/clients", json=asked)
    assert answer.status_code == 202, answer.text
    return answer.json()["deployment"]


def end_as_a_crash_would(deployment: str) -> None:
    for process in psutil.process_iter():
        try:
            if process.environ().get("SERAI_DEPLOYMENT_ID") == deployment:
                process.kill()
        except psutil.Error:  # ended meanwhile, or not to be looked at
            continue


def tasks_folder(stack: Stack) -> Path:
    return Path(stack.environment["SERAI_TASKS_DIR"])


# ── Others at the door ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("path", ["/v1/control/list-nodes", "/v1/runtime/acquire-task", "/docs", "/openapi.json"])
def test_only_clients_routes_answer_to_anybody(whole_stack, api, server, path):
    joined = a_client_elsewhere(api, server)
    address = joined["command"].split("--superlink ")[1].split()[0]
    context = ssl.create_default_context(cadata=joined["authority"])
    assert status(f"https://{address}/health", context) == 200
    assert status(f"https://{address}{path}", context) == 404
    through = {"Host": f"fleet-{server}.apps.localhost:{whole_stack.port}"}
    with httpx.Client(base_url=whole_stack.url, headers=through, trust_env=False) as anybody:
        assert anybody.get("/health").status_code == 200
        assert anybody.get(path).status_code == 404
        unsigned = anybody.post("/v1/fleet/pull-messages", headers={"Content-Type": "application/protobuf"})
        assert unsigned.status_code == 401


def status(url: str, context: ssl.SSLContext) -> int:
    try:
        with urllib.request.urlopen(url, context=context, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_client_elsewhere_connects_and_once_its_key_is_taken_away_never_again(whole_stack, api, server, tmp_path):
    joined = a_client_elsewhere(api, server)
    knock = Client(whole_stack, joined, joined["private_key"], tmp_path)
    with knock.running() as node:
        until(lambda: listed(api, server, joined["id"])["connected"], bool, SOON)
        assert api.delete(f"deployments/{server}/clients/{joined['id']}").status_code == 204
        assert node.wait(SOON) == 1
    assert not listed(api, server, joined["id"])["connected"]
    with knock.running() as again:
        said = again.communicate(timeout=SOON)[0]
    assert again.returncode == 1
    assert "does not accept this client's key: it was taken away there" in said


def test_a_key_that_nobody_registered_is_refused_in_a_sentence(whole_stack, api, server, tmp_path):
    joined = a_client_elsewhere(api, server)
    with Client(whole_stack, joined, new_node_key().private, tmp_path).running() as node:
        said = node.communicate(timeout=SOON)[0]
    assert node.returncode == 1
    assert said.splitlines()[-1].startswith("The federated server does not accept this client's key")


def a_client_elsewhere(api: httpx.Client, server: str) -> dict[str, Any]:
    """Named anew each time: a try that failed leaves its client behind, and a name is taken once."""
    answer = api.post(f"deployments/{server}/clients", json={"name": f"elsewhere {uuid4().hex[:6]}"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def listed(api: httpx.Client, server: str, client: str) -> dict[str, Any]:
    items = api.get(f"deployments/{server}/clients").json()["items"]
    return next(item for item in items if item["id"] == client)


class Client:
    """A client that no datacenter runs: the program that clients inside run too, in the same environment."""

    def __init__(self, stack: Stack, joined: dict[str, Any], key: str, folder: Path) -> None:
        self.python = next((tasks_folder(stack) / "packages").glob("*/bin/flower-supernode")).with_name("python")
        for name in ("task", "secrets"):
            (folder / name).mkdir(exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "NOMAD_TASK_DIR": str(folder / "task"),
            "NOMAD_SECRETS_DIR": str(folder / "secrets"),
            "NODE_KEY": key,
            "FLEET_CA": joined["authority"],
            "FEDERATION_ADDRESS": joined["command"].split("--superlink ")[1].split()[0],
            "NODE_ADDRESS": "127.0.0.1",
            "NODE_PORT": str(free_port()),
            "OPTION_PART": "1",
            "OPTION_PARTS": "1",
        }

    def running(self) -> "subprocess.Popen[str]":
        program = [self.python, ROOT / "jobs" / "tools" / "flower" / "client.py"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(program, env=self.environment, text=True, **streams)
