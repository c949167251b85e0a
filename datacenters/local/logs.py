"""Reading a task's output: numbered files as one text, from an offset on, following if asked to."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

BLOCK = 65_536
POLL = 0.2  # seconds
HEARTBEAT = 1.0


def log_files(folder: Path, name: str) -> list[tuple[int, Path]]:
    """Of one stream, oldest first, by number."""
    found = (path for path in folder.glob(f"{name}.*") if path.suffix[1:].isdigit() and path.stem == name)
    return sorted((int(path.suffix[1:]), path) for path in found)


def start(folder: Path, name: str, offset: int, origin: str) -> tuple[int, int]:
    """Where to begin: number of the file, and the place in it. ``end`` counts back from the last byte."""
    files = log_files(folder, name)
    if not files:
        return 0, max(0, offset)
    sizes = [(number, path.stat().st_size) for number, path in files]
    if origin == "end":
        offset = max(0, sum(size for _, size in sizes) - offset)
    for number, size in sizes[:-1]:
        if offset < size:
            return number, offset
        offset -= size
    return sizes[-1][0], offset


def read(folder: Path, name: str, at: tuple[int, int]) -> tuple[bytes, tuple[int, int]]:
    """A piece of the log and where the next begins; nothing if there is no more for now."""
    number, place = at
    for found, path in log_files(folder, name):
        if found < number:
            continue
        place = place if found == number else 0
        with path.open("rb") as file:
            file.seek(place)
            if data := file.read(BLOCK):
                return data, (found, place + len(data))
        # Nothing here: a newer file may have begun.
    return b"", at


@dataclass(frozen=True)
class Reading:
    """One reader of one stream of a task."""

    folder: Path
    name: str
    at: tuple[int, int]
    ended: Callable[[], bool]  # whether the task is over
    follow: bool


Piece = tuple[bytes, tuple[int, int]]  # with the place behind it; empty: nothing came for a while


async def pieces(reading: Reading) -> AsyncGenerator[Piece, None]:
    """All there is; then, if asked to, all that comes until the task has ended."""
    at = reading.at
    while True:
        over = not reading.follow or reading.ended()  # asked before we read: its last words must not be missed
        data, at = read(reading.folder, reading.name, at)
        if over and not data:
            return
        yield data, at
        if not data:
            await asyncio.sleep(POLL)


async def plain(reading: Reading) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces(reading)) as found:
        async for data, _ in found:
            if data:
                yield data


async def framed(reading: Reading) -> AsyncGenerator[bytes, None]:
    """JSON objects, one a piece, and an empty one in each second of silence."""
    told = time.monotonic()
    async with aclosing(pieces(reading)) as found:
        async for data, (number, place) in found:
            if data:
                file = f"alloc/logs/{reading.name}.{number}"
                frame = {"Data": b64encode(data).decode(), "File": file, "Offset": place}
            if data or time.monotonic() - told >= HEARTBEAT:
                told = time.monotonic()
                yield json.dumps(frame if data else {}).encode()
