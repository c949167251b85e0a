"""Git repositories of other people, read without ever running anything of theirs.

Repositories are cloned bare and shallow, without file contents; the few files that matter are fetched one
by one. No work tree, so no hooks, filters or links; no prompts; https only; public addresses only, and git
connects to those that were checked.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from accounts.network import Forbidden, public_target, redirection

from .found import MAX_FILE, SourceError

TIMEOUT = 120  # seconds, for one git command
MAX_ADDRESS = 400  # characters
MAX_PACK = 100_000_000  # bytes of one file that git may write
SSH = re.compile(r"^(?:ssh://)?git@([\w.-]+)[:/]([\w./-]+)$")
BRANCH = re.compile(r"^[A-Za-z0-9][\w./-]{0,199}$")
COMMIT = re.compile(r"^[0-9a-f]{40,64}$")
REFS = "/info/refs?service=git-upload-pack"  # what git asks an http server first
MAX_MOVES = 3
PROXIES = ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE")


class Moved(SourceError):
    """Its host says that it is elsewhere now."""


@dataclass(frozen=True)
class Remote:
    """A repository's address, checked: git may be told it."""

    url: str
    branch: str = ""
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return urlsplit(self.url).path.rstrip("/").removesuffix(".git").rpartition("/")[2]


def remote(location: str) -> Remote:
    """The repository of an address, with its branch behind ``#``. Raises SourceError for what is not allowed."""
    url, branch = urldefrag(SSH.sub(r"https://\1/\2", location.strip()))
    parts = urlsplit(url)
    if parts.scheme not in settings.SERAI_GIT_PROTOCOLS or len(location) > MAX_ADDRESS or not location.isprintable():
        raise SourceError(_("%(url)s is no https:// address of a Git repository.") % {"url": url[:200]})
    if parts.username or parts.password:
        raise SourceError(_("Leave the name and password out of the address: Serai reads public repositories only."))
    if branch and (not BRANCH.match(branch) or ".." in branch):
        raise SourceError(_("“%(branch)s” is no name of a branch.") % {"branch": branch[:60]})
    return Remote(url, branch, _pinned(url) if parts.scheme in ("http", "https") else ())


def _pinned(url: str) -> tuple[str, ...]:
    try:
        target = public_target(url)
    except Forbidden as refusal:
        raise SourceError(str(refusal)) from None
    addresses = ",".join(f"[{address}]" if ":" in address else address for address in target.addresses)
    return ("-c", f"http.curloptResolve={target.host}:{target.port}:{addresses}")


def newest(place: Remote) -> str:
    """The commit that the branch (or the default one) is at."""
    wanted = f"refs/heads/{place.branch}" if place.branch else "HEAD"
    answer = _git(place, ["ls-remote", "--", place.url, wanted]).decode(errors="replace")
    commit = answer.split("\t", 1)[0].strip()
    if not COMMIT.match(commit):
        what = _("%(url)s has no branch %(branch)s.") if place.branch else _("%(url)s is empty.")
        raise SourceError(what % {"url": place.url, "branch": place.branch})
    return commit


def found(location: str) -> tuple[Remote, str]:
    """Where the repository is, and its newest commit. Renamed ones are followed, each step checked anew."""
    place = remote(location)
    for _step in range(MAX_MOVES):
        try:
            return place, newest(place)
        except Moved:
            place = remote(_next_address(place))
    raise SourceError(_("%(url)s is sent from one address to the next without end.") % {"url": location[:200]})


def _next_address(place: Remote) -> str:
    """Where its host says that it has moved; asked by ourselves, since git would go there unchecked."""
    ask = f"{urlsplit(place.url).path.rstrip('/')}{REFS}"
    try:
        target = public_target(place.url)
        status, location = redirection(target, ask, encrypted=place.url.startswith("https:"))
    except (Forbidden, OSError, HTTPException) as problem:
        raise SourceError(f"{place.url}: {problem}") from None
    if status not in (301, 302, 303, 307, 308) or not location.endswith(REFS):
        raise SourceError(_("%(url)s has moved: enter its new address.") % {"url": place.url})
    return urljoin(place.url, location).removesuffix(REFS) + (f"#{place.branch}" if place.branch else "")


