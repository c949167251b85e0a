"""What a run kept in MLflow: listed, read and handed on, always by the account of the run's project."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import Project
from jobs.tracking.client import TIMEOUT, Login, TrackingRefused, TrackingUnavailable, call, client, refusal
from jobs.tracking.runs import login

BLOCK = 64 * 1024


@dataclass(frozen=True)
class RunFile:
    """A file or folder among those of a run."""

    path: str
    is_folder: bool
    size_bytes: int | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def files_of(project: Project, run_id: str, folder: str = "") -> list[RunFile]:
    """What lies in one folder, folders first; nothing where there is no such folder."""
    if not is_within(folder):
        return []
    where = {"path": folder} if folder else {}
    found = call(login(project), "GET", "2.0/mlflow/artifacts/list", run_id=run_id, **where)
    files = [_file(words) for words in found.get("files", [])]
    return sorted(files, key=lambda file: (not file.is_folder, file.path))


def is_within(path: str) -> bool:
    """Whether a path can name something below a run's folder; MLflow refuses others with an error."""
    return path.isprintable() and not path.startswith("/") and not {"..", "."} & set(path.split("/"))


def file_at(project: Project, run_id: str, path: str) -> RunFile | None:
    """The file at this path; None where there is none, or a folder."""
    folder = path.rpartition("/")[0]
    inside = files_of(project, run_id, folder)
    return next((file for file in inside if file.path == path and not file.is_folder), None)


def beginning(project: Project, run_id: str, path: str, most: int) -> bytes:
    """The first bytes of a file, at most so many."""
    who, content = login(project), bytearray()
    try:
        with client().stream("GET", _address(), params=_named(run_id, path), auth=_basic(who)) as answer:
            if not answer.is_success:
                answer.read()
                raise refusal(answer)
            for block in answer.iter_bytes(BLOCK):
                content += block
                if len(content) >= most:
                    break
    except httpx.HTTPError as error:
        raise TrackingUnavailable(_("MLflow does not answer.")) from error
    return bytes(content[:most])


async def stream(who: Login, run_id: str, path: str) -> AsyncGenerator[bytes, None]:
    """A file piece by piece. When MLflow fails on the way the answer breaks off, so that nobody takes it for whole."""
    async with (
        httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as asking,
        asking.stream("GET", _address(), params=_named(run_id, path), auth=_basic(who)) as answer,
    ):
        if not answer.is_success:
            raise TrackingRefused(str(answer.status_code), _("MLflow does not give this file."))
        async for block in answer.aiter_bytes(BLOCK):
            yield block


def _file(words: dict[str, object]) -> RunFile:
    size = words.get("file_size")
    return RunFile(str(words["path"]), bool(words.get("is_dir")), int(str(size)) if size is not None else None)


def _address() -> str:
    return f"{settings.MLFLOW_URL}/get-artifact"


def _named(run_id: str, path: str) -> dict[str, str]:
    return {"run_id": run_id, "path": path}


def _basic(who: Login) -> tuple[str, str]:
    return who.username, who.password
