"""Calls to a running module, by its own document; what goes wrong comes back in words."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

import httpx
from django.utils.translation import gettext as _

from datacenters.interface import Endpoint

from .document import Argument, Location, Operation, Type

DOCUMENT_PATHS = ("/swagger.json", "/openapi.json")  # DEEPaaS 1 and 2, and what comes after
DOCUMENT_LIMIT = 5_000_000  # bytes
ANSWER_LIMIT = 64_000_000  # bytes
CONNECT_SECONDS = 5.0
ASK_SECONDS = 5.0
TRANSFER_SECONDS = 60.0  # for the bytes of a prediction's files and answer, beside the waiting
# Longer values go into the body: servers refuse request lines of more than 8 kB.
QUERY_LIMIT = 2_000  # characters


class ModuleError(Exception):
    """A module did not do what it was asked. ``sentence`` says what, ``advice`` what would help."""

    def __init__(self, sentence: str, advice: str = "") -> None:
        super().__init__(sentence)
        self.sentence, self.advice = sentence, advice


class OutOfReach(ModuleError):
    """Nothing listens at its address."""


class Silent(ModuleError):
    """It was asked and did not answer in time: busy, or stuck."""


class InvalidArguments(ModuleError):
    """It refused values; ``fields`` has its words for each argument."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        listed = "; ".join(f"{name}: {text}" for name, text in fields.items())
        super().__init__(_("The module refused: %(listed)s") % {"listed": listed})
        self.fields = fields


class NotOffered(ModuleError):
    """It does not offer this operation."""


class TooLarge(ModuleError):
    """The upload, or the answer, is more than one side takes."""


class ModuleFailed(ModuleError):
    """It broke while it worked."""


@dataclass(frozen=True)
class Upload:
    """A file to send, read piece by piece."""

    name: str
    content: IO[bytes]
    media_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Answer:
    media_type: str
    content: bytes
    seconds: float = 0.0

    def json(self) -> Any:
        """The content as JSON; NaN, which DEEPaaS lets through, is taken too. ValueError if it is none."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Call:
    """An operation's arguments, each where the module wants it."""

    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, list[str]] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None  # sent as JSON


def predict(
    endpoint: Endpoint,
    operation: Operation,
    values: Mapping[str, Any],
    files: Mapping[str, Upload] | None = None,
    *,
    time_out: float,
) -> Answer:
    """Call ``predict`` and wait for its answer for so many seconds; raises ModuleError."""
    call, uploads = arrange(operation, values), files or {}
    started = time.monotonic()
    with _client(endpoint, time_out) as client:
        request = client.build_request(
            "POST",
            operation.path,
            params=list(call.query),
            headers=[(name.encode(), text.encode()) for name, text in call.headers.items()],
            data={**call.form} or None,
            json=None if uploads else call.body,
            files=[(name, (file.name, file.content, file.media_type)) for name, file in uploads.items()] or None,
        )
        status, media_type, content = _exchange(client, request, ANSWER_LIMIT)
    _raise_for(status, content)
    return Answer(media_type, content, time.monotonic() - started)


def arrange(operation: Operation, values: Mapping[str, Any]) -> Call:
    """Which values go where: as the document says, but secrets and long texts never into an address."""
    query: list[tuple[str, str]] = []
    headers: dict[str, str] = {"Accept": "*/*"}
    form: dict[str, list[str]] = {}
    body: dict[str, Any] = {}
    for argument in operation.arguments:
        if argument.name not in values or argument.type is Type.FILE:
            continue
        value = values[argument.name]
        texts = _texts(value)
        if argument.is_accept:
            # Some versions read the header and some the query, whatever they say of themselves.
            headers["Accept"] = texts[0]
            query.append((argument.name, texts[0]))
        elif argument.location is Location.HEADER:
            headers[argument.name] = " ".join(texts[0].split())
        elif argument.type is Type.OBJECT or argument.location is Location.JSON:
            body[argument.name] = value
        elif argument.location is Location.QUERY and not _to_hide(argument, texts):
            query += [(argument.name, text) for text in texts]
        else:
            form[argument.name] = texts
    return _in_one_body(Call(tuple(query), headers, form, body or None), operation, values)


def fetch_document(endpoint: Endpoint) -> dict[str, Any]:
    """The module's own OpenAPI document; raises ModuleError."""
    with _client(endpoint, ASK_SECONDS) as client:
        for path in DOCUMENT_PATHS:
            status, _media_type, content = _exchange(client, client.build_request("GET", path), DOCUMENT_LIMIT)
            document = _loaded(content) if status == httpx.codes.OK else None
            if isinstance(document, dict) and "paths" in document:
                return document
    raise ModuleError(_("It describes no API of a module."), _("Its log may say why."))


def probe(endpoint: Endpoint, operation: Operation | None = None, *, time_out: float = ASK_SECONDS) -> None:
    """Ask for a sign of life that costs nothing; raises Silent or OutOfReach if there is none.

    An operation that needs input is called without any: it must refuse at once. One that needs none would compute
    something for real, so that only its document is asked for. DEEPaaS refuses before it hands work to its worker:
    a stuck worker is found only by a prediction that does not come back (``jobs.deepaas.services.note_silence``).
    """
    with _client(endpoint, time_out) as client:
        if operation is not None and operation.needs_input:
            request = client.build_request("POST", operation.path, headers={"Accept": "*/*"})
        else:
            request = client.build_request("GET", DOCUMENT_PATHS[0])
        _exchange(client, request, DOCUMENT_LIMIT)


