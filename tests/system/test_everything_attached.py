"""What can be attached, by REST alone over the whole stack: a storage with a password, a sweep on its files, JupyterLab
on the same storage, a federated run; and somebody else, who sees none of it."""

import json
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests import handwriting, storages
from tests.system.stack import Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DIGITS = "digits-classifier"
SMALL = {"cpu_cores": 0.3, "memory_mb": 700, "disk_mb": 500}
INSTALLED_WITHIN, SOON = 400, 120
MODE = "mount" if os.path.exists("/dev/fuse") else "copy"
# Eve has an account here, and no project with anybody.
OUTSIDE = """
from accounts.models import ApiToken, create_person
print(ApiToken.issue(create_person("eve-outside"), "laptop")[1])
"""


@pytest.fixture(scope="module")
def api(whole_stack: Stack) -> Iterator[httpx.Client]:
    with whole_stack.client() as client:
        client.base_url = f"{whole_stack.url}/api/v1/"
        wait_for(lambda: whole_stack.parts()["mlflow"] == "up", 240, whole_stack.log)
        yield client
        for deployment in client.get("deployments").json()["items"]:
            client.delete(f"deployments/{deployment['id']}")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[storages.Server]:
    server = storages.serve("webdav", tmp_path_factory.mktemp("dav"))
    yield server
    server.stop()


def until(api: httpx.Client, route: str, condition: Callable[[dict], object], seconds: float = SOON) -> dict[str, Any]:
    """What the route answers, once it is so; a failure ends the waiting."""
    found: dict[str, Any] = {}

    def fulfilled() -> object:
        found.update(api.get(route).json())
        assert found.get("status") != "failed", found
        return condition(found)

    wait_for(fulfilled, seconds, lambda: str(found))
    return found


def deployed(api: httpx.Client, **body: Any) -> str:
    """The id of a deployment that runs."""
    answer = api.post("deployments", json=body)
    assert answer.status_code == 201, answer.text
    pk: str = answer.json()["id"]
    until(api, f"deployments/{pk}", lambda found: found["status"] == "running", INSTALLED_WITHIN)
    return pk


