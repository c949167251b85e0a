"""Fetches datasets before a job's own tasks start. Runs on the node, alone, as the task's own user where there is one.

What was fetched stays where it lies, with a note of what it is: the next start fetches nothing. Only public addresses
are asked, each looked at when it is connected to, and none by a redirection that was not looked at.
Lines that begin with ``progress:`` and ``failed:`` are shown to people.
"""

# ruff: noqa: T201
import fcntl
import hashlib
import http.client
import ipaddress
import json
import os
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

NOTE = ".serai-dataset.json"
TIMEOUT = 30  # seconds of silence
TRIES, LONGEST_PAUSE = 8, 10
REDIRECTIONS = 5
BLOCK = 1 << 20
LARGEST_RECORD = 20_000_000  # bytes of its description
AGAIN = (429, 500, 502, 503, 504)


class Failed(Exception):
    """The text is what people read."""


class Broken(Exception):
    """The connection, or the server for the moment: trying again may help."""


@dataclass(frozen=True)
class Remote:
    """One file of a dataset."""

    name: str
    url: str
    size: int | None = None
    checksum: str = ""  # "md5:…" or "sha256:…"


@dataclass(frozen=True)
class Dataset:
    source: str
    record: str  # its number, where the source is a DOI
    checksum: str
    force: bool
    folder: str  # where its files go
    waits_for: str  # what must be there (or mounted) before
    is_mount: bool
    link: str  # where the task finds it …
    seen_at: str  # … and what it leads to; the same where it is no link

    def placed(self) -> "Dataset":
        """With the variables that it names, as ``{SERAI_KEPT}``, replaced by what they hold."""
        known = {name: value for name, value in os.environ.items() if name.startswith("SERAI_")}
        names = ("folder", "waits_for", "link", "seen_at")
        return replace(self, **{name: getattr(self, name).format_map(known) for name in names})


def main() -> int:
    plan = json.loads(Path(os.environ["NOMAD_TASK_DIR"], "datasets.json").read_text())
    become_the_task()
    site = Site(plan["zenodo"], frozenset(plan["trusted_hosts"]))
    try:
        for one in plan["datasets"]:
            bring(Dataset(**one).placed(), site)
    except (Failed, OSError) as error:
        print(f"failed: {error}", file=sys.stderr, flush=True)
        return 1
    progress("datasets are ready")
    return 0


def become_the_task() -> None:
    os.umask(0o007)  # of a project's tasks, who share what was fetched
    if os.getuid() == 0 and "SERAI_TASK_UID" in os.environ:
        uid, gid = int(os.environ["SERAI_TASK_UID"]), int(os.environ["SERAI_TASK_GID"])
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def progress(text: str) -> None:
    print(f"progress: {text}", flush=True)