def is_training(endpoint: Endpoint, operation: Operation) -> bool:
    """Whether the module says that a training runs in it, which may hold up its predictions."""
    with _client(endpoint, ASK_SECONDS) as client:
        status, _media_type, content = _exchange(client, client.build_request("GET", operation.path), DOCUMENT_LIMIT)
    trainings = _loaded(content) if status == httpx.codes.OK else None
    if isinstance(trainings, dict):
        trainings = trainings.get("trainings")
    rows = trainings if isinstance(trainings, list) else []
    return any(isinstance(row, dict) and row.get("status") == "running" for row in rows)


# ── Sending ──────────────────────────────────────────────────────────────────────────────────────
def _client(endpoint: Endpoint, time_out: float) -> httpx.Client:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return httpx.Client(
        base_url=f"http://{host}:{endpoint.port}",
        timeout=httpx.Timeout(time_out, connect=CONNECT_SECONDS),
        trust_env=False,  # a proxy of the environment has no business here
        follow_redirects=False,
    )


class _Patience:
    """Ends an exchange after so many seconds in all: time-outs begin anew with each byte that comes."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Patience":
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore tells of each step of an exchange; this one brings the socket."""
        if event == "connection.connect_tcp.complete":
            self._socket = info["return_value"].get_extra_info("socket")

    def _end(self) -> None:
        self.over = True
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _exchange(client: httpx.Client, request: httpx.Request, limit: int) -> tuple[int, str, bytes]:
    transfer = TRANSFER_SECONDS if limit == ANSWER_LIMIT else ASK_SECONDS
    with _Patience((client.timeout.read or ASK_SECONDS) + transfer) as patience:
        request.extensions["trace"] = patience.watch
        try:
            return _exchanged(client, request, limit)
        except ModuleFailed:
            if patience.over:
                raise _silent(client) from None
            raise


def _silent(client: httpx.Client) -> Silent:
    waited = round(client.timeout.read or ASK_SECONDS)
    sentence = _("It did not answer in %(seconds)d s: it may be stuck.") % {"seconds": waited}
    return Silent(sentence, _("Restart it. If it only needs longer, call it through its API."))


def _exchanged(client: httpx.Client, request: httpx.Request, limit: int) -> tuple[int, str, bytes]:
    try:
        response = client.send(request, stream=True)
        try:
            content = _read(response.iter_bytes(), limit)
        finally:
            response.close()
    except httpx.ConnectError as error:
        raise OutOfReach(_("Nothing listens at its port."), _("It may still be starting, or has crashed.")) from error
    except httpx.TimeoutException as error:
        raise _silent(client) from error
    except httpx.HTTPError as error:
        raise ModuleFailed(_("It broke off before it answered."), _("Its log may say why.")) from error
    return response.status_code, response.headers.get("content-type", "").partition(";")[0].strip(), content


def _read(chunks: Iterator[bytes], limit: int) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > limit:
            sentence = _("Its answer is larger than %(limit)d MB.") % {"limit": limit // 1_000_000}
            raise TooLarge(sentence, _("Call it through its API, where answers of any size pass."))
    return bytes(content)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return [item if isinstance(item, str) else json.dumps(item) for item in values]


def _to_hide(argument: Argument, texts: list[str]) -> bool:
    return argument.secret or sum(map(len, texts)) > QUERY_LIMIT


def _in_one_body(call: Call, operation: Operation, values: Mapping[str, Any]) -> Call:
    """A request has one body: JSON if a value needs it and no file does, else a form."""
    if call.body is None:
        return call
    if operation.files:
        as_texts = {name: [json.dumps(value)] for name, value in call.body.items()}
        return Call(call.query, call.headers, {**call.form, **as_texts}, None)
    typed = {name: values[name] for name in call.form}
    return Call(call.query, call.headers, {}, {**call.body, **typed})


# ── Errors ───────────────────────────────────────────────────────────────────────────────────────
def _raise_for(status: int, content: bytes) -> None:
    if status < httpx.codes.BAD_REQUEST:
        if status >= httpx.codes.MULTIPLE_CHOICES:
            raise ModuleError(_("It sent us elsewhere instead of answering."))
        return
    told = _loaded(content)
    if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY) and (fields := _refused(told)):
        raise InvalidArguments(fields)
    if status in (402, 404, 405, 501):
        raise NotOffered(_("This module does not offer that."), _("Its documentation says what it does."))
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        raise TooLarge(_("The module does not take that much data."), _("Send a smaller file."))
    raise ModuleFailed(_failure(status, told), _("Its log says more."))


def _failure(status: int, told: Any) -> str:
    message = told.get("message") or told.get("detail") if isinstance(told, dict) else None
    if isinstance(message, str) and message:
        return _("The module failed: %(message)s") % {"message": message}
    return _("The module failed and does not say why (status %(status)d).") % {"status": status}


def _refused(told: Any) -> dict[str, str]:
    """Sentences by argument: ``{"x": ["…"]}`` of DEEPaaS 1 and 2, ``{"detail": [{"loc", "msg"}]}`` after it."""
    if not isinstance(told, dict):
        return {}
    detail = told.get("detail")
    if isinstance(detail, list):
        return {str(_last(item.get("loc"))): str(item.get("msg")) for item in detail if isinstance(item, dict)}
    return {str(name): _flat(texts) for name, texts in told.items() if isinstance(texts, list | dict)}


def _last(steps: Any) -> Any:
    return steps[-1] if isinstance(steps, list) and steps else ""


def _flat(texts: Any) -> str:
    """``{"0": ["Not a valid number."]}`` tells of single items of a list."""
    if isinstance(texts, dict):
        return " ".join(f"({name}) {_flat(text)}" for name, text in texts.items())
    return " ".join(_flat(text) for text in texts) if isinstance(texts, list) else str(texts)


def _loaded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
