"""Running rclone: an argument list, an environment of its own, and our words for what it says."""

# ruff: noqa: T201
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .plan import USER, Storage, Trouble
from .status import parsed

SETTINGS = {
    "RCLONE_CONFIG": "/dev/null",
    "RCLONE_ASK_PASSWORD": "false",
    "RCLONE_USE_JSON_LOG": "true",
    "RCLONE_LOG_LEVEL": "NOTICE",
    "RCLONE_CONTIMEOUT": "10s",
    "RCLONE_RETRIES": "1",
    "RCLONE_LOW_LEVEL_RETRIES": "2",
    "RCLONE_BUFFER_SIZE": "4M",
    "RCLONE_TRANSFERS": "4",
    "GOMEMLIMIT": "128MiB",
    "GOGC": "50",
}
HANDED_DOWN = re.compile(r"PATH|TMPDIR|LANG|SSL_CERT_(FILE|DIR)|(?i:(http|https|all|no)_proxy)")
# The first that fits counts.
WORDS = (
    (r"\b401\b|unauthori[sz]ed|InvalidAccessKeyId|SignatureDoesNotMatch|unable to authenticate|no supported methods",
     "does not take its user name, password or key"),
    (r"\b403\b|AccessDenied|forbidden|permission denied", "does not let this user do that"),
    (r"directory not found|object not found|NoSuchBucket|\b404\b", "has no such folder"),
    (r"\b507\b|no space left|insufficient storage|quota", "has no room left"),
    (r"x509|certificate", "has a certificate that the node does not trust"),
    (r"refused|reset|no such host|timeout|unreachable|deadline|dial tcp|broken pipe|EOF|\b50\d\b", "does not answer"),
)  # fmt: skip


class NoFolder(Trouble):
    """The storage answers, and has no such folder."""


class Rclone:
    """One running rclone. Of its log the last error is remembered; all of it goes on to our own."""

    def __init__(
        self,
        storage: Storage,
        arguments: tuple[str, ...],
        *,
        timeout: int,
        as_task: bool = False,
        said: bytes = b"",
        cwd: Path | None = None,
    ) -> None:
        self.storage, self.error = storage, ""
        self.on_progress: Callable[[str], None] = lambda _text: None
        self.process = subprocess.Popen(
            [program(as_task), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=surroundings(storage, timeout),
            cwd=cwd or "/",
            **(USER if as_task else {}),
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        with suppress(BrokenPipeError):
            self.process.stdin.write(said)  # type: ignore[union-attr]
            self.process.stdin.close()  # type: ignore[union-attr]

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def read(self) -> None:
        for raw in self.process.stderr or ():
            line = raw.decode(errors="replace").rstrip()
            entry = parsed(line)
            if entry.get("level") in ("error", "critical"):
                self.error = str(entry.get("msg", line))
            if "stats" in entry:
                self.on_progress(amount(entry["stats"]))
            else:
                print(f"{self.storage.target}: {entry.get('msg', line)}", file=sys.stderr, flush=True)

    def finish(self, ending: threading.Event | None = None, on_progress: Callable[[str], None] | None = None) -> None:
        """Wait for its end. Raises Trouble with a sentence, also when ``ending`` comes first."""
        self.on_progress = on_progress or self.on_progress
        while not self.ended:
            if ending and ending.is_set():
                self.leave()
                raise Trouble(f"Copying “{self.storage.target}” was broken off.")
            time.sleep(0.05)
        self.reader.join(5)
        if self.process.returncode:
            raise (NoFolder if self.process.returncode == 3 else Trouble)(self.why())

    def why(self) -> str:
        self.reader.join(1)
        return f"The storage “{self.storage.target}” {words(self.error)}."

    def leave(self) -> None:
        """End it politely, and hard if that does not help."""
        with suppress(subprocess.TimeoutExpired):
            self.process.terminate()
            self.process.wait(5)
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def program(as_task: bool) -> str:
    """For the task's own user a copy which it may run and not read: its environment is then hidden from it."""
    own = os.environ["SERAI_RCLONE"]
    if not (as_task and USER):
        return own
    copy, facts = Path(os.environ["SERAI_MOUNTS"], ".rclone"), os.stat(own)
    if not copy.exists() or (copy.stat().st_size, copy.stat().st_mtime_ns) != (facts.st_size, facts.st_mtime_ns):
        draft = copy.with_name(f".rclone.{os.getpid()}.{threading.get_ident()}")
        shutil.copyfile(own, draft)
        os.utime(draft, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        draft.chmod(0o711)
        draft.rename(copy)
    return str(copy)


def surroundings(storage: Storage, timeout: int) -> dict[str, str]:
    """No more of what this task knows than the one storage needs."""
    mine = f"RCLONE_CONFIG_{storage.remote}_"
    kept = {name: value for name, value in os.environ.items() if name.startswith(mine) or HANDED_DOWN.fullmatch(name)}
    return {**kept, **SETTINGS, "HOME": "/nonexistent", "RCLONE_TIMEOUT": f"{timeout}s"}


def amount(stats: dict[str, Any]) -> str:
    done, whole = (int(stats.get(name) or 0) / 1_000_000 for name in ("bytes", "totalBytes"))
    return f"{done:,.0f} of {whole:,.0f} MB"


def words(error: str) -> str:
    for pattern, text in WORDS:
        if re.search(pattern, error, re.IGNORECASE):
            return text
    return f"answered with an error: {error[-300:]}" if error else "could not be attached"
