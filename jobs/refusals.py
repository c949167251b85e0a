"""Why a request was not taken, for forms, problem documents and people."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one value: its JSON pointer in ``POST deployments`` (``#`` for the whole) and a sentence."""

    pointer: str
    detail: str


class RequestRefused(Exception):
    """This request can never be met as it is."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__(" ".join(error.detail for error in errors))
        self.errors = errors


class QuotaExceeded(Exception):
    """There is no room left in somebody's share; the text says whose, of what, and what would help."""


class IdempotencyConflict(Exception):
    """This key was used for another request."""


class NotPossibleNow(Exception):
    """The deployment's state does not allow this; the text says what does."""