class Clone:
    """A repository's newest commit, in a folder that goes with the ``with``."""

    def __init__(self, place: Remote) -> None:
        self._place = place
        self._folder = Path()

    def __enter__(self) -> "Clone":
        self._folder = Path(tempfile.mkdtemp(prefix="clone-", dir=_scratch()))
        branch = ["--branch", self._place.branch] if self._place.branch else []
        shallow = ["--bare", "--depth=1", "--single-branch", "--no-tags", "--filter=blob:none"]
        try:
            _git(self._place, ["clone", "--quiet", *shallow, *branch, "--", self._place.url, str(self._folder)])
        except SourceError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def revision(self) -> str:
        return self._ask(["rev-parse", "HEAD"]).decode().strip()

    def names(self) -> list[str]:
        """The files of the top folder (links are not files)."""
        entries = self._ask(["ls-tree", "-z", "HEAD"]).decode(errors="replace").split("\0")
        return [entry.partition("\t")[2] for entry in entries if entry.startswith(("100644 ", "100755 "))]

    def read(self, name: str) -> bytes:
        return self._ask(["cat-file", "blob", f"HEAD:{name}"])[: MAX_FILE + 1]

    def submodules(self) -> list[tuple[str, str, str]]:
        """(path, url, branch) of each submodule, as ``.gitmodules`` has them."""
        if ".gitmodules" not in self.names():
            return []
        file = self._folder / "submodules"
        file.write_bytes(self.read(".gitmodules"))
        listed = self._ask(["config", "--no-includes", f"--file={file}", "-z", "--list"]).decode(errors="replace")
        return _submodules(listed)

    def _ask(self, arguments: list[str]) -> bytes:
        return _git(self._place, [f"--git-dir={self._folder}", *arguments])


def _submodules(listed: str) -> list[tuple[str, str, str]]:
    entries: dict[str, dict[str, str]] = {}
    for line in listed.split("\0"):
        key, _newline, value = line.partition("\n")
        section, _dot, variable = key.rpartition(".")
        if section.startswith("submodule."):
            entries.setdefault(section, {})[variable] = value
    return [
        (entry["path"], entry["url"], entry.get("branch", ""))
        for entry in entries.values()
        if entry.get("path") and 0 < len(entry.get("url", "")) <= MAX_ADDRESS
    ]


def _scratch() -> Path:
    folder: Path = settings.SERAI_DATA / "marketplace"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _git(place: Remote, arguments: list[str]) -> bytes:
    """What git printed. Its output goes through a file, so that the limit on files holds for it too."""
    if not shutil.which("git"):
        raise SourceError(_("The program git is not installed on this machine."))
    # The limit is set before git starts; all it gets is an argument list.
    limited = ["sh", "-c", 'ulimit -f "$0" && exec "$@"', str(MAX_PACK // 512)]
    command = [*limited, "git", *OPTIONS, *place.options, *arguments]
    with tempfile.TemporaryFile(dir=_scratch()) as out, tempfile.TemporaryFile(dir=_scratch()) as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=said, env=_environment(), start_new_session=True
        )
        code = _end_of(process, place)
        out.seek(0)
        said.seek(0)
        if code:
            raise _error(place, code, said.read(4_000).decode(errors="replace"))
        return out.read(MAX_PACK)


def _end_of(process: subprocess.Popen[bytes], place: Remote) -> int:
    try:
        return process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        sentence = _("%(url)s took longer than %(seconds)d seconds to answer.")
        raise SourceError(sentence % {"url": place.url, "seconds": TIMEOUT}) from None


OPTIONS = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "credential.helper="),
    # A redirect could lead to an address that was not checked.
    *("-c", "http.followRedirects=false"),
    *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30"),
    *("-c", "gc.auto=0"),
)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", *PROXIES) if name in os.environ}
    return kept | {
        "HOME": str(_scratch()),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_ALLOW_PROTOCOL": ":".join(settings.SERAI_GIT_PROTOCOLS),
    }


REASONS = (
    ("could not read Username", lazy("%(url)s does not exist, or is not public.")),
    ("Authentication failed", lazy("%(url)s does not exist, or is not public.")),
    ("not found", lazy("%(url)s does not exist, or is not public.")),
    ("does not exist", lazy("%(url)s does not exist, or is not public.")),
    ("does not appear to be a git repository", lazy("%(url)s is not a Git repository.")),
    ("Could not resolve host", lazy("There is no host of that name: %(url)s.")),
    ("File too large", lazy("%(url)s is too large.")),
)


MOVED = ("error: 301", "error: 302", "error: 303", "error: 307", "error: 308")


def _error(place: Remote, code: int, said: str) -> SourceError:
    kind = Moved if any(mark in said for mark in MOVED) else SourceError
    return kind(_why(place, code, said))


def _why(place: Remote, code: int, said: str) -> str:
    names = {"url": place.url}
    if code == -signal.SIGXFSZ or "signal 25" in said:
        return _("%(url)s is too large.") % names
    for mark, sentence in REASONS:
        if mark in said:
            return str(sentence) % names
    last = next((line for line in reversed(said.splitlines()) if line.strip()), _("no reason given"))
    return _("%(url)s cannot be read: %(reason)s") % (names | {"reason": last.removeprefix("fatal: ")[:200]})
