"""The framed log stream: pieces of a file, with a sign of life each second."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datacenters.interface import Unreachable

QUIET_FRAMES = 3  # signs of life between two empty answers


def followed(frames: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """What the task writes; b"" every few seconds of silence."""
    quiet = 0
    for frame in frames:
        data = _data(frame)
        quiet = 0 if data else quiet + 1
        if data:
            yield data
        elif quiet % QUIET_FRAMES == 0:
            yield b""


def _data(frame: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(frame.get("Data") or "", validate=True)
    except (binascii.Error, AttributeError, TypeError) as error:
        raise Unreachable("The cluster's log stream holds something that is no log.") from error