# ── Each step, made once ─────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def storage(api, server) -> str:
    options = {"url": server.url, "vendor": "other", "user": storages.USER, "password": storages.PASSWORD}
    body = {"kind": "webdav", "name": "By a script", "project": "admin", "options": options}
    answer = api.post("storages", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def sweep(api, storage) -> dict[str, Any]:
    """Four trainings on the storage's files that ended, with their runs."""
    path = f"{handwriting.FOLDER}/{handwriting.FILE}"
    put = api.put(f"storages/{storage}/files/content", params={"path": path}, content=handwriting.table())
    assert put.status_code == 201, put.text
    body = {
        "module": DIGITS,
        "title": "On my own digits",
        "storages": [{"storage": storage, "target": "files", "mode": MODE}],
        "arguments": {"data_folder": f"files/{handwriting.FOLDER}", "weights_folder": "files/weights"},
        "grid": {"epochs": [1, 30], "learning_rate": [0.001, 0.02]},
        "at_once": 2,
        "resources": SMALL,
    }
    answer = api.post("sweeps", json=body)
    assert answer.status_code == 201, answer.text
    route = f"sweeps/{answer.json()['id']}"
    until(api, route, lambda found: found["ended"], INSTALLED_WITHIN)
    return until(api, route, lambda found: found["run"] and all(one["run"] for one in found["variants"]))


@pytest.fixture(scope="module")
def lab(api, storage, federation) -> str:  # whose rounds go on meanwhile
    attached = [{"storage": storage, "target": "files", "mode": MODE, "read_only": True}]
    return deployed(api, tool="ide", storages=attached, resources={**SMALL, "disk_mb": 1_000})


@pytest.fixture(scope="module")
def federation(api) -> str:
    server = deployed(api, tool="flower", title="Two halves", options={"rounds": 2, "local_epochs": 5})
    for part in (1, 2):
        asked = {"name": f"half {part}", "inside": True, "part": part, "parts": 2}
        answer = api.post(f"deployments/{server}/clients", json=asked)
        assert answer.status_code == 202, answer.text
    return server


# ── The journey ──────────────────────────────────────────────────────────────────────────────────
def test_a_storage_is_kept_once_its_password_is_right(api, server, storage):
    wrong = {"url": server.url, "vendor": "other", "user": storages.USER, "password": "forgotten"}
    answer = api.post("storages", json={"kind": "webdav", "name": "wrong", "project": "admin", "options": wrong})
    assert answer.status_code == 422
    assert "does not take this user name, password or key" in answer.text
    assert api.post(f"storages/{storage}/test").json() == {"answers": True, "problem": None}
    assert storages.PASSWORD not in api.get(f"storages/{storage}").text


def test_four_trainings_learn_from_its_files_and_keep_their_weights_there(api, server, sweep):
    assert [one["status"] for one in sweep["variants"]] == ["completed"] * 4, sweep
    told = [api.get(f"deployments/{one['deployment']}").json()["result"] for one in sweep["variants"]]
    assert [one["result"]["output"]["digits"] for one in told] == [handwriting.LINES] * 4
    accuracy = [one["metrics"]["test_accuracy"] for one in sweep["variants"]]
    assert max(accuracy) > 0.9 > accuracy[0]
    assert len(list((server.files / "weights").glob("digits-*.npz"))) == 4


def test_the_runs_are_compared_by_what_differs(api, sweep):
    ids = ",".join(one["run"] for one in sweep["variants"])
    compared = api.get("runs/compare", params={"ids": ids}).json()
    assert {line["name"] for line in compared["parameters"]} == {"epochs", "learning_rate"}
    assert "test_accuracy" in {line["name"] for line in compared["metrics"]}
    assert [run["data"][0]["source"] for run in compared["runs"]] == ["storage: files/digits"] * 4


def test_jupyterlab_on_the_same_storage_reads_the_weights(whole_stack, sweep, lab):
    with whole_stack.client() as client:
        kernel = client.post(f"/d/{lab}/ide/api/kernels", json={}).json()["id"]
    address = f"ws://127.0.0.1:{whole_stack.port}/d/{lab}/ide/api/kernels/{kernel}/channels"
    assert "ERROR" not in cell(address, whole_stack.token, handwriting.INSTALL)
    assert cell(address, whole_stack.token, handwriting.READ).strip() == handwriting.WEIGHTS


def cell(address: str, token: str, code: str) -> str:
    """What a notebook's cell printed, or its traceback."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "s", "version": "5.3"}
    asked = {"channel": "shell", "header": header, "content": {"code": code, "silent": False}}
    printed = ""
    with connect(address, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None) as socket:
        socket.send(json.dumps({**asked, "parent_header": {}, "metadata": {}, "buffers": []}))
        while True:
            told = json.loads(socket.recv(SOON))
            if told["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            content = told["content"]
            printed += content.get("text", "") + "\n".join(content.get("traceback", []))
            if content.get("execution_state") == "idle":
                return printed


def test_the_federated_training_runs_to_its_end(api, federation):
    route = f"deployments/{federation}"
    done = until(api, route, lambda found: (found["result"] or {}).get("phase") in ("finished", "failed"), 4 * SOON)
    assert done["result"]["phase"] == "finished", done
    last = done["result"]["rounds"][-1]
    assert (last["round"], last["asked"], last["answered"]) == (2, 2, 2)
    assert last["joint"]["accuracy"] > last["train"]["best alone"] + 0.2


# ── Somebody else ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def eve(whole_stack) -> Iterator[httpx.Client]:
    with whole_stack.client(whole_stack.manage("shell", "-v0", "-c", OUTSIDE).strip()) as client:
        client.base_url = f"{whole_stack.url}/api/v1/"
        yield client


@pytest.mark.parametrize("listed", ["deployments", "sweeps", "runs"])
def test_somebody_elses_lists_are_empty(eve, api, sweep, listed):
    assert eve.get(listed).json()["items"] == []
    assert api.get(listed).json()["items"]


def test_somebody_elses_storages_are_a_home_of_their_own(eve, storage):
    assert [(one["kind"], one["project"]) for one in eve.get("storages").json()["items"]] == [("home", "eve-outside")]


def test_to_somebody_else_nothing_of_it_is_there(eve, storage, sweep, lab, federation):
    training, run = sweep["variants"][0]["deployment"], sweep["variants"][0]["run"]
    shown = [
        f"storages/{storage}",
        f"storages/{storage}/files",
        f"storages/{storage}/files/content?path=digits/mine.csv",
        f"sweeps/{sweep['id']}",
        f"runs/{run}",
        f"runs/{run}/metrics",
        f"runs/{run}/files",
        f"runs/compare?ids={run},{sweep['run']}",
        f"deployments/{federation}/clients",
        *(f"deployments/{one}{part}" for one in (training, lab, federation) for part in ("", "/logs", "/events")),
    ]
    assert {route: eve.get(route).status_code for route in shown} == dict.fromkeys(shown, 404)
    changed = [f"storages/{storage}/test", f"sweeps/{sweep['id']}/stop", f"deployments/{lab}/stop"]
    assert {route: eve.post(route).status_code for route in changed} == dict.fromkeys(changed, 404)


def test_nobody_else_attaches_the_storage(eve, storage):
    answer = eve.post("deployments", json={"module": DIGITS, "storages": [{"storage": storage, "target": "files"}]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/storages/0/storage"


def test_the_gateway_opens_jupyterlab_to_nobody_else(whole_stack, eve, lab):
    assert eve.get(f"{whole_stack.url}/d/{lab}/ide/api/kernels").status_code == 404
    host = {"Host": f"ide-{lab}.apps.localhost:{whole_stack.port}"}
    assert eve.get(f"{whole_stack.url}/api/kernels", headers=host).status_code in (401, 403, 404)
