"""A folder: metadata files side by side (``seeds.yml``), module folders with ``ai4-metadata.yml``, or one module."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from marketplace.models import Source

from .found import MAX_FILE, METADATA_NAMES, Contents, Found, SourceError, contents

# What building, testing and editing leave behind: it changes nothing of the module.
LEFTOVERS = frozenset({"__pycache__", "build", "dist", "node_modules", "venv"})
MAX_PACKAGE_FILES = 5_000


def find(source: Source, _known: Mapping[str, str]) -> Iterator[Found]:
    root = place(source.location)
    try:
        entries = sorted(root.iterdir())
    except OSError as problem:
        sentence = _("The folder %(folder)s cannot be read: %(problem)s.")
        raise SourceError(sentence % {"folder": root, "problem": problem.strerror}) from None
    if _is_module(root):
        yield _module(root, ".", root.name)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.suffix in (".yml", ".yaml") and entry.is_file():
            yield _file(entry)
        elif entry.is_dir() and _is_module(entry):
            yield _module(entry, _shown(entry.name), entry.name)


def place(location: str) -> Path:
    """Relative folders are of the checkout, so that its own demo stays found when it moves."""
    return (settings.BASE_DIR / location).resolve()


def _is_module(folder: Path) -> bool:
    return any((folder / name).is_file() for name in METADATA_NAMES)


def _file(path: Path) -> Found:
    try:
        return Found(path.stem, _shown(path.name), Contents(metadata=_read(path)))
    except OSError as problem:
        return Found(path.stem, _shown(path.name), problem=_unreadable(path, problem))


def _shown(name: str) -> str:
    """A file's name as text: on disk it may be any bytes."""
    return name.encode(errors="replace").decode()


def _module(folder: Path, origin: str, name: str) -> Found:
    try:
        names = [path.name for path in folder.iterdir() if path.is_file()]
        found = contents(names, lambda name: _read(folder / name))
        digest = package_digest(folder) if found.installable else ""
    except OSError as problem:
        return Found(name, origin, problem=_unreadable(folder, problem))
    return Found(name, origin, found, package=str(folder) if found.installable else "", package_digest=digest)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE + 1)


def _unreadable(path: Path, problem: OSError) -> str:
    return _("%(path)s cannot be read: %(problem)s.") % {"path": _shown(path.name), "problem": problem.strerror}


def package_digest(folder: Path) -> str:
    """Changes when any file of the package does, so that an edited module gets a new environment."""
    digest = hashlib.sha256()
    for path in list(_package_files(folder))[:MAX_PACKAGE_FILES]:
        # A link counts by where it points: following it could lead anywhere.
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode(errors="surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def _package_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in LEFTOVERS or path.name.endswith((".egg-info", ".pyc")):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _package_files(path)
        elif path.is_file() or path.is_symlink():
            yield path
