"""Many clusters at once, as light as can be: each answers what Serai asks of one without jobs, or misbehaves.

``python -m tests.light_clusters 45`` serves that many in a process of its own and prints their addresses.
"""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

WELL, SLOW, HANGS = "well", "slow", "hangs"
SLOW_SECONDS, SIGN_SECONDS = 4.0, 5.0
NO_ACL = (400, "ACL support disabled")


@dataclass
class LightCluster:
    """One Nomad of one node; ``behaviour`` may be changed at any moment."""

    number: int
    behaviour: str = WELL
    asked: list[str] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """As a machine that goes down: nobody listens there any more."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while path := await _request(reader):
                self.asked.append(path)
                await self._answer(path, writer)
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        if self.behaviour == HANGS:
            await asyncio.sleep(3_600)
        if self.behaviour == SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        if path.startswith("/v1/event/stream"):
            await _stream(writer)
        status, body = answer(path, self.number)
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        writer.write(f"HTTP/1.1 {status} .\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
        await writer.drain()


async def _request(reader: asyncio.StreamReader) -> str:
    """The path of the next request; empty when there is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next((int(line[15:]) for line in head.lower().splitlines() if line.startswith("content-length:")), 0)
    await reader.readexactly(length)
    return head.split(" ", 2)[1]


async def _stream(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b"{}\n")
        await writer.drain()
        await asyncio.sleep(SIGN_SECONDS)


def answer(path: str, number: int) -> tuple[int, Any]:
    node = a_node(number)
    answers: dict[str, tuple[int, Any]] = {
        "acl/token/self": NO_ACL,
        "regions": (200, ["global"]),
        "namespaces": (200, [{"Name": "default"}]),
        "agent/self": (200, {"config": {"Version": {"Version": "2.0.6"}}}),
        "nodes": (200, [node]),
        f"node/{node['ID']}": (200, {**node, "Meta": {}, "Attributes": {}}),
    }
    return answers.get(path.partition("?")[0].removeprefix("/v1/"), (200, []))


def a_node(number: int) -> dict[str, Any]:
    return {
        "ID": str(UUID(int=number + 1, version=4)),
        "Name": f"node-{number}",
        "Datacenter": f"garden-{number}",
        "Status": "ready",
        "SchedulingEligibility": "eligible",
        "ModifyIndex": 1,
        "Drivers": {"docker": {"Detected": True, "Healthy": True}},
        "NodeResources": {
            "Cpu": {"CpuShares": 4_000, "TotalCpuCores": 4},
            "Memory": {"MemoryMB": 8_000},
            "Disk": {"DiskMB": 50_000},
        },
        "Version": "2.0.6",
    }


@dataclass
class Lights:
    clusters: list[LightCluster]
    loop: asyncio.AbstractEventLoop

    def open(self, cluster: LightCluster) -> None:
        asyncio.run_coroutine_threadsafe(cluster.open(), self.loop).result(10)

    def close(self, cluster: LightCluster) -> None:
        asyncio.run_coroutine_threadsafe(cluster.close(), self.loop).result(10)

    def asked(self) -> int:
        return sum(len(cluster.asked) for cluster in self.clusters)


@contextmanager
def light_clusters(count: int) -> Iterator[Lights]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    lights = Lights([LightCluster(number) for number in range(count)], loop)
    try:
        for cluster in lights.clusters:
            lights.open(cluster)
        yield lights
    finally:
        for cluster in lights.clusters:
            lights.close(cluster)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def main() -> None:
    """Those with the numbers after the count hang: ``python -m tests.light_clusters 50 45 46``."""
    count, *hanging = map(int, sys.argv[1:])
    with light_clusters(count) as lights:
        for number in hanging:
            lights.clusters[number].behaviour = HANGS
        sys.stdout.write(" ".join(cluster.address for cluster in lights.clusters) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
