"""Requests to a provider: only where it may be, for a limited time, of a limited size."""

import time
from typing import Any
from urllib.parse import urlsplit

import requests

from accounts.network import Forbidden, public_target

from .config import Identity

CONNECT_SECONDS, READ_SECONDS, WHOLE_SECONDS = 5, 10, 20
LARGEST_BYTES = 1_000_000


class Refused(requests.RequestException):
    """It is not asked there, or its answer is no use; the text is for the log."""


class ProviderSession(requests.Session):
    """As requests' own, but it follows nothing and gives up in time."""

    def __init__(self, identity: Identity) -> None:
        super().__init__()
        self.identity = identity

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """Called by all others, as ``get``."""
        check_place(self.identity, str(url))
        began = time.monotonic()
        options |= {"timeout": (CONNECT_SECONDS, READ_SECONDS), "allow_redirects": False, "stream": True}
        response = super().request(method, url, *args, **options)
        _read(response, began)
        return response


def check_place(identity: Identity, url: str) -> None:
    """Raises Refused. The issuer's host is the operator's choice; others that it names must be public ones."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and identity.is_plain_http):
        raise Refused(f"{url} is not https://")
    if parts.hostname == identity.host:
        return
    try:
        public_target(url)
    except Forbidden as error:
        raise Refused(str(error)) from None


def _read(response: requests.Response, began: float) -> None:
    body = bytearray()
    for piece in response.iter_content(65_536):
        body += piece
        if len(body) > LARGEST_BYTES or time.monotonic() - began > WHOLE_SECONDS:
            response.close()
            raise Refused("the answer is too large, or comes too slowly")
    response._content = bytes(body)  # as requests itself does after reading without stream
