"""Calls to one Nomad region through python-nomad, with every failure said in our words."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import nomad
import requests
from nomad.api.base import Requester
from nomad.api.exceptions import BaseNomadException, TimeoutNomadException
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from datacenters.interface import DatacenterError, JobNotFound, JobRejected, TokenRefused, Unreachable

CONNECT_SECONDS = 3.05
# A server that has just come back refuses good tokens for some 0.4 s.
RETRIES, RETRY_PAUSE_SECONDS = 2, 0.3
# What a server heard from another one, as that of another region, begins so; what follows is that one's own answer.
HEARD = re.compile(r"^(rpc error: )+")
# Texts of a 500 that speak of the cluster's own trouble, not of what was asked.
CLUSTER_FAULT = re.compile(
    r"no path to|no (cluster )?leader|get conn|connection refused|connection reset|i/o timeout|timed? ?out|deadline"
    r"|not ready to serve|leadership|raft|session shutdown|stream closed|\bEOF\b|no servers",
    re.IGNORECASE,
)

# A text that can be none of Nomad's tokens is an error of its own there, not a refusal.
NO_TOKEN = re.compile(r"failed to parse signed token")


class Connection:
    """One cluster, region and token. ``send`` is python-nomad's own requester of an endpoint."""

    def __init__(
        self,
        address: str,
        *,
        token: str,
        region: str,
        verify: bool | str,
        timeout: float,
        certificate: tuple[str, str] | None = None,
    ) -> None:
        self.address, self.region, self.timeout = address.rstrip("/"), region, timeout
        self._elsewhere = partial(
            Connection, address, token=token, verify=verify, certificate=certificate, timeout=timeout
        )
        self.has_token = bool(token)
        self.nomad = nomad.Nomad(
            address=self.address,
            token=token or None,
            region=region or None,
            namespace="default",
            verify=verify,
            timeout=timeout,
            cert=certificate or (),
            session=_session(),
        )
        self._settled = False  # it has answered well since it was last out of reach

    def of_any_region(self) -> "Connection":
        """The same, without a region: the agent's own answers, also where ours is unknown there."""
        return self._elsewhere(region="")

    def json(
        self,
        endpoint: Requester,
        *path: str,
        method: str = "get",
        body: object = None,
        timeout: float | None = None,
        refusal: str = "",
        **query: Any,
    ) -> Any:
        """A call's answer. ``refusal`` opens the sentence of JobRejected where the cluster may refuse for good."""
        waits = (CONNECT_SECONDS, timeout or self.timeout)
        call = partial(endpoint.request, *path, method=method, json=body, params=query, timeout=waits)
        return self._json(self._send(call, refusal))

    def newer(self, endpoint: Requester, index: int, *, wait: int, **query: Any) -> tuple[Any, int]:
        """A list when it is newer than ``index``, or after ``wait`` seconds as it is; and its index."""
        # Nomad waits up to a sixteenth longer, so that not all ask again at once.
        waits = (CONNECT_SECONDS, wait * 17 / 16 + self.timeout)
        query |= {"index": str(max(index, 1)), "wait": f"{wait}s"}
        response = self._send(partial(endpoint.request, method="get", params=query, timeout=waits))
        try:
            return self._json(response), int(response.headers["X-Nomad-Index"])
        except (KeyError, ValueError) as error:
            raise Unreachable(f"{self._name} does not say how new its answer is.") from error

    def _json(self, response: requests.Response) -> Any:
        try:
            return response.json() if response.content else None
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"{self._name} answered something that is no JSON.") from error

    def content(self, endpoint: Requester, *path: str, **query: Any) -> bytes:
        waits = (CONNECT_SECONDS, self.timeout)
        return self._send(partial(endpoint.request, *path, method="get", params=query, timeout=waits)).content

    @contextmanager
    def stream(self, endpoint: Requester, *path: str, silence: float, **query: Any) -> Iterator[Iterator[bytes]]:
        """Bytes as they come; no byte for ``silence`` seconds is Unreachable."""
        plain = {"Accept-Encoding": "identity"}
        waits = (CONNECT_SECONDS, silence)
        call = partial(endpoint.request, *path, method="get", params=query, timeout=waits, stream=True, headers=plain)
        with closing(self._send(call)) as response:
            yield self._bytes(response)

    def _bytes(self, response: requests.Response) -> Iterator[bytes]:
        # iter_content waits until its block is full, which keeps the newest event back; read1 does not.
        try:
            while piece := response.raw.read1(65_536):
                yield piece
        except (OSError, HTTPError) as error:
            self._settled = False
            raise Unreachable(f"{self._name} broke off.") from error

    def _send(self, call: Callable[[], requests.Response], refusal: str = "") -> requests.Response:
        for retries_left in reversed(range(RETRIES + 1)):
            try:
                return self._settle(call)
            except (BaseNomadException, TimeoutNomadException) as error:
                fresh = not self._settled and _status(error) in (403, 500)
                if not fresh or not retries_left:
                    raise self._words(error, refusal) from error
            time.sleep(RETRY_PAUSE_SECONDS)
        raise AssertionError  # the last try returns or raises

    def _settle(self, call: Callable[[], requests.Response]) -> requests.Response:
        try:
            response = call()
        except (BaseNomadException, TimeoutNomadException) as error:
            if _status(error) is None:
                self._settled = False
            elif _status(error) in (400, 404, 409):
                self._settled = True
            raise
        if response.is_redirect:
            raise Unreachable(f"{self._name} sends elsewhere; its address must be that of Nomad itself.")
        self._settled = True
        return response

    def _words(self, error: Exception, refusal: str) -> DatacenterError:
        response = getattr(error, "nomad_resp", error)
        if not isinstance(response, requests.Response):
            return Unreachable(f"{self._name} {_trouble(response)}.")
        # The body of a conflict holds the variable's values.
        said = "" if response.status_code == 409 else _said(response.text)
        if response.status_code == 403 or NO_TOKEN.search(said):
            return TokenRefused(f"{self._name} refuses Serai's token ({said}). Its administrator must check the token.")
        if response.status_code == 404 and not CLUSTER_FAULT.search(said):
            return JobNotFound(f"{self._name} does not know this: {said or 'not found'}.")
        if refusal and response.status_code in (400, 413, 500) and not CLUSTER_FAULT.search(said):
            return JobRejected(f"{refusal}: {said}.")
        return Unreachable(f"{self._name} could not answer: {said or 'no text'} (status {response.status_code}).")

    @property
    def _name(self) -> str:
        return f"The cluster at {self.address}"


