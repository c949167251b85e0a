"""The way to storages that people link: a SOCKS5 server (RFC 1928) on loopback that connects to public addresses alone.

rclone resolves names and follows redirections by itself, so that looking at an address beforehand would protect
nothing. Here every connection is looked at when it is made, and goes to the very address that was looked at.
"""

import os
import secrets
import socket
import socketserver
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hmac import compare_digest
from threading import Thread

from accounts.network import Forbidden, Private, public_host

CONNECT_SECONDS, IDLE_SECONDS = 10, 600
CHUNK = 256 * 1024
VERSION, BY_PASSWORD, CONNECT = 5, 2, 1
IPV4, NAME, IPV6 = 1, 3, 4
DONE, NOT_ALLOWED, NO_HOST, REFUSED, NO_SUCH_COMMAND = 0, 2, 4, 5, 7


@dataclass(frozen=True)
class Guard:
    """Where it listens, and the login without which it serves nobody: tasks of this machine see its port."""

    port: int
    user: str
    password: str = field(repr=False)

    @property
    def login(self) -> str:
        """``user:password@host:port``."""
        return f"{self.user}:{self.password}@127.0.0.1:{self.port}"


@cache
def guard() -> Guard:
    """The one of this process, started at first use."""
    server = _Server(("127.0.0.1", 0), _Connection)
    Thread(target=server.serve_forever, name="storage-guard", daemon=True).start()
    return Guard(server.server_address[1], "serai", server.password)


# A forked process has its parent's sockets, and not its threads.
os.register_at_fork(after_in_child=guard.cache_clear)


class _Refused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 64

    def __init__(self, *arguments: object) -> None:
        self.password = secrets.token_urlsafe(24)
        super().__init__(*arguments)  # type: ignore[arg-type]


class _Connection(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.request.settimeout(CONNECT_SECONDS)
        with suppress(OSError, EOFError):  # whoever asked is gone
            if not self._has_login():
                return
            try:
                upstream = _connect(*self._asked())
            except _Refused as refusal:
                self._answer(refusal.code)
                return
            with upstream:
                self._answer(DONE)
                _join(self.request, upstream)

    def _has_login(self) -> bool:
        version, count = self._take(2)
        if version != VERSION or BY_PASSWORD not in self._take(count):
            self.request.sendall(bytes([VERSION, 0xFF]))
            return False
        self.request.sendall(bytes([VERSION, BY_PASSWORD]))
        _version, length = self._take(2)
        self._take(length)  # there is only one user
        password = self._take(self._take(1)[0])
        right = compare_digest(password, self.server.password.encode())
        self.request.sendall(bytes([1, 0 if right else 1]))
        return right

    def _asked(self) -> tuple[str, int]:
        _version, command, _reserved, kind = self._take(4)
        host = self._host(kind)
        (port,) = struct.unpack("!H", self._take(2))
        if command != CONNECT:
            raise _Refused(NO_SUCH_COMMAND)
        return host, port

    def _host(self, kind: int) -> str:
        if kind == IPV4:
            return socket.inet_ntop(socket.AF_INET, self._take(4))
        if kind == IPV6:
            return socket.inet_ntop(socket.AF_INET6, self._take(16))
        return self._take(self._take(1)[0]).decode(errors="replace")

    def _take(self, count: int) -> bytes:
        taken = b""
        while len(taken) < count:
            piece = self.request.recv(count - len(taken))
            if not piece:
                raise EOFError
            taken += piece
        return taken

    def _answer(self, code: int) -> None:
        self.request.sendall(struct.pack("!BBBB4sH", VERSION, code, 0, IPV4, b"\0" * 4, 0))


def _connect(host: str, port: int) -> socket.socket:
    try:
        target = public_host(host, port)
    except Private:
        raise _Refused(NOT_ALLOWED) from None
    except Forbidden:
        raise _Refused(NO_HOST) from None
    for address in target.addresses:
        with suppress(OSError):  # the next one may answer
            return socket.create_connection((address, port), CONNECT_SECONDS)
    raise _Refused(REFUSED)


def _join(left: socket.socket, right: socket.socket) -> None:
    """Bytes both ways, until either side ends."""
    for side in (left, right):
        side.settimeout(IDLE_SECONDS)
    back = Thread(target=_pump, args=(right, left), daemon=True)
    back.start()
    _pump(left, right)
    back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(CHUNK):
            sink.sendall(piece)
    for side in (source, sink):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
