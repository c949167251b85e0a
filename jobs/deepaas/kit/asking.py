"""Asking a module over HTTP, with patience that ends."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.utils.translation import gettext as _

from jobs.deepaas.document import JSON, Location, Operation, Type

from .report import NotKept, Silent
from .samples import Sample

PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    seconds: float

    @property
    def ok(self) -> bool:
        return self.status == httpx.codes.OK

    def json(self) -> Any:
        """Its value, if it is JSON as every language reads it: NaN and Infinity are not."""
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except ValueError as error:
            told = {"error": error, "start": self.start}
            raise NotKept(_("The answer is no JSON: %(error)s. It starts with: %(start)s") % told) from None

    @property
    def start(self) -> str:
        """The first words of the answer, for a sentence."""
        return " ".join(self.body[:200].decode(errors="replace").split())


class Caller:
    """One module at one address."""

    def __init__(self, address: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        parts = urlsplit(address.rstrip("/"))
        self._origin, self._base = f"{parts.scheme}://{parts.netloc}", parts.path
        self._patience = patience_seconds
        # Never by a proxy of this machine: the address is the module's own.
        self._client = httpx.Client(timeout=patience_seconds, trust_env=False, follow_redirects=True)

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        begun = time.monotonic()
        # The document of a service below a base path has that path in all of its own.
        base = "" if path.startswith(f"{self._base}/") else self._base
        try:
            answer = self._client.request(method, self._origin + base + path, **more)
        except httpx.TimeoutException:
            told = {"method": method, "path": path, "seconds": self._patience}
            raise Silent(_("%(method)s %(path)s got no answer within %(seconds)d seconds.") % told) from None
        except httpx.TransportError as error:
            told = {"method": method, "path": path, "error": error or type(error).__name__}
            raise Silent(_("%(method)s %(path)s found nobody: %(error)s.") % told) from None
        content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return Answer(answer.status_code, content_type, answer.content, time.monotonic() - begun)

    def call(self, operation: Operation, sample: Sample, accept: str = "") -> Answer:
        """``predict`` or ``train`` with a sample, each argument where the document wants it."""
        accept = accept or str(sample.arguments.get("accept", "") or JSON)
        places: dict[Location, dict[str, Any]] = {place: {} for place in Location}
        for name, value in sample.arguments.items():
            argument = operation.argument(name)
            if argument is not None and not argument.is_accept:
                as_text = argument.type is Type.OBJECT and argument.location is not Location.JSON
                places[argument.location][name] = json.dumps(value) if as_text else value
        if operation.accept is not None and operation.accept.location is Location.QUERY:
            places[Location.QUERY][operation.accept.name] = accept
        headers = {name: str(value) for name, value in places[Location.HEADER].items()} | {"Accept": accept}
        return self.ask("POST", operation.path, params=places[Location.QUERY], headers=headers, **_body(places, sample))


def _body(places: Mapping[Location, dict[str, Any]], sample: Sample) -> dict[str, Any]:
    if sample.files:
        return {"files": {n: (n, content) for n, content in sample.files.items()}, "data": places[Location.FORM]}
    if places[Location.JSON]:
        return {"json": places[Location.JSON]}
    return {"data": places[Location.FORM]} if places[Location.FORM] else {}


def _refuse_constant(constant: str) -> Any:
    raise ValueError(constant)