# ── One dataset ──────────────────────────────────────────────────────────────────────────────────
def bring(dataset: Dataset, site: "Site") -> None:
    wait_for(Path(dataset.waits_for), dataset.is_mount)
    folder = Path(dataset.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        if dataset.force or not is_complete(folder, dataset):
            fetch_all(folder, dataset, site)
        else:
            progress(f"{dataset.source} is here already")
    link(Path(dataset.link), dataset.seen_at)


def wait_for(folder: Path, is_mount: bool) -> None:
    """What brings it was started at the same time; if that fails, this is ended, too."""
    while not (os.path.ismount(folder) if is_mount else folder.exists()):
        time.sleep(0.2)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Of the deployments that share it, one fetches and the others wait. File systems of storages know no locks."""
    with open(folder / ".serai-lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            progress("the storage knows no locks")
        yield


def is_complete(folder: Path, dataset: Dataset) -> bool:
    try:
        note = json.loads((folder / NOTE).read_text())
    except (FileNotFoundError, ValueError):
        return False
    if (note["source"], note["checksum"]) != (dataset.source, dataset.checksum):
        return False
    return all(size_of(folder / name) == size for name, size in note["files"].items())


def size_of(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None


def fetch_all(folder: Path, dataset: Dataset, site: "Site") -> None:
    files = list(files_of(dataset, site))
    (folder / NOTE).unlink(missing_ok=True)
    for file in files:
        fetch(file, folder / file.name, site)
    sizes = {file.name: size_of(folder / file.name) for file in files}
    note = {"source": dataset.source, "checksum": dataset.checksum, "files": sizes}
    draft = folder / f"{NOTE}.part"
    draft.write_text(json.dumps(note))
    draft.rename(folder / NOTE)


def files_of(dataset: Dataset, site: "Site") -> Iterator[Remote]:
    if not dataset.record:
        name = unquote(urlsplit(dataset.source).path).rpartition("/")[2] or "data"
        yield Remote(safe_name(name), dataset.source, None, dataset.checksum)
        return
    record = site.record(dataset.record)
    files = record.get("files") or []
    if not files:
        raise Failed(f"The record {dataset.source} has no files, or they are not open to everybody.")
    for one in files:
        yield Remote(safe_name(one["key"]), one["links"]["self"], one.get("size"), one.get("checksum") or "")


def safe_name(name: str) -> str:
    """One that stays in the dataset's folder."""
    parts = name.split("/")
    fine = all(part not in ("", ".", "..") and part.isprintable() and len(part.encode()) < 250 for part in parts)
    if not fine or any(part.startswith(".serai-") for part in parts):
        raise Failed(f"A file of the dataset has a name that cannot be used: {name[:100]!r}.")
    return name


def link(place: Path, target: str) -> None:
    """Where the tasks look for it, whichever folder it lies in."""
    if str(place) == target:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


# ── One file ─────────────────────────────────────────────────────────────────────────────────────
def fetch(file: Remote, target: Path, site: "Site") -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".serai-part-{target.name}"[:250])
    whole_again = part.exists()
    download(file, part, site)
    if not is_right(file, part) and whole_again:  # what an earlier start left was of something else
        part.unlink()
        download(file, part, site)
    if not is_right(file, part):
        part.unlink()
        raise Failed(f"{file.name} is not what its checksum says. It may have changed, or was spoiled on the way.")
    part.rename(target)


def download(file: Remote, part: Path, site: "Site") -> None:
    """Go on from where it broke off, until it is whole or nothing more comes."""
    failures, before = 0, -1
    while True:
        try:
            receive(file, part, site)
            return
        except (Broken, OSError, http.client.HTTPException) as error:
            failures = failures + 1 if size_of(part) == before else 1
            before = size_of(part) or 0
            if failures >= TRIES or getattr(error, "errno", None) in (28, 122):  # no room: ENOSPC, EDQUOT
                raise Failed(f"{file.name} could not be fetched: {error or type(error).__name__}.") from error
            progress(f"{file.name} broke off; going on in a moment")
            time.sleep(min(2.0 ** (failures - 1), LONGEST_PAUSE))


