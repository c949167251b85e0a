"""A module on this machine: installed in an environment of its own, started, looked at, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from django.utils.translation import gettext as _

from jobs.deepaas.document import Operation, Type
from marketplace.findings import Level
from marketplace.validation import examine

from .bench import Bench, Place
from .report import NotAsked, NotKept
from .samples import Sample

UV = Path(sys.executable).with_name("uv")
INSTALL_SECONDS, START_SECONDS, STOP_SECONDS, TRAIN_SECONDS = 900, 120, 20, 180
LAST_LINES = 12
DOCUMENT = "openapi.json"
# What DEEPaaS serves instead of a module that it could not load.
TEST_MODEL = "deepaas-test"


def install(module: Path, work: Path, python: str = sys.executable) -> Place:
    """Fresh, as a datacenter does it: no file of the machine's own environment is seen."""
    environment = work / "environment"
    _uv("venv", "--quiet", "--python", python, str(environment))
    lock = module / "requirements.txt"
    constraints = ("-c", str(lock)) if lock.is_file() else ()
    _uv("pip", "install", "--quiet", "--python", str(environment / "bin" / "python"), str(module), *constraints)
    return prepare(module, work, environment)


def prepare(module: Path, work: Path, environment: Path) -> Place:
    """Folders of its own for a module that ``environment`` has already."""
    for name in ("storage", "uploads", "home"):
        (work / name).mkdir()
    programs = environment.absolute() / "bin"
    variables = {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(work / "home"),
        "LANG": "C.UTF-8",
        "SERAI_STORAGE_DIR": str(work / "storage"),
        "TMPDIR": str(work / "uploads"),
    }
    return Place(module, programs, work / "storage", work / "uploads", variables)


def _uv(*arguments: str) -> None:
    try:
        done = subprocess.run([UV, *arguments], check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotKept(_("It was not installed after %d seconds.") % INSTALL_SECONDS) from None
    if done.returncode:
        raise NotKept(_("It cannot be installed: %s") % _last_lines(done.stderr))


@dataclass
class Service:
    """A started module."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def wait(self) -> float:
        """Until its document can be read; how long that took."""
        begun = time.monotonic()
        while time.monotonic() - begun < START_SECONDS:
            if self.process.poll() is not None:
                text = _("It ended at its start with code %(code)d: %(log)s")
                raise NotKept(text % {"code": self.process.returncode, "log": self.last_words()})
            try:
                if httpx.get(f"{self.address}/swagger.json", timeout=2, trust_env=False).is_success:
                    return time.monotonic() - begun
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        told = {"seconds": START_SECONDS, "log": self.last_words()}
        raise NotKept(_("It did not answer within %(seconds)d seconds: %(log)s") % told)

    def last_words(self) -> str:
        return _last_lines(self.log.read_text(errors="replace"))

    def stop(self) -> float:
        """By the signal that DEEPaaS ends by cleanly; how long that took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise NotKept(_("It did not stop within %d seconds of SIGINT.") % STOP_SECONDS) from None
        return time.monotonic() - begun

    def kill(self) -> None:
        # Its workers, too: they are of its session.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()


@contextmanager
def started(place: Place, work: Path) -> Iterator[Service]:
    port, log = _free_port(), work / "log"
    command = [str(place.programs / "deepaas-run"), "--listen-ip", "127.0.0.1", "--listen-port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--workers", "2"],
            cwd=place.environment["HOME"],
            env=dict(place.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(process, f"http://127.0.0.1:{port}", log)
    try:
        yield service
    finally:
        service.kill()


# ── Checks that need the module's folder ─────────────────────────────────────────────────────────
def metadata_file(module: Path) -> str:
    path = module / "ai4-metadata.yml"
    if not path.is_file():
        raise NotKept(_("There is no ai4-metadata.yml, so no marketplace can list it."))
    wrong = [finding for finding in examine(path.read_bytes(), module.name).findings if finding.level is Level.ERROR]
    if wrong:
        raise NotKept(" ".join(f"{finding.field}: {finding.sentence}" for finding in wrong))
    return _("ai4-metadata.yml is valid.")


def document_file(bench: Bench) -> str:
    path = bench.here.module / DOCUMENT
    if not path.is_file():
        raise NotAsked(_("There is no openapi.json; --write-openapi writes it."))
    if json.loads(path.read_text()) != recorded(bench.document):
        raise NotKept(_("openapi.json is no longer what the service says; --write-openapi writes it anew."))
    return _("openapi.json is what the service says.")


def recorded(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without DEEPaaS's words about itself, which hold an image from elsewhere."""
    kept = {name: value for name, value in document.items() if name != "externalDocs"}
    kept["info"] = {name: value for name, value in document.get("info", {}).items() if name != "description"}
    return kept


def write_document(bench: Bench) -> Path:
    path = bench.here.module / DOCUMENT
    text = json.dumps(recorded(bench.document), indent=2, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n")
    return path


def command_line(bench: Bench) -> str:
    """Serai trains by it: a result in a file, and an exit code that can be believed."""
    output = bench.here.storage / "out.json"
    done = _deepaas_cli(bench.here, bench.train, bench.trainings[0], output)
    if done.returncode:
        told = {"code": done.returncode, "log": _last_lines(done.stderr)}
        raise NotKept(_("deepaas-cli train ended with code %(code)d: %(log)s") % told)
    written = json.loads(output.read_text()) if output.is_file() else {}
    result = written.get("result", {})
    if written.get("status") != "done" or "output" not in result:
        raise NotKept(_("deepaas-cli train wrote no result."))
    duration = str(result.get("duration"))
    return _("deepaas-cli train ended with code 0 after %s and wrote its result.") % duration


def _deepaas_cli(place: Place, operation: Operation, sample: Sample, output: Path) -> subprocess.CompletedProcess[str]:
    program = [str(place.programs / "deepaas-cli"), f"--deepaas_method_output={output}", "train"]
    try:
        return subprocess.run(
            [*program, *_options(operation, sample)],
            check=False,
            cwd=place.environment["HOME"],
            env=dict(place.environment),
            capture_output=True,
            text=True,
            timeout=TRAIN_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotKept(_("deepaas-cli train did not end within %d seconds.") % TRAIN_SECONDS) from None


def _options(operation: Operation, sample: Sample) -> Sequence[str]:
    return [
        f"--{argument.name}={sample.arguments[argument.name]}"
        for argument in operation.arguments
        if argument.type is not Type.FILE and argument.name in sample.arguments
    ]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _last_lines(text: str) -> str:
    return "\n" + "\n".join(f"    {line}" for line in text.strip().splitlines()[-LAST_LINES:])
