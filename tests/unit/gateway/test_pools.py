"""Connections that the gateway keeps for federations are bounded, and none that is in use is cut."""

import asyncio
import ssl
import threading
from http.server import ThreadingHTTPServer

import httpcore
import pytest

from dashboard.gateway.pools import Pools
from jobs.federation.keys import INNER_NAME, new_certificates

from . import Echo

HERS = new_certificates(["127.0.0.1"])
OTHERS = [new_certificates(["127.0.0.1"]).authority for _ in range(5)]


class Slow(Echo):
    """Says the first half at once, and the second when it is told to."""

    go_on = threading.Event()

    def echo(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"a")
        self.go_on.wait(10)
        self.wfile.write(b"b")


@pytest.fixture
def server(tmp_path):
    (tmp_path / "both.pem").write_text(HERS.certificate + HERS.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def request_to(port: int) -> httpcore.Request:
    return httpcore.Request(
        "GET", f"https://127.0.0.1:{port}/", headers={"Host": INNER_NAME}, extensions={"sni_hostname": INNER_NAME}
    )


def test_no_more_than_so_many_are_kept_and_those_that_were_used_last():
    async def story() -> None:
        pools = Pools(at_most=2)
        first = await pools.of(OTHERS[0])
        for authority in (*OTHERS[1:], OTHERS[-1]):
            await pools.of(authority)
        assert len(pools) == 2
        last = await pools.of(OTHERS[-1])
        assert await pools.of(OTHERS[-1]) is last
        assert await pools.of(OTHERS[0]) is not first

    asyncio.run(story())


def test_plain_endpoints_share_one_that_stays():
    async def story() -> None:
        pools = Pools(at_most=1)
        plain = await pools.of("")
        for authority in OTHERS:
            await pools.of(authority)
        assert await pools.of("") is plain

    asyncio.run(story())


def test_a_stream_that_is_open_outlives_many_others(server):
    async def story() -> bytes:
        pools = Pools(at_most=1)
        hers = await pools.of(HERS.authority)
        answer = await hers.handle_async_request(request_to(server))
        pieces = answer.aiter_stream()
        told = await anext(pieces)
        for authority in OTHERS:
            await pools.of(authority)
        assert await pools.of(HERS.authority) is hers
        Slow.go_on.set()
        told += b"".join([piece async for piece in pieces])
        await answer.aclose()
        await pools.close()
        return told

    assert asyncio.run(story()) == b"ab"
