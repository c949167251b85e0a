"""The same request again: a key that a person sends with it is kept a day, and answers what was made at first."""

import hashlib
import json
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User

from .models import Deployment, IdempotencyKey, Sweep, as_json
from .refusals import IdempotencyConflict

KEY_LASTS = timedelta(hours=24)


def earlier(user: User, key: str, digest: str) -> IdempotencyKey | None:
    """What this key made before; raises IdempotencyConflict if that was something else. No key: nothing."""
    kept = IdempotencyKey.objects.filter(user=user, key=key, created__gt=timezone.now() - KEY_LASTS)
    row = kept.select_related("deployment", "sweep").first() if key else None
    if row and row.body_digest != digest:
        raise IdempotencyConflict(_("This key was used for another request. Send a new one with a new request."))
    return row


def remember(
    user: User, key: str, digest: str, *, deployment: Deployment | None = None, sweep: Sweep | None = None
) -> None:
    """No key: nothing."""
    if key:
        made = {"deployment": deployment, "sweep": sweep, "created": timezone.now()}
        IdempotencyKey.objects.update_or_create(user=user, key=key, defaults={"body_digest": digest, **made})


def digest_of(asked: object) -> str:
    return hashlib.sha256(json.dumps(as_json(asked), sort_keys=True, default=str).encode()).hexdigest()
