"""Modules that mean harm to Serai itself: by what their document says, and by how they answer."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from datacenters.interface import Endpoint
from jobs import health
from jobs.deepaas import client
from jobs.deepaas.document import Argument, Location, Operation, parse

Drip = Callable[[socket.socket], None]


def document(path: str, **more: object) -> dict[str, object]:
    return {"swagger": "2.0", "paths": {path: {"post": {"parameters": []}}}, **more}


@pytest.mark.parametrize(
    "path",
    [
        "http://127.0.0.1:4646/v1/jobs#/predict",
        "https://169.254.169.254/latest/predict/",
        "//evil.example/predict/",
        "/v2/models/x/predict?token=1#/predict/",
        "/ok#/predict/",
        "/a b/predict/",
        "\\\\evil.example/predict/",
        "predict/",
    ],
)
def test_a_document_names_paths_of_its_own_module_alone(path):
    """Serai would send what people type, and its own requests, wherever the module says."""
    assert parse(document(path)).models == ()


@pytest.mark.parametrize("base", ["//evil.example", "http://evil.example", "/x?y", "/x#y"])
def test_a_base_path_leads_nowhere_else(base):
    api = parse(document("/v2/models/x/predict/", basePath=base))
    assert api.models[0].predict.path == "/v2/models/x/predict/"
    servers = parse(document("/v2/models/x/predict/", servers=[{"url": f"https://evil.example{base}"}]))
    assert httpx.URL("http://127.0.0.1:1").join(servers.models[0].predict.path).host == "127.0.0.1"


@contextmanager
def answering(speak: Drip) -> Iterator[Endpoint]:
    """A server that speaks to each connection in a way of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _address = server.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection: socket.socket) -> None:
            with connection:
                try:
                    speak(connection)
                except OSError:
                    return  # the other side has had enough

        threading.Thread(target=serve, daemon=True).start()
        yield Endpoint("api", "127.0.0.1", server.getsockname()[1])


def dripping(start: bytes) -> Drip:
    """A byte now and then, for ever: every time-out of a library begins anew with it."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(600):
            connection.sendall(b"a")
            time.sleep(0.1)

    return speak


STARTS = {
    "status": b"HTTP/1.1 200 ",
    "headers": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
}


@pytest.mark.parametrize("where", STARTS)
def test_an_answer_that_never_ends_is_given_up(monkeypatch, where):
    monkeypatch.setattr(client, "ASK_SECONDS", 0.5)
    began = time.monotonic()
    with answering(dripping(STARTS[where])) as endpoint, pytest.raises(client.Silent):
        client.fetch_document(endpoint)
    assert time.monotonic() - began < 3


def test_a_prediction_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(client, "TRANSFER_SECONDS", 0.5)
    operation = Operation("/v2/models/x/predict/")
    with answering(dripping(STARTS["body"])) as endpoint, pytest.raises(client.Silent, match="did not answer"):
        client.predict(endpoint, operation, {}, time_out=0.5)


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (b"", "within"),
        (b"HTTP/1.1 2", "within"),
        (b"x" * 5_000, "does not answer as a web server does"),
        (b"SSH-2.0-OpenSSH\r\n", "does not answer as a web server does"),
        (b"HTTP/1.1 999 x\r\n", "does not answer as a web server does"),
        (b"HTTP/1.1 500 x\r\n", "status 500"),
    ],
)
def test_a_probe_ends_in_time_whatever_it_is_told(monkeypatch, start, says):
    """Eight at a time are asked: as many that hold their probe would stop all others'."""
    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.5)
    began = time.monotonic()
    with answering(dripping(start)) as endpoint:
        found = health._ask({"host": endpoint.host, "port": endpoint.port}, "/swagger.json")
    assert time.monotonic() - began < 2
    assert not found.ok
    assert says in found.sentence


def test_a_probe_takes_a_plain_answer(monkeypatch):
    with answering(lambda connection: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")) as endpoint:
        assert health._ask({"host": endpoint.host, "port": endpoint.port}, "/").ok


def test_an_answer_larger_than_memory_is_refused(monkeypatch):
    monkeypatch.setattr(client, "ANSWER_LIMIT", 1_000_000)

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(5_000):
            connection.sendall(b"x" * 10_000)

    with answering(flood) as endpoint, pytest.raises(client.TooLarge):
        client.predict(endpoint, Operation("/predict/"), {}, time_out=10)


@pytest.mark.parametrize("name", ["X-Evil: 1\r\nX", "Transfer-Encoding", "content-length", "HOST", "Grün", "a b", ""])
def test_a_document_names_no_header_that_is_not_an_arguments(name):
    parameters = [{"in": "header", "name": name, "type": "string"}, {"in": "header", "name": "X-Own", "type": "string"}]
    api = parse({"paths": {"/predict/": {"post": {"parameters": parameters}}}})
    assert [argument.name for argument in api.models[0].predict.arguments] == ["X-Own"]


def test_what_people_type_into_a_header_is_one_value():
    told: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        told.append(connection.recv(10_000))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n{}")

    operation = Operation("/predict/", (Argument("X-Own", location=Location.HEADER),))
    with answering(listen) as endpoint:
        client.predict(endpoint, operation, {"X-Own": "grün\r\nX-More: 1"}, time_out=2)
    assert "X-Own: grün X-More: 1\r\n" in told[0].decode()
