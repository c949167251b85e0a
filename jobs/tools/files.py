"""From a tool file to a Tool: read, checked as a whole, with a sentence for each fault."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from datacenters.jobspec import JobKind, Lifecycle, Runtime
from marketplace import reading

from . import schema
from .tool import (
    OPTION_PREFIX,
    PACKAGES,
    Authorization,
    Shelf,
    Snapshots,
    Tool,
    ToolOption,
    ToolPort,
    ToolRuntime,
    ToolTask,
)

# What text of a task may name; the datacenter puts the value in when the task starts.
INTERPOLATION = re.compile(r"\$\{([^}]*)\}")
KNOWN_NAMES = re.compile(r"NOMAD_(TASK_DIR|SECRETS_DIR|ALLOC_DIR)|meta\.serai_[a-z_]+")
ENVIRONMENT, STORAGE = "SERAI_ENVIRONMENT", "SERAI_STORAGE_DIR"
# Who runs at the same time, and so shares what was asked for.
PHASES = (
    frozenset({Lifecycle.PRESTART, Lifecycle.PRESTART_SIDECAR}),
    frozenset({Lifecycle.PRESTART_SIDECAR, Lifecycle.MAIN, Lifecycle.POSTSTART_SIDECAR}),
    frozenset({Lifecycle.POSTSTOP}),
)
BUILD = "build.py"
NUMBERS = ("integer", "number")


class ToolFault(Exception):
    """The file tells no tool; one sentence a fault."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__(" ".join(self.sentences))


def load(folder: Path) -> Shelf:
    """Every tool of a folder. A file with faults keeps no other from being read."""
    tools, faults = {}, {}
    for path in sorted(folder.glob("*.yml")):
        try:
            tools[path.stem] = read(path)
        except ToolFault as fault:
            faults[path.stem] = fault.sentences
    return Shelf(tools, faults)


def read(path: Path) -> Tool:
    loaded = reading.load(path.read_bytes())
    sentences = [finding.sentence for finding in loaded.findings]
    document = loaded.document
    sentences = sentences or schema.faults(document) or list(_inconsistent(document, path))
    if sentences:
        raise ToolFault(sentences)
    return _tool(document, path)


# ── What no schema can say ───────────────────────────────────────────────────────────────────────
def _inconsistent(document: Mapping[str, Any], path: Path) -> Iterator[str]:
    if document["id"] != path.stem:
        yield _("id: it must be “%(name)s”, as the file is called.") % {"name": path.stem}
    for option in document.get("options", []):
        yield from _wrong_option(option)
    kept = document.get("snapshots", {}).get("option")
    if kept and kept not in [option["name"] for option in document.get("options", [])]:
        yield _("snapshots: there is no option “%(name)s”.") % {"name": kept}
    if ("ports" in document) != (document.get("kind", JobKind.SERVICE) == JobKind.SERVICE):
        yield _("ports: a service has some, a batch has none.")
    for port in document.get("ports", []):
        for secret in (port.get("authorization", {}).get("secret"), port.get("certificate")):
            if secret and secret not in _secrets(document):
                yield _unknown_secret(f"ports.{port['label']}", secret)
        if "inside" in port and "own" not in [way.get("network") for way in document["runtimes"].values()]:
            yield _("ports.%(label)s: “inside” belongs to containers with a network of their own.") % port
    for name, runtime in document["runtimes"].items():
        yield from _wrong_runtime(document, name, runtime, path)


def _wrong_option(option: Mapping[str, Any]) -> Iterator[str]:
    place, kind = f"options.{option['name']}", option["type"]
    if (kind == "choice") != bool(option.get("choices")):
        yield _("%(place)s: “choices” belong to an option of type “choice”, and to no other.") % {"place": place}
    elif kind == "choice" and option.get("default") not in option["choices"]:
        yield _("%(place)s: the default must be one of the choices.") % {"place": place}
    if (kind == "deployment") != ("of" in option):
        yield _("%(place)s: “of” belongs to an option of type “deployment”, and to no other.") % {"place": place}
    if kind not in NUMBERS and ("minimum" in option or "maximum" in option):
        yield _("%(place)s: only a number has a minimum or maximum.") % {"place": place}
    if kind in (*NUMBERS, "boolean") and not _fits(option, option.get("default")):
        yield _("%(place)s: the default does not fit the type and range.") % {"place": place}


def _fits(option: Mapping[str, Any], value: Any) -> bool:
    types = {"integer": (int,), "number": (int, float), "boolean": (bool,)}[option["type"]]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return False
    return bool(option.get("minimum", value) <= value <= option.get("maximum", value))


def _wrong_runtime(document: Mapping[str, Any], name: str, runtime: Mapping[str, Any], path: Path) -> Iterator[str]:
    if "requirements" in runtime and not _lock(runtime["requirements"]).is_file():
        values = {"name": name, "role": runtime["requirements"]}
        yield _("runtimes.%(name)s: there is no lock requirements/%(role)s.txt.") % values
    yield from _wrong_build(f"runtimes.{name}", runtime, path)
    tasks = runtime["tasks"]
    if len({task["name"] for task in tasks}) < len(tasks):
        yield _("runtimes.%(name)s: two tasks have the same name.") % {"name": name}
    if not any(task.get("lifecycle", Lifecycle.MAIN) == Lifecycle.MAIN for task in tasks):
        yield _("runtimes.%(name)s: it has no main task.") % {"name": name}
    if any(_shared(tasks, phase) > 1.001 for phase in PHASES):
        yield _("runtimes.%(name)s: the shares of its tasks add up to more than 1.") % {"name": name}
    needed = "command" if name == Runtime.PACKAGE else "image"
    for task in tasks:
        place = f"runtimes.{name}.{task['name']}"
        if name == Runtime.PACKAGE and (odd := sorted({"volumes", "shared_memory_mb", "digest"} & set(task))):
            yield _("%(place)s: only a container has “%(odd)s”.") % {"place": place, "odd": odd[0]}
        if not task.get(needed):
            yield _("%(place)s: “%(needed)s” is missing.") % {"place": place, "needed": needed}
        if "volumes" in task and task.get("lifecycle") in PHASES[0]:
            yield _("%(place)s: “volumes” are there when a task of lifecycle “prestart” has made them.") % {
                "place": place
            }
        yield from (_unknown_secret(place, key) for key in task.get("secrets", []) if key not in _secrets(document))
        yield from _missing_files(place, task, path)
        yield from _unknown_names(place, task, _names(document, runtime))


