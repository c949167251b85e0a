"""Running rclone: an argument list, an environment of its own, a limit of time. No shell, no configuration file."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from threading import Timer
from types import MappingProxyType
from typing import IO

from django.utils.translation import gettext as _

from .failures import (
    AddressRefused,
    NotAllowed,
    StorageFailed,
    StorageFull,
    StorageProblem,
    StorageUnreachable,
    WrongCredentials,
    already_there,
    not_there,
    unreachable,
)
from .guard import guard
from .remote import NAME, Remote, environment

# Older ones go past our guard (--http-proxy) and do not keep a server's key (host_keys).
LEAST_VERSION = (1, 75)
QUICK_SECONDS = 45
# Whatever else the process has set stays outside; how certificates are checked is the machine's business.
KEPT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR", "LANG", "TZ")
SETTINGS = {
    "PATH": os.defpath,
    "HOME": "/nonexistent",
    "RCLONE_CONFIG": "/dev/null",
    "RCLONE_ASK_PASSWORD": "false",
    "RCLONE_USE_JSON_LOG": "true",
    "RCLONE_LOG_LEVEL": "ERROR",
    "RCLONE_CONTIMEOUT": "10s",
    "RCLONE_TIMEOUT": "60s",
    "RCLONE_RETRIES": "1",
    "RCLONE_LOW_LEVEL_RETRIES": "2",
    "RCLONE_BUFFER_SIZE": "1M",
    "RCLONE_USE_SERVER_MODTIME": "true",  # of S3 it would else ask for each file by itself
    "GOMEMLIMIT": "96MiB",
    "GOGC": "50",
}
DIRECTORY_NOT_FOUND, FILE_NOT_FOUND = 3, 4


class NoRclone(StorageProblem):
    """The program is missing; nothing here can work."""


@dataclass(frozen=True)
class Output:
    data: bytes
    complete: bool = True


@cache
def rclone_path() -> str:
    """The environment's own program first; another one only if it is new enough. Raises NoRclone."""
    own = Path(sys.executable).with_name("rclone")
    if os.access(own, os.X_OK):
        return str(own)
    found = shutil.which("rclone")
    if found and _version_of(found) >= LEAST_VERSION:
        return found
    raise NoRclone(_("rclone is missing on Serai's server. An operator must install Serai's packages again."))


def _version_of(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=False, timeout=QUICK_SECONDS)
    numbers = re.match(r"rclone v(\d+)\.(\d+)", said.stdout)
    return tuple(map(int, numbers.groups())) if numbers else ()


@lru_cache(maxsize=1024)
def obscured(plain: str) -> str:
    """A password as rclone takes it. It can be turned back by anyone: no protection, a format."""
    done = subprocess.run(
        [rclone_path(), "obscure", "-"],
        input=plain,
        env=SETTINGS,
        capture_output=True,
        text=True,
        check=True,
        timeout=QUICK_SECONDS,
    )
    return done.stdout.strip()


def surroundings(remotes: Mapping[str, Remote]) -> dict[str, str]:
    """The whole environment of one call over these remotes, by the name that its arguments give each."""
    found = SETTINGS | {name: os.environ[name] for name in KEPT if name in os.environ}
    for name, remote in remotes.items():
        found |= environment(remote, name)
        if not remote.is_ours:
            found |= _guarded(remote, name)
    return found


def _guarded(remote: Remote, name: str) -> dict[str, str]:
    if remote.kind == "sftp":
        return {f"RCLONE_CONFIG_{name}_SOCKS_PROXY": guard().login}
    return {"RCLONE_HTTP_PROXY": f"socks5://{guard().login}"}


def run(
    arguments: Sequence[str],
    remotes: Remote | Mapping[str, Remote],
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    seconds: float = QUICK_SECONDS,
    most_bytes: int | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Output:
    """What it says; of more than ``most_bytes`` the beginning. ``more`` is environment. Raises StorageProblem."""
    named = {NAME: remotes} if isinstance(remotes, Remote) else remotes
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [rclone_path(), *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**surroundings(named), **more},
            cwd="/",
        )
        in_time, output = _read(process, seconds, most_bytes)
        if not in_time:
            raise unreachable()
        if output.complete and process.returncode:
            errors.seek(0)
            raise failure(process.returncode, errors.read(100_000).decode(errors="replace"))
    return output


def _read(process: "subprocess.Popen[bytes]", seconds: float, most_bytes: int | None) -> tuple[bool, Output]:
    """Whether it ended in time, and what it said."""
    late: list[bool] = []

    def give_up() -> None:
        late.append(True)
        process.kill()

    timer = Timer(seconds, give_up)
    timer.start()
    try:
        with process:
            stdout = process.stdout
            data = stdout.read(-1 if most_bytes is None else most_bytes) if stdout else b""
            complete = most_bytes is None or len(data) < most_bytes
            if not complete:
                process.kill()
    finally:
        timer.cancel()
    return not late, Output(data, complete)


def failure(code: int, said: str) -> StorageProblem:
    """Our word for what rclone said."""
    if code in (DIRECTORY_NOT_FOUND, FILE_NOT_FOUND):
        return not_there()
    words = " ".join(_messages(said))
    for pattern, make in WORDS:
        if pattern.search(words):
            return make()
    return StorageFailed(_("The storage answered with an error: %(what)s") % {"what": words[-300:] or code})


def _messages(said: str) -> list[str]:
    return [_message(line) for line in said.splitlines() if line.strip()]


def _message(line: str) -> str:
    try:
        return str(json.loads(line)["msg"])
    except (ValueError, KeyError, TypeError):
        return line.strip()


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# The first that fits counts.
WORDS: Sequence[tuple[re.Pattern[str], Callable[[], StorageProblem]]] = (
    (
        _pattern(r"not allowed by ruleset"),
        lambda: AddressRefused(
            _("This address lies in a private network. An operator may allow it by SERAI_TRUSTED_HOSTS.")
        ),
    ),
    (
        _pattern(r"host key|knownhosts"),
        lambda: StorageUnreachable(
            _("The server does not show the key that it had when it was linked. If it has a new one, link it again.")
        ),
    ),
    (
        _pattern(
            r"\b401\b|unauthori[sz]ed|InvalidAccessKeyId|SignatureDoesNotMatch|unable to authenticate|"
            r"no supported methods remain|InvalidArgument.*credential"
        ),
        lambda: WrongCredentials(_("The storage does not take this user name, password or key.")),
    ),
    (_pattern(r"directory not found|object not found|NoSuchBucket|NoSuchKey|\b404\b"), not_there),
    (
        _pattern(r"\b403\b|AccessDenied|forbidden|permission denied"),
        lambda: NotAllowed(_("The storage does not let this user do that.")),
    ),
    (
        _pattern(r"x509|certificate"),
        lambda: StorageUnreachable(_("The storage's certificate is not one that Serai's server trusts.")),
    ),
    (
        _pattern(r"\b507\b|no space left|insufficient storage|quota|EntityTooLarge"),
        lambda: StorageFull(_("The storage has no room left.")),
    ),
    (_pattern(r"already exists|directory not empty|is a file not a directory|not a directory"), already_there),
    (
        _pattern(
            r"connection refused|connection reset|no such host|i/o timeout|timeout awaiting|unreachable|dial tcp|"
            r"deadline exceeded|broken pipe|\bEOF\b|handshake|couldn't connect|socks connect|server misbehaving|"
            r"\b50[234]\b"
        ),
        unreachable,
    ),
)