def receive(file: Remote, part: Path, site: "Site") -> None:
    have = size_of(part) or 0
    if have and have == file.size:
        return
    answer = site.get(file.url, {"Range": f"bytes={have}-"} if have else {})
    with answer.connection:
        if answer.status == 416:  # all of it is here, or it is shorter now
            if answer.header("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
            raise Broken("it is shorter than before")
        goes_on = answer.status == 206 and answer.header("Content-Range").startswith(f"bytes {have}-")
        have = have if goes_on else 0
        whole = file.size or (have + answer.length if answer.length is not None else None)
        with open(part, "r+b" if goes_on else "wb") as out:
            out.seek(have)
            have = copy(answer, out, file.name, have, whole)
        if whole is not None and have < whole:
            raise Broken(f"it ended after {have} of {whole} bytes")


def copy(answer: "Answer", out: Any, name: str, have: int, whole: int | None) -> int:
    told = 0.0
    while piece := answer.body.read(BLOCK):
        out.write(piece)
        have += len(piece)
        if time.monotonic() - told > 1:
            told = time.monotonic()
            of = f" of {whole / 1e6:,.1f}" if whole else ""
            progress(f"{name}: {have / 1e6:,.1f}{of} MB")
    return have


def is_right(file: Remote, part: Path) -> bool:
    if file.size is not None and size_of(part) != file.size:
        return False
    kind, _colon, digits = file.checksum.partition(":")
    if kind not in ("md5", "sha256"):
        return True
    with open(part, "rb") as content:
        return hashlib.file_digest(content, kind).hexdigest() == digits.lower()


# ── Asking, with care whom ───────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Answer:
    status: int
    body: http.client.HTTPResponse
    connection: Any

    def header(self, name: str) -> str:
        return self.body.getheader(name) or ""

    @property
    def length(self) -> int | None:
        length = self.header("Content-Length")
        return int(length) if length.isdigit() else None


@dataclass(frozen=True)
class Site:
    zenodo: str
    trusted_hosts: frozenset[str]

    def record(self, number: str) -> dict[str, Any]:
        for turn in range(TRIES):
            try:
                answer = self.get(f"{self.zenodo}/api/records/{quote(number)}", {"Accept": "application/json"})
                with answer.connection:
                    return dict(json.loads(answer.body.read(LARGEST_RECORD)))
            except ValueError:
                raise Failed(f"{self.zenodo} did not answer as Zenodo does.") from None
            except (Broken, OSError, http.client.HTTPException) as error:
                last = error
                time.sleep(min(2.0**turn, LONGEST_PAUSE))
        raise Failed(f"{self.zenodo} does not answer: {last}.")

    def get(self, url: str, headers: dict[str, str]) -> Answer:
        """The answer after all redirections. Raises Failed for good, Broken for now."""
        for _turn in range(REDIRECTIONS):
            answer = self.ask(url, headers)
            if answer.status not in (301, 302, 303, 307, 308):
                return judged(answer, url)
            answer.connection.close()
            url = urljoin(url, answer.header("Location"))
        raise Failed(f"{url} leads from one address to the next without end.")

    def ask(self, url: str, headers: dict[str, str]) -> Answer:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise Failed(f"{url} is no web address.") from None
        if parts.scheme not in ("http", "https") or not host:
            raise Failed(f"{url} is no web address.")
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        connection.sock = self.connected(host, port)
        if parts.scheme == "https":
            connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=host)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"User-Agent": "Serai", "Accept-Encoding": "identity", **headers})
        response = connection.getresponse()
        return Answer(response.status, response, closing(connection, response))

    def connected(self, host: str, port: int) -> socket.socket:
        """To the very address that was looked at: resolving again could give another."""
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Broken(f"there is no host named {host}") from None
        addresses = [str(answer[4][0]) for answer in answers]
        if host not in self.trusted_hosts and not all(map(is_public, addresses)):
            raise Failed(f"{host} is an address of a private network, which datasets are not fetched from.")
        return socket.create_connection((addresses[0], port), TIMEOUT)


class closing:  # noqa: N801 used as a function
    """An answer without a length takes its socket from the connection: both must be closed."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def close(self) -> None:
        for part in self.parts:
            part.close()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.close()


def judged(answer: Answer, url: str) -> Answer:
    if answer.status in (200, 206, 416):
        return answer
    answer.connection.close()
    if answer.status in AGAIN:
        raise Broken(f"the server answered {answer.status}")
    if answer.status in (401, 403):
        raise Failed(f"{url} is not open to everybody (answer {answer.status}).")
    if answer.status in (404, 410):
        raise Failed(f"There is nothing at {url} (answer {answer.status}).")
    raise Failed(f"{url} answered {answer.status}.")


def is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.split("%", 1)[0])
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inner is None or inner.is_global)


if __name__ == "__main__":
    sys.exit(main())
