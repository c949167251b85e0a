"""Calls to modules over real connections, and what goes wrong in words."""

import io
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from datacenters.interface import Endpoint
from jobs.deepaas import client
from jobs.deepaas.client import Upload, predict
from jobs.deepaas.document import Argument, Location, Operation, Type, parse
from tests.unit.gateway import serving

from . import load

PREDICT = "/v2/models/flower_namer/predict/"


class Module(BaseHTTPRequestHandler):
    """Tells what it was asked; ``answers`` says what to answer instead, by path."""

    answers: dict[str, tuple[int, str, bytes]] = {}
    silent: set[str] = set()
    release = threading.Event()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path in self.silent:
            self.release.wait(10)
        told = {
            "query": parse_qs(urlsplit(self.path).query),
            "headers": dict(self.headers),
            "body": body.decode("latin-1"),
        }
        status, media_type, content = self.answers.get(path, (200, "application/json", json.dumps(told).encode()))
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def module(*, answers: dict[str, Any] | None = None, silent: set[str] | None = None) -> Iterator[Endpoint]:
    Module.answers, Module.silent = answers or {}, silent or set()
    Module.release.clear()
    with serving(Module) as port:
        yield Endpoint("api", "127.0.0.1", port)
        Module.release.set()


@pytest.fixture
def operation() -> Operation:
    found = parse(load("swagger2")).predict
    assert found
    return found


def ask(operation: Operation, values: dict[str, Any], files: dict[str, Upload] | None = None, **kind: Any) -> Any:
    with module(**kind) as endpoint:
        return predict(endpoint, operation, values, files, time_out=5)


def refused(status: int, content: bytes, media_type: str = "application/json") -> client.ModuleError:
    with pytest.raises(client.ModuleError) as error:
        ask(Operation(PREDICT), {}, answers={PREDICT: (status, media_type, content)})
    return error.value


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────
def test_each_value_goes_where_the_document_says(operation: Operation) -> None:
    picture = Upload("flower.png", io.BytesIO(b"\x89PNG"), "image/png")
    values = {"top": 5, "rotate": False, "weights": [0.5, 1], "key": "secret", "accept": "image/png"}
    told = ask(operation, values, {"picture": picture}).json()
    assert told["query"] == {"top": ["5"], "rotate": ["false"], "weights": ["0.5", "1"], "accept": ["image/png"]}
    assert told["headers"]["Accept"] == "image/png"
    assert told["headers"]["Content-Type"].startswith("multipart/form-data")
    assert 'name="picture"; filename="flower.png"\r\nContent-Type: image/png' in told["body"]
    assert 'name="key"\r\n\r\nsecret' in told["body"]


def test_an_object_makes_the_body_json() -> None:
    extra = Argument("extra", Type.OBJECT)
    note = Argument("note", location=Location.FORM)
    told = ask(Operation(PREDICT, (extra, note)), {"extra": {"a": [1]}, "note": "x"}).json()
    assert json.loads(told["body"]) == {"extra": {"a": [1]}, "note": "x"}


def test_an_object_beside_a_file_is_sent_as_text(operation: Operation) -> None:
    told = ask(operation, {"extra": {"a": 1}}, {"picture": Upload("x", io.BytesIO(b"x"))}).json()
    assert 'name="extra"\r\n\r\n{"a": 1}' in told["body"]


def test_long_values_go_into_the_body() -> None:
    text = "word " * 1000
    told = ask(Operation(PREDICT, (Argument("text"),)), {"text": text}).json()
    assert (told["query"], parse_qs(told["body"])) == ({}, {"text": [text]})


def test_a_header_cannot_be_split() -> None:
    header = Argument("x-mode", location=Location.HEADER)
    told = ask(Operation(PREDICT, (header,)), {"x-mode": "a\r\nevil: b"}).json()
    assert told["headers"]["x-mode"] == "a evil: b"
    assert "evil" not in told["headers"]


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────
def test_an_answer_has_its_type_and_its_bytes() -> None:
    answer = ask(Operation(PREDICT), {}, answers={PREDICT: (200, "image/png; x=1", b"\x89PNG")})
    assert (answer.media_type, answer.content) == ("image/png", b"\x89PNG")


