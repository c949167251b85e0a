"""Sample inputs that a module ships: ``samples/predict.json`` beside its code, with the files that it names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marketplace.models import Asset

FOLDER, LIST = "samples", "predict.json"
AT_MOST = 12
SIZE_LIMIT = 20_000_000  # bytes of one file


@dataclass(frozen=True)
class Sample:
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


def samples_of(asset: Asset | None) -> tuple[Sample, ...]:
    """The samples of a module whose folder is on this machine; anything odd in them is left out."""
    folder = Path(asset.package) / FOLDER if asset and asset.package.startswith("/") else None
    if folder is None or not (folder / LIST).is_file() or not _within(folder, folder / LIST):
        return ()
    try:
        listed = json.loads((folder / LIST).read_text())
    except (OSError, ValueError):
        return ()
    rows = listed if isinstance(listed, list) else []
    found = [_sample(folder, row) for row in rows[:AT_MOST] if isinstance(row, dict)]
    return tuple(sample for sample in found if sample)


def _sample(folder: Path, row: Mapping[str, Any]) -> Sample | None:
    values, named = row.get("arguments"), row.get("files")
    files = {str(key): folder / str(name) for key, name in named.items()} if isinstance(named, dict) else {}
    if not all(_usable(folder, path) for path in files.values()):
        return None
    title = str(row.get("title") or ", ".join(path.name for path in files.values()) or "…")
    return Sample(title, values if isinstance(values, dict) else {}, files)


def _usable(folder: Path, path: Path) -> bool:
    # Whoever writes a module must not read other files of this machine by naming or linking them.
    return _within(folder, path) and path.is_file() and path.stat().st_size <= SIZE_LIMIT


def _within(folder: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(folder.parent.resolve())
