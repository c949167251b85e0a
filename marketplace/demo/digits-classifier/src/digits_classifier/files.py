"""Digits of somebody's own, from a folder of a storage that is attached, and the folder there that weights go to.

Serai shows what is attached below ``SERAI_STORAGES_DIR``, each storage in a folder of its name. In a folder of digits,
each line of a CSV file is one digit: 64 grey values from 0 to 16, row by row, and the digit. Or the images of a digit
lie in a folder of its name, ``0`` to ``9``.
"""

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .guard import BadInput
from .model import LABELS, SIDE, Classifier, Digits, Pixels, pixels_of

PIXELS = SIDE * SIDE
BRIGHTEST = 16
LEAST_OF_EACH = 4  # a quarter is kept aside to test with: one of four
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
LINE = "64 grey values from 0 to 16, then the digit"
NO_NAME = re.compile(r"[^\w.-]+")

Row = tuple[Pixels, int]


class WrongFile(ValueError):
    """Its message says where, and what belongs there."""


@dataclass(frozen=True)
class Folder:
    """One that somebody named in the argument ``argument``."""

    argument: str
    name: str

    @property
    def path(self) -> Path:
        root = os.environ.get("SERAI_STORAGES_DIR")
        if not root:
            raise self.wrong("No storage is attached. Attach one, or leave this empty.")
        parts = PurePosixPath(self.name).parts
        if self.name.startswith("/") or ".." in parts:
            raise self.wrong(
                "Name a folder below what is attached, as files/digits, without / before it and without “..”."
            )
        if not parts or not (Path(root) / parts[0]).is_dir():
            there = ", ".join(sorted(one.name for one in Path(root).iterdir() if one.is_dir())) or "nothing"
            raise self.wrong(f"It begins with the name of an attached storage; attached is: {there}.")
        return Path(root, *parts)

    def wrong(self, sentence: str) -> BadInput:
        return BadInput(**{self.argument: sentence})


# ── Digits to learn from ─────────────────────────────────────────────────────────────────────────
def read(folder: Folder) -> tuple[Digits, bytes]:
    """All digits of a folder, and a sum that changes when one of them does."""
    if not folder.path.is_dir():
        raise folder.wrong(f"There is no folder “{folder.name}” on the storage.")
    try:
        found = [*_of_tables(folder.path), *_of_images(folder.path)]
    except WrongFile as error:
        raise folder.wrong(str(error)) from None
    if not found:
        raise folder.wrong(f"In “{folder.name}” are neither CSV files nor folders 0 to 9 with images.")
    images, digits = np.array([pixels for pixels, _ in found]), np.array([digit for _, digit in found])
    _enough(folder, digits)
    return (images, digits), hashlib.sha256(images.tobytes() + digits.tobytes()).digest()


def _enough(folder: Folder, digits: NDArray[np.int64]) -> None:
    known, counts = np.unique(digits, return_counts=True)
    rare = [str(digit) for digit, count in zip(known, counts, strict=True) if count < LEAST_OF_EACH]
    if rare or len(known) < 2:
        seldom = f"; too few are there of {', '.join(rare)}" if rare else ""
        raise folder.wrong(f"It takes two digits or more, and {LEAST_OF_EACH} or more of each{seldom}.")


def _of_tables(folder: Path) -> Iterator[Row]:
    for file in sorted(_visible(folder)):
        if file.suffix.lower() == ".csv" and file.is_file():
            yield from _of_table(file)


def _of_table(file: Path) -> Iterator[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for number, cells in enumerate(csv.reader(lines), start=1):
                if any(cells) and not (number == 1 and _is_heading(cells)):
                    yield _row(cells, f"{file.name}, line {number}")
    except (UnicodeDecodeError, csv.Error):
        raise WrongFile(f"{file.name} is no CSV file: it is not text in lines with commas.") from None


def _is_heading(cells: list[str]) -> bool:
    return len(cells) == PIXELS + 1 and _number(cells[-1]) is None


def _row(cells: list[str], where: str) -> Row:
    if len(cells) != PIXELS + 1:
        raise WrongFile(f"{where}: there are {len(cells)} columns in place of {PIXELS + 1} ({LINE}).")
    values = [_number(cell) for cell in cells]
    for column, value in enumerate(values[:-1], start=1):
        if value is None or not 0 <= value <= BRIGHTEST:
            raise WrongFile(f"{where}, column {column}: “{cells[column - 1]}” is no number from 0 to {BRIGHTEST}.")
    if values[-1] not in range(len(LABELS)):
        raise WrongFile(f"{where}, column {PIXELS + 1}: “{cells[-1]}” is no digit from 0 to 9.")
    return np.array(values[:-1], dtype=float) / BRIGHTEST, int(values[-1] or 0)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _of_images(folder: Path) -> Iterator[Row]:
    for label in LABELS:
        for file in sorted(_visible(folder / label)) if (folder / label).is_dir() else ():
            if file.suffix.lower() in IMAGES:
                yield _image(file).ravel(), int(label)


def _image(file: Path) -> Pixels:
    try:
        with Image.open(file) as picture:
            return pixels_of(picture)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise WrongFile(f"{file.parent.name}/{file.name} is no image that can be read.") from None


def _visible(folder: Path) -> Iterator[Path]:
    """Without the hidden files that some systems leave beside others."""
    return (file for file in folder.iterdir() if not file.name.startswith("."))


# ── Weights for other programs ───────────────────────────────────────────────────────────────────
def writable(folder: Folder) -> Path:
    """Made if need be. Asked before a training, so that none learns for nothing."""
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise folder.wrong(f"This folder cannot be made on the storage ({error.strerror}).") from None
    if not os.access(folder.path, os.W_OK):
        raise folder.wrong("Nothing can be written there: the storage is attached only to be read.")
    return folder.path


def export(classifier: Classifier, folder: Path, run_name: str) -> Path:
    """As plain arrays, which numpy opens anywhere; trainings of a sweep each have a file of their own."""
    deployment = os.environ.get("SERAI_DEPLOYMENT_ID", "")[:8] or "here"
    file = folder / f"{NO_NAME.sub('-', run_name)}-{deployment}.npz"
    hidden, output = classifier.network.coefs_
    hidden_bias, output_bias = classifier.network.intercepts_
    arrays = {"hidden": hidden, "hidden_bias": hidden_bias, "output": output, "output_bias": output_bias}
    content = io.BytesIO()
    np.savez(content, test_accuracy=np.array(classifier.test_accuracy), **arrays)
    file.write_bytes(content.getvalue())
    return file
