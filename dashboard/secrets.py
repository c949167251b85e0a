"""The one key that encrypts secrets at rest, and keys derived from it for each use."""

import base64
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.core.exceptions import ImproperlyConfigured

MINIMUM_LENGTH = 32


def load_key(data: Path, *, production: bool) -> str:
    """``SERAI_SECRET_KEY``, else ``$SERAI_DATA/secret.key``, which is made (0600) at the first start."""
    key = os.environ.get("SERAI_SECRET_KEY", "").strip()
    if key:
        return _checked(key, "SERAI_SECRET_KEY")
    file = data / "secret.key"
    if production:
        raise ImproperlyConfigured(
            "SERAI_PRODUCTION wants the key in SERAI_SECRET_KEY: a key kept beside the database protects nothing."
        )
    if not file.exists():
        _write_once(file, secrets.token_urlsafe(48))
    return _checked(file.read_text().strip(), str(file))


def derive(key: str, purpose: str) -> str:
    """A key for one purpose, by HKDF-SHA256 (RFC 5869), as URL-safe base64 of 32 bytes."""
    derived = HKDF(SHA256(), length=32, salt=b"serai", info=purpose.encode()).derive(key.encode())
    return base64.urlsafe_b64encode(derived).decode()


def _checked(key: str, source: str) -> str:
    if len(key) < MINIMUM_LENGTH:
        raise ImproperlyConfigured(f"{source} is too short: it takes at least {MINIMUM_LENGTH} characters.")
    return key


def _write_once(file: Path, value: str) -> None:
    # Several processes start at once: the first link wins, and a half-written key is never read.
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(value + "\n")
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
