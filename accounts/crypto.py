"""Text that is encrypted at rest (Fernet: AES-128-CBC with HMAC-SHA256)."""

from functools import cache

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import models


class SecretUnreadable(Exception):
    """A stored secret does not open with today's key; the key was changed or lost."""


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """A text that the database holds only encrypted; never shown in forms or the admin."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{**kwargs, "editable": False})  # type: ignore[arg-type]

    def get_prep_value(self, value: object) -> str | None:
        return None if value is None else encrypt(str(value))

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        return None if value is None else decrypt(value)


def encrypt(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken:
        raise SecretUnreadable(
            "A stored secret does not open with this key: give back the former SERAI_SECRET_KEY or secret.key, "
            "or enter the secret again."
        ) from None


@cache
def _fernet() -> Fernet:
    return Fernet(settings.FIELD_KEY.encode())
