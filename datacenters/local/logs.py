"""Reading a task's output: numbered files as one text, from an offset on, following if asked to."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

BLOCK = 65_536
POLL = 0.2  # seconds


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


async def follow(
    folder: Path, name: str, at: tuple[int, int], *, ended: Callable[[], bool], forever: bool
) -> AsyncGenerator[bytes, None]:
    """All there is; then, if asked to, all that comes until the task has ended."""
    while True:
        over = not forever or ended()  # asked before the read: what it wrote last must not be missed
        data, at = read(folder, name, at)
        if data:
            yield data
        elif over:
            return
        else:
            await asyncio.sleep(POLL)
