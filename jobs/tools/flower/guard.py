"""Who may speak to Flower's own servers in a task: they ask nobody for a login. Runs in the task, alone.

Every program of a machine reaches the loopback ports of all others. So a few paths are for everybody, those by which
Flower's own programs fetch their work are for programs of the same user, and all else is for this process alone.
"""

import os
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import inet_aton
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Each of the local datacenter's jobs has a user of its own. Flower's programs hide what they hold even from that.
FOR_OUR_USER = "/v1/runtime/"


class OnlyPaths:
    """For everybody: these paths and no others. One that ends with a slash stands for all right below it."""

    def __init__(self, application: Application, paths: tuple[str, ...]) -> None:
        self.application, self.paths = application, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not any(_is_at(scope["path"], path) for path in self.paths):
            await refuse(send)
        else:
            await self.application(scope, receive, send)


class OnlyOwn:
    """For this task alone, but for these paths."""

    def __init__(self, application: Application, paths: tuple[str, ...] = ()) -> None:
        self.application, self.paths = application, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self.paths and not is_own(scope):
            await refuse(send)
        else:
            await self.application(scope, receive, send)


@dataclass(frozen=True)
class Caller:
    """Who holds the other end of a connection, as the machine lists it."""

    user: int
    inode: str


def is_own(scope: Scope) -> bool:
    caller = caller_of(scope)
    if caller is None or caller.user != os.getuid():
        return False
    return scope["path"].startswith(FOR_OUR_USER) or _is_ours(caller.inode)


def caller_of(scope: Scope) -> Caller | None:
    client, server = scope.get("client"), scope.get("server")
    if not client or not server:
        return None
    wanted = [_as_listed(tuple(client)), _as_listed(tuple(server))]
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1:3] == wanted:
            return Caller(int(words[7]), words[9])
    return None


async def refuse(send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _is_at(asked: str, path: str) -> bool:
    if not path.endswith("/"):
        return asked == path
    return asked.startswith(path) and _is_plain(asked[len(path) :])


def _is_plain(name: str) -> bool:
    return bool(name) and all(sign.isalnum() or sign == "-" for sign in name)


def _as_listed(address: tuple[str, int]) -> str:
    return f"{struct.unpack('=I', inet_aton(address[0]))[0]:08X}:{address[1]:04X}"


def _is_ours(inode: str) -> bool:
    """Whether this process holds both ends: then the steward asks."""
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if os.readlink(link) == f"socket:[{inode}]":
                return True
    return False
