"""Files of runs, as pages show them and hand them on."""

from dataclasses import dataclass
from mimetypes import guess_type
from urllib.parse import quote

from django.http import StreamingHttpResponse

from dashboard.use.results import Result, result_of
from jobs.deepaas.client import Answer
from jobs.tracking import ProjectRun, files
from jobs.tracking.files import RunFile
from jobs.tracking.runs import login

SHOWN_BYTES = 1_000_000  # of a preview; a download is whole
TEXT_ENDINGS = (".md", ".log", ".py", ".toml", ".ini", ".cfg", ".sh", ".rst", ".txt", ".yml", ".yaml", "MLmodel")
# Pictures that no browser runs anything of, however they are opened.
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@dataclass(frozen=True)
class Preview:
    file: RunFile
    result: Result | None  # None: nothing to be shown of it
    cut: bool = False


def preview(item: ProjectRun, file: RunFile) -> Preview:
    """The beginning of a file, if it is of a kind that can be shown safely."""
    media_type = _media_type(file.name)
    if not media_type:
        return Preview(file, None)
    content = files.beginning(item.project, item.run.id, file.path, SHOWN_BYTES + 1)
    cut = len(content) > SHOWN_BYTES
    # Half a picture is none, and half a document no JSON: of a text the beginning is worth something.
    if cut and not media_type.startswith("text/"):
        return Preview(file, None, cut=True)
    return Preview(file, result_of(Answer(media_type, content[:SHOWN_BYTES])), cut)


def download(item: ProjectRun, file: RunFile) -> StreamingHttpResponse:
    """The whole file, to be kept: never a page of ours, whatever is in it."""
    pieces = files.stream(login(item.project), item.run.id, file.path)
    response = StreamingHttpResponse(pieces, content_type="application/octet-stream")
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    response["Content-Security-Policy"] = "sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    if file.size_bytes is not None:
        response["Content-Length"] = str(file.size_bytes)
    return response


def _media_type(name: str) -> str:
    """As which kind a file of this name may be shown; nothing for one that is only handed on."""
    if name.endswith(TEXT_ENDINGS):
        return "text/plain"
    kind = guess_type(name)[0] or ""
    return kind if kind in IMAGES or kind in ("text/csv", "text/plain", "application/json") else ""
