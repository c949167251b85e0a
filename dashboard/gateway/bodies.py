"""How much may be sent to Serai's own pages: Django writes a whole body to disk before anyone asks who sends it."""

from django.conf import settings
from django.utils.translation import gettext as _

from .answers import Message, Receive, Scope
from .headers import value_of

MB = 1_000_000
# A form's own fields, and files a little over their limit, which get their sentence at the field.
BESIDE_THE_FILE_MB = 100


def body_limit() -> int:
    return (settings.UPLOAD_LIMIT_MB + BESIDE_THE_FILE_MB) * MB


def declares_too_much(scope: Scope) -> bool:
    length = value_of(scope["headers"], b"content-length") or "0"
    return length.isdecimal() and int(length) > body_limit()


def too_much() -> str:
    return _("This is larger than %(limit)d MB. Send it through the endpoint's own address.") % {
        "limit": settings.UPLOAD_LIMIT_MB
    }


def limited(receive: Receive, limit: int) -> Receive:
    """A body in chunks does not say how long it will be: past the limit it counts as broken off."""
    count = 0

    async def counted() -> Message:
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        return {"type": "http.disconnect"} if count > limit else message

    return counted
