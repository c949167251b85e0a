"""What is sent to a module: its own samples where it has some, else what its document lets one guess."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.deepaas.document import Argument, Media, Operation, Type

# Arguments that say how long a training takes.
LENGTHS = ("epoch", "round", "iteration", "step")
GUESSED_TEXT = "An example."
NO_FILE = b"This is not the kind of file that the argument takes.\n"


@dataclass(frozen=True)
class Sample:
    """One call: values by argument, and the content of files."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    guessed: bool = False

    def with_argument(self, name: str, value: Any) -> "Sample":
        return replace(self, arguments={**self.arguments, name: value})


def read(folder: Path, method: str) -> tuple[Sample, ...]:
    """Those of ``samples/predict.json`` or ``samples/train.json``; none if there is no such file."""
    path = folder / f"{method}.json"
    rows: Sequence[Mapping[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return tuple(
        Sample(
            row.get("arguments", {}),
            {name: (folder / file).read_bytes() for name, file in row.get("files", {}).items()},
        )
        for row in rows
    )


def guess(operation: Operation) -> Sample:
    """Something for each argument that is required; the module has its own defaults for the rest."""
    needed = [argument for argument in operation.arguments if argument.required and not argument.is_accept]
    return Sample(
        {argument.name: _value(argument) for argument in needed if argument.type is not Type.FILE},
        {argument.name: _content(argument) for argument in needed if argument.type is Type.FILE},
        guessed=True,
    )


def short_training(operation: Operation) -> Sample:
    lengths = {argument.name: _at_least(argument, 1) for argument in _lengths(operation)}
    guessed = guess(operation)
    return replace(guessed, arguments={**guessed.arguments, **lengths})


def long_training(operation: Operation, sample: Sample) -> Sample:
    """The same as long as it may take, so that there is time to look at it while it runs."""
    longest = {argument.name: int(argument.maximum or 1_000) for argument in _lengths(operation)}
    return replace(sample, arguments={**sample.arguments, **longest})


def wrong_values(operation: Operation) -> dict[str, Any]:
    """For each argument that can be given wrongly, a value that it must refuse."""
    return {
        argument.name: wrong
        for argument in operation.arguments
        if not argument.is_accept and (wrong := _wrong(argument)) is not None
    }


def png(side: int = 32) -> bytes:
    """A small image: a bright bar on dark ground."""
    row = b"".join(b"\xee" if side // 3 < column < side // 2 else b"\x11" for column in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress((b"\0" + row) * side)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _lengths(operation: Operation) -> list[Argument]:
    return [
        argument
        for argument in operation.arguments
        if argument.type is Type.INTEGER and any(word in argument.name.lower() for word in LENGTHS)
    ]


def _wrong(argument: Argument) -> Any:
    if argument.type in (Type.INTEGER, Type.NUMBER):
        if argument.maximum is not None and not argument.multiple:
            return argument.maximum + 1
        return "many"
    # A list of choices alone is not binding in DEEPaaS 2, yet it is what people are shown.
    return "none-of-these" if argument.choices else None


def _value(argument: Argument) -> Any:
    value = _single(argument)
    return [value] * 3 if argument.multiple else value


def _single(argument: Argument) -> Any:
    if argument.default is not None and not argument.multiple:
        return argument.default
    if argument.choices:
        return argument.choices[0]
    if argument.type in (Type.INTEGER, Type.NUMBER):
        return _at_least(argument, 1)
    return {Type.BOOLEAN: False, Type.OBJECT: {}}.get(argument.type, GUESSED_TEXT)


def _at_least(argument: Argument, value: int) -> int:
    smallest = int(argument.minimum) + (argument.minimum % 1 > 0) if argument.minimum is not None else value
    largest = int(argument.maximum) if argument.maximum is not None else max(value, smallest)
    return min(max(value, smallest), largest)


def _content(argument: Argument) -> bytes:
    return png() if argument.media is Media.IMAGE else b"a,b\n1,2\n"
