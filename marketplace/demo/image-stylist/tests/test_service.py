"""The module behind a real DEEPaaS server in this process, asked as others will ask it."""

import asyncio
import json
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import deepaas.api
import deepaas.cmd.run  # registers the options
import deepaas.config
import deepaas.model.v2
import pytest
from aiohttp.test_utils import TestClient, TestServer
from oslo_config import cfg

from image_stylist import health
from image_stylist.about import DISTRIBUTION

SAMPLES = Path(__file__).parent.parent / "samples"
EXAMPLES = json.loads((SAMPLES / "predict.json").read_text())
MODEL = f"/v2/models/{DISTRIBUTION}"


class Service:
    """Asks without making each test asynchronous."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = self.wait(self._start())

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def ask(self, method: str, path: str, **more: Any) -> tuple[int, str, bytes]:
        async def asked() -> tuple[int, str, bytes]:
            async with self.client.request(method, path, **more) as answer:
                return answer.status, answer.content_type, await answer.read()

        answer: tuple[int, str, bytes] = self.wait(asked())
        return answer

    def predict(self, example: dict[str, Any], accept: str = "") -> tuple[int, str, bytes]:
        headers, body = health.multipart(example, SAMPLES)
        accept = accept or example["arguments"].get("accept", "application/json")
        return self.ask("POST", f"{MODEL}/predict/", headers={**headers, "Accept": accept}, data=body)

    async def _start(self) -> TestClient:
        cfg.CONF(["--workers", "1", "--model-name", DISTRIBUTION], project="deepaas", default_config_files=[])
        client = TestClient(TestServer(await deepaas.api.get_app()))
        await client.start_server()
        return client

    def close(self) -> None:
        for model in deepaas.model.v2.MODELS.values():
            for pool in {*model._executor._free, *model._executor._working}:
                pool.terminate()
        self.wait(self.client.close())
        self.loop.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as patch:
        # Workers take these over when they start; they are started once for all tests.
        patch.setenv("SERAI_STORAGE_DIR", str(tmp_path_factory.mktemp("service")))
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("uploads")))
        deepaas.config.prepare_logging()
        service = Service()
        yield service
        service.close()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["title"])
def test_each_sample_is_answered(service: Service, example: dict[str, Any]) -> None:
    status, content_type, body = service.predict(example)
    assert status == 200, body
    assert content_type == example["arguments"].get("accept", "application/json")
    assert body


def test_who_accepts_anything_gets_json(service: Service) -> None:
    status, content_type, body = service.predict(EXAMPLES[0], accept="*/*")
    assert (status, content_type) == (200, "application/json")
    json.loads(body, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_a_missing_argument_is_named(service: Service) -> None:
    status, _, body = service.ask("POST", f"{MODEL}/predict/")
    assert status == 422
    assert set(json.loads(body)) <= set(EXAMPLES[0]["arguments"]) | set(EXAMPLES[0].get("files", {}))


def test_a_training_ends_and_says_what_came_of_it(service: Service) -> None:
    status, _, body = service.ask("POST", f"{MODEL}/train/", params={"epochs": "2"})
    assert status == 200, body
    training = json.loads(body)
    until = time.monotonic() + 60
    while training["status"] == "running" and time.monotonic() < until:
        time.sleep(0.1)
        training = json.loads(service.ask("GET", f"{MODEL}/train/{training['uuid']}")[2])
    assert training["status"] == "done", training
    assert training["result"]["output"]["epochs"] == 2
    assert service.predict(EXAMPLES[0])[0] == 200