def test_nan_is_taken_though_it_is_no_json() -> None:
    answer = ask(Operation(PREDICT), {}, answers={PREDICT: (200, "application/json", b'{"predictions": [NaN]}')})
    assert math.isnan(answer.json()["predictions"][0])


def test_an_answer_without_end_is_cut_off(monkeypatch) -> None:
    monkeypatch.setattr(client, "ANSWER_LIMIT", 1_000)
    assert isinstance(refused(200, b"x" * 5_000), client.TooLarge)


# ── What goes wrong ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b'{"top": ["Not a valid integer."]}', {"top": "Not a valid integer."}),
        (b'{"weights": {"0": ["Not a number."]}}', {"weights": "(0) Not a number."}),
        (b'{"detail": [{"loc": ["query", "top"], "msg": "Too small"}]}', {"top": "Too small"}),
    ],
)
def test_refused_values_are_told_by_argument(content: bytes, fields: dict[str, str]) -> None:
    error = refused(422, content)
    assert isinstance(error, client.InvalidArguments)
    assert error.fields == fields


@pytest.mark.parametrize(
    ("status", "content", "kind", "words"),
    [
        (402, b"402: Payment Required", client.NotOffered, "does not offer"),
        (501, b"501: Not Implemented", client.NotOffered, "does not offer"),
        (413, b"", client.TooLarge, "that much data"),
        (500, b"500 Internal Server Error\n\nServer got itself in trouble", client.ModuleFailed, "does not say why"),
        (500, b'{"message": "No weights yet."}', client.ModuleFailed, "No weights yet."),
        (400, b'{"message": "No face in it."}', client.ModuleFailed, "No face in it."),
        (308, b"", client.ModuleError, "elsewhere"),
    ],
)
def test_each_failure_has_its_sentence(status: int, content: bytes, kind: type, words: str) -> None:
    error = refused(status, content, "text/plain")
    assert isinstance(error, kind)
    assert words in error.sentence


def test_a_module_that_does_not_answer_may_be_stuck() -> None:
    with module(silent={PREDICT}) as endpoint, pytest.raises(client.Silent) as error:
        predict(endpoint, Operation(PREDICT), {}, time_out=0.2)
    assert "may be stuck" in error.value.sentence
    assert "Restart" in error.value.advice


def test_a_module_that_is_gone_is_out_of_reach() -> None:
    with pytest.raises(client.OutOfReach):
        predict(Endpoint("api", "127.0.0.1", 1), Operation(PREDICT), {}, time_out=1)


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────
def test_the_document_is_found_where_either_version_has_it() -> None:
    document = json.dumps(load("openapi3")).encode()
    answers = {"/swagger.json": (404, "text/plain", b""), "/openapi.json": (200, "application/json", document)}
    with module(answers=answers) as endpoint:
        assert client.fetch_document(endpoint)["openapi"] == "3.1.0"


def test_what_describes_nothing_is_told_so() -> None:
    with module() as endpoint, pytest.raises(client.ModuleError, match="describes no API"):
        client.fetch_document(endpoint)


def test_a_probe_never_makes_a_module_compute(operation: Operation) -> None:
    refusing = {PREDICT: (422, "application/json", b'{"picture": ["Missing data."]}')}
    with module(answers=refusing, silent={"/swagger.json"}) as endpoint:
        client.probe(endpoint, operation, time_out=1)
    with module(silent={PREDICT}) as endpoint:
        client.probe(endpoint, Operation(PREDICT, (Argument("top", default=1),)), time_out=1)


def test_a_probe_of_a_hung_server_is_over_in_time(operation: Operation) -> None:
    started = time.monotonic()
    with module(silent={PREDICT}) as endpoint, pytest.raises(client.Silent):
        client.probe(endpoint, operation, time_out=0.2)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("listed", "training"),
    [
        (b'[{"status": "done"}, {"status": "running"}]', True),
        (b'{"trainings": [{"status": "running"}]}', True),
        (b'[{"status": "error"}]', False),
        (b"500", False),
    ],
)
def test_a_running_training_is_seen(listed: bytes, training: bool) -> None:
    with module(answers={"/train/": (200, "application/json", listed)}) as endpoint:
        assert client.is_training(endpoint, Operation("/train/")) is training
