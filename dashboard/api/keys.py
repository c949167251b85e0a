"""``Idempotency-Key``: the header by which a request that is sent again makes nothing twice."""

from django.http import HttpRequest

KEY_LENGTH = 200


class KeyTooLong(Exception):
    """Longer than a key may be."""


def idempotency_key(request: HttpRequest) -> str:
    """The key of this request; empty if it has none."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > KEY_LENGTH:
        raise KeyTooLong
    return key