def _shared(tasks: Iterable[Mapping[str, Any]], phase: frozenset[Lifecycle]) -> float:
    return sum(float(task.get("share", 1)) for task in tasks if task.get("lifecycle", Lifecycle.MAIN) in phase)


def _wrong_build(place: str, runtime: Mapping[str, Any], path: Path) -> Iterator[str]:
    names = [Path(source).name for source in runtime.get("build", ())]
    if names and ("requirements" not in runtime or BUILD not in names):
        yield _("%(place)s: “build” goes with “requirements”, and holds a %(file)s.") % {"place": place, "file": BUILD}
    if len(set(names)) < len(names):
        yield _("%(place)s: two files of “build” have the same name.") % {"place": place}
    yield from _missing(place, runtime.get("build", ()), path)


def _secrets(document: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(document.get("secrets", []))


def _unknown_secret(place: str, key: str) -> str:
    return _("%(place)s: “%(key)s” is none of the tool's secrets.") % {"place": place, "key": key}


def _missing_files(place: str, task: Mapping[str, Any], path: Path) -> Iterator[str]:
    yield from _missing(place, task.get("files", {}).values(), path)


def _missing(place: str, sources: Iterable[str], path: Path) -> Iterator[str]:
    for source in sources:
        if not (path.parent / source).is_file():
            yield _("%(place)s: there is no file %(source)s.") % {"place": place, "source": source}


def _names(document: Mapping[str, Any], runtime: Mapping[str, Any]) -> frozenset[str]:
    """The variables that its tasks have, beside those that every task has."""
    labels = [port["label"].replace("-", "_") for port in document.get("ports", [])]
    ports = [f"NOMAD_{what}_{label}" for label in labels for what in ("IP", "PORT", "ADDR")]
    options = [OPTION_PREFIX + option["name"].upper() for option in document.get("options", [])]
    listed = any(option["type"] == PACKAGES for option in document.get("options", []))
    installed = [ENVIRONMENT] if "requirements" in runtime or listed else []
    return frozenset([*ports, *options, *installed, STORAGE])


def _unknown_names(place: str, task: Mapping[str, Any], names: frozenset[str]) -> Iterator[str]:
    texts = (task.get("command", ""), *task.get("args", []), *task.get("env", {}).values())
    for name in dict.fromkeys(name for text in texts for name in INTERPOLATION.findall(text)):
        if name not in names and not KNOWN_NAMES.fullmatch(name):
            values = {"place": place, "name": name, "known": ", ".join(sorted(names))}
            yield _("%(place)s: ${%(name)s} is not known to its tasks. Known: %(known)s.") % values


# ── Made of what is right ────────────────────────────────────────────────────────────────────────
def _tool(document: Mapping[str, Any], path: Path) -> Tool:
    made: dict[str, Any] = {
        "least": document.get("least", {}),
        "options": tuple(_option(option) for option in document.get("options", [])),
        "ports": tuple(_port(port) for port in document.get("ports", [])),
        "snapshots": Snapshots(**document["snapshots"]) if "snapshots" in document else None,
        "kind": JobKind(document.get("kind", JobKind.SERVICE)),
        "runtimes": {Runtime(name): _runtime(runtime, path) for name, runtime in document["runtimes"].items()},
        **{name: tuple(document.get(name, [])) for name in ("secrets", "libraries", "tags")},
    }
    return Tool(**{**document, **made})


def _option(option: Mapping[str, Any]) -> ToolOption:
    return ToolOption(**{**option, "choices": tuple(option.get("choices", {}).items())})


def _port(port: Mapping[str, Any]) -> ToolPort:
    shown = port.get("authorization")
    made = {"authorization": Authorization(**shown) if shown else None, "open": tuple(port.get("open", []))}
    return ToolPort(**{**port, **made})


def _runtime(runtime: Mapping[str, Any], path: Path) -> ToolRuntime:
    lock = _without_comments(_lock(runtime["requirements"]).read_text()) if "requirements" in runtime else ""
    tasks = tuple(_task(task, path) for task in runtime["tasks"])
    build = {Path(source).name: (path.parent / source).read_text() for source in runtime.get("build", ())}
    return ToolRuntime(tasks, lock, build, runtime.get("network", "host"))


def _task(task: Mapping[str, Any], path: Path) -> ToolTask:
    texts = {name: tuple(task.get(name, [])) for name in ("args", "secrets")}
    contents = {target: (path.parent / source).read_text() for target, source in task.get("files", {}).items()}
    lifecycle = Lifecycle(task.get("lifecycle", Lifecycle.MAIN))
    return ToolTask(**{**task, **texts, "files": contents, "lifecycle": lifecycle})


def _lock(role: str) -> Path:
    return Path(settings.BASE_DIR) / "requirements" / f"{role}.txt"


def _without_comments(lock: str) -> str:
    """What pip and uv read of it: the comments say where each came from, which no datacenter needs."""
    return "".join(f"{line}\n" for line in lock.splitlines() if not line.lstrip().startswith("#"))
