"""By which providers of identities a person can sign in, for their profile."""

from dataclasses import dataclass

from allauth.socialaccount.models import SocialAccount
from django.conf import settings

from accounts.models import User


@dataclass(frozen=True)
class IdentityLine:
    """One provider; ``account`` is the row that ties this person to it, 0 if none does."""

    provider: str
    name: str
    account: int = 0
    known_as: str = ""


def identities(user: User) -> list[IdentityLine]:
    """Each provider that there is, and those that an administrator has taken away since."""
    tied = {account.provider: account for account in SocialAccount.objects.filter(user=user)}
    there = [_line(one.id, one.name, tied.pop(one.issuer, None)) for one in settings.OIDC_PROVIDERS]
    return there + [_line("", issuer, account) for issuer, account in tied.items()]


def _line(provider: str, name: str, account: SocialAccount | None) -> IdentityLine:
    if account is None:
        return IdentityLine(provider, name)
    facts = account.extra_data
    known_as = facts.get("preferred_username") or facts.get("email") or facts.get("name") or account.uid
    return IdentityLine(provider, name, account.pk, str(known_as))