def _session() -> requests.Session:
    session = requests.Session()
    # Proxies and .netrc of this machine are not meant for clusters, nor is a redirect meant for our token.
    session.trust_env = False
    session.max_redirects = 0
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=32))
    return session


def _status(error: Exception) -> int | None:
    response = getattr(error, "nomad_resp", None)
    return response.status_code if isinstance(response, requests.Response) else None


def _trouble(error: object) -> str:
    """Which trouble on the way; no text of the libraries, since that holds whole addresses."""
    while isinstance(error, TimeoutNomadException) and error.args:
        error = error.args[0]
    if isinstance(error, requests.exceptions.SSLError):
        return "shows a certificate that cannot be trusted"
    if isinstance(error, requests.exceptions.Timeout):
        return "did not answer in time"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "cannot be reached"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return "has an address that is none"
    return "broke off"


def _said(text: str) -> str:
    """Nomad's error text in one line; several faults come as a list with stars."""
    faults = [line.strip(" \t*") for line in text.splitlines() if line.strip().startswith("*")]
    line = "; ".join(faults) or HEARD.sub("", " ".join(text.split()))
    return line[:500].rstrip(".")


def lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines of a stream of bytes."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


def documents(pieces: Iterator[bytes]) -> Iterator[Any]:
    """JSON objects of a stream, with or without line breaks between them."""
    decoder, rest = json.JSONDecoder(), ""
    for piece in pieces:
        rest = (rest + piece.decode("utf-8", "replace")).lstrip()
        while rest:
            try:
                document, end = decoder.raw_decode(rest)
            except ValueError:
                break  # its end is still to come
            rest = rest[end:].lstrip()
            yield document
