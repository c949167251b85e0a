"""What people deployed outlives Serai itself, unless they say otherwise."""

import json
import urllib.request

import psutil
import pytest

from tests.system.stack import Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture
def token(tmp_path):
    def read() -> str:
        return (tmp_path / "token").read_text().strip()

    return read


def deploy(stack: Stack, token: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{stack.port}/api/v1/deployments",
        data=json.dumps({"module": "digits-classifier"}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["id"]


def status(stack: Stack, token: str, deployment: str) -> str:
    code, body = stack.get(f"/api/v1/deployments/{deployment}", token)
    return json.loads(body)["status"] if code == 200 else ""


def tasks_in(folder: str) -> list[psutil.Process]:
    found = psutil.process_iter(["environ", "uids"])
    return [process for process in found if folder in str(process.info["environ"]) and _is_task(process)]


def _is_task(process: psutil.Process) -> bool:
    return "NOMAD_TASK_NAME" in (process.info["environ"] or {})


def test_a_deployment_goes_on_while_serai_is_away_and_is_found_again(tmp_path, token):
    with Stack(tmp_path / "data", SERAI_ADMIN_TOKEN_FILE=str(tmp_path / "token")) as first:
        first.wait_until_ready()
        deployment = deploy(first, token())
        wait_for(lambda: status(first, token(), deployment) == "running", 240, first.log)
        tasks = first.environment["SERAI_TASKS_DIR"]
        before = {process.pid for process in tasks_in(tasks)}
        assert before
        assert first.stop() == 0, first.log()
        assert {process.pid for process in tasks_in(tasks)} == before

        variables = {"SERAI_ADMIN_TOKEN_FILE": str(tmp_path / "token"), "SERAI_STOP_TASKS": "1"}
        with Stack(tmp_path / "data", SERAI_TASKS_DIR=tasks, **variables) as second:
            second.wait_until_ready()
            wait_for(lambda: second.parts().get("local") == "up", 30, second.log)
            assert status(second, token(), deployment) == "running"
            assert {process.pid for process in tasks_in(tasks)} == before
            assert second.stop() == 0, second.log()
        assert tasks_in(tasks) == []
