"""Machines in the whole of Serai: looked at, tested, emptied and taken in again, by REST and by command."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def api(whole_stack) -> Iterator[httpx.Client]:
    with whole_stack.client() as client:
        client.base_url = f"{whole_stack.url}/api/v1/"
        yield client


@pytest.fixture
def node(api) -> Iterator[str]:
    """The one machine's id; it takes jobs again at the end."""
    found = api.get("nodes").json()["items"][0]["id"]
    yield found
    if not api.get(f"nodes/{found}").json()["ready"]:
        api.delete(f"nodes/{found}/drain")


def until(read: Callable[[], Any], fine: Callable[[Any], object], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not fine(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return found


def test_the_machine_of_the_local_datacenter_passes_its_test(whole_stack, api, node):
    said = whole_stack.manage("test_nodes", "local")
    assert ": passed" in said
    test = api.get(f"nodes/{node}/tests").json()["items"][0]
    assert test["outcome"] == "passed"
    assert {"python", "packages", "ingress"} <= {one["name"] for one in test["findings"] if one["ok"]}
    assert api.get(f"nodes/{node}").json()["passed"] is True


def test_how_full_it_is_is_written_down(api):
    found = until(lambda: api.get("datacenters/local/statistics").json(), lambda found: found["times"])
    assert found["cpu_cores"][0] > 0


def test_a_machine_that_is_emptied_takes_nothing_and_what_waits_starts_when_it_is_back(api, node):
    drained = api.post(f"nodes/{node}/drain", json={"reason": "new disk", "lasts_minutes": 5})
    assert drained.status_code == 200, drained.text
    until(lambda: api.get(f"nodes/{node}").json(), lambda found: not found["ready"])
    body = {"tool": "script", "title": "Waits", "script": "print('hello')"}
    asked = api.post("deployments", json=body)
    assert asked.status_code == 201, asked.text
    address = f"deployments/{asked.json()['id']}"
    waits = until(lambda: api.get(address).json(), lambda found: found["reason"])
    assert waits["status"] in ("queued", "pending")
    api.patch(f"nodes/{node}", json={"eligible": True})
    api.delete(f"nodes/{node}/drain")
    until(lambda: api.get(address).json(), lambda found: found["status"] == "completed", 200)
    api.delete(address)
