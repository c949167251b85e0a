"""rclone reaches public addresses alone, whatever names and redirections say."""

import socket
import struct
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from datacenters import storage
from datacenters.storage.guard import guard

SECRET = b"metadata of this machine"


@pytest.fixture
def inner():
    """A server that only this machine should reach; it remembers who came."""

    class Inner(BaseHTTPRequestHandler):
        came: list[str] = []

        def do_GET(self) -> None:
            self.came.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(SECRET)

        do_PROPFIND = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.2", 0), Inner)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.2", "127.2", "0x7f.2", "[::ffff:127.0.0.2]", "2130706434"])
def test_a_storage_at_a_private_address_is_not_asked(inner, host):
    options = {"url": f"http://{host}:{inner.server_port}", "vendor": "other", "user": "ada"}
    with pytest.raises(storage.AddressRefused, match="SERAI_TRUSTED_HOSTS"):
        storage.check(storage.Remote("webdav", options))
    assert inner.RequestHandlerClass.came == []


@pytest.mark.parametrize("kind", ["s3", "sftp"])
def test_nor_by_the_other_protocols(inner, servers, kind):
    remote = servers(kind).remote()
    place = {"s3": {"endpoint": f"http://127.0.0.2:{inner.server_port}"}, "sftp": {"host": "127.0.0.2"}}[kind]
    with pytest.raises(storage.AddressRefused):
        storage.check(replace(remote, options={**remote.options, **place}))
    assert inner.RequestHandlerClass.came == []


def test_a_redirection_leads_to_no_private_address(inner):
    """The server that was linked may be anybody's: it sends rclone on to where only we can go."""

    class Redirects(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.2:{inner.server_port}/latest/meta-data")
            self.end_headers()

        do_PROPFIND = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    outer = HTTPServer(("127.0.0.1", 0), Redirects)
    threading.Thread(target=outer.serve_forever, daemon=True).start()
    remote = storage.Remote("webdav", {"url": f"http://127.0.0.1:{outer.server_port}", "vendor": "other"})
    with pytest.raises(storage.StorageProblem):
        storage.listing(remote)
    with pytest.raises(storage.StorageProblem):
        storage.read(remote, "secret", most_bytes=100)
    assert inner.RequestHandlerClass.came == []
    outer.shutdown()
    outer.server_close()


def talk(password: bytes, target: tuple[str, int]) -> bytes:
    """One conversation with the guard; its last answer."""
    with socket.create_connection(("127.0.0.1", guard().port), 5) as wire:
        wire.sendall(b"\x05\x01\x02")
        assert wire.recv(2) == b"\x05\x02"
        wire.sendall(b"\x01\x05serai" + bytes([len(password)]) + password)
        if wire.recv(2) != b"\x01\x00":
            return b"no login"
        host = target[0].encode()
        wire.sendall(b"\x05\x01\x00\x03" + bytes([len(host)]) + host + struct.pack("!H", target[1]))
        return wire.recv(10)


def test_the_guard_serves_nobody_without_its_password(servers):
    port = servers("webdav").port
    assert talk(b"guess", ("127.0.0.1", port)) == b"no login"
    assert talk(guard().password.encode(), ("127.0.0.1", port))[1] == 0
    assert talk(guard().password.encode(), ("127.0.0.2", port))[1] == 2
    assert guard().password not in repr(guard())


def test_what_is_no_socks_is_hung_up_on():
    with socket.create_connection(("127.0.0.1", guard().port), 5) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert wire.recv(2) in (b"", b"\x05\xff")
