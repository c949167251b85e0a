"""What pages and gateway remember by themselves."""

import json
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Self
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.crypto import SecretUnreadable, decrypt, encrypt
from accounts.models import User, digest
from jobs.models import Deployment

CODE_LASTS = timedelta(seconds=30)
PASS_LASTS = timedelta(hours=12)


class CodeRefused(Exception):
    """This hand-over code opens nothing; the text is for people."""


class EndpointPassQuerySet(models.QuerySet["EndpointPass"]):
    def valid(self) -> Self:
        """Those whose session still stands, of people who are still here."""
        now = timezone.now()
        return self.filter(expires__gt=now, session__expire_date__gt=now, user__is_active=True)

    def find(self, cookies: Sequence[str], deployment_id: UUID, label: str) -> "EndpointPass | None":
        """The pass that one of these cookies is, for this endpoint.

        There may be several of our name: a page of another endpoint can set one for the whole domain.
        """
        digests = [digest(cookie) for cookie in cookies]
        found = self.valid().select_related("user", "session").filter(digest__in=digests)
        here = found.filter(deployment_id=deployment_id, label=label)
        return next((item for item in here if item.is_of_session()), None)


class EndpointPass(models.Model):
    """Lets one browser open one endpoint of one deployment, as long as the session it came from lasts.

    Only digests are kept: of the cookie, and of the hand-over code, which is thereby spent.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="+")
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="+")
    label = models.CharField(max_length=30)
    code_digest = models.CharField(max_length=64, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(db_index=True, help_text=gettext_lazy("renewed by opening the endpoint again"))

    objects = EndpointPassQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.label} of {self.deployment_id} for {self.user}"

    def is_of_session(self) -> bool:
        """Whether the session is still this person's: a changed password ends it before its row goes."""
        known = str(self.session.get_decoded().get(HASH_SESSION_KEY, ""))
        return constant_time_compare(known, self.user.get_session_auth_hash())

    @classmethod
    def code(cls, user: User, session_key: str, deployment: Deployment, label: str) -> str:
        """A hand-over code: encrypted, good for half a minute and one use. Making one changes nothing."""
        until = timezone.now() + CODE_LASTS
        told = [secrets.token_hex(8), until.timestamp(), user.pk, session_key, str(deployment.pk), label]
        return encrypt(json.dumps(told))

    @classmethod
    def redeem(cls, code: str, deployment_id: UUID, label: str) -> str:
        """The cookie's value for this code; CodeRefused if it is spent, too old or for another endpoint."""
        user_id, session_key = _read(code, deployment_id, label)
        person = User.objects.filter(pk=user_id, is_active=True).first()
        session = Session.objects.filter(pk=session_key, expire_date__gt=timezone.now()).first()
        deployment = Deployment.objects.visible_to(person).filter(pk=deployment_id).first() if person else None
        if not (person and session and deployment):
            raise CodeRefused(_("You are signed out, or this deployment is no longer yours to open."))
        cls.objects.filter(expires__lt=timezone.now()).delete()
        return cls._issue(code, user=person, session=session, deployment=deployment, label=label)

    @classmethod
    def _issue(cls, code: str, *, user: User, session: Session, deployment: Deployment, label: str) -> str:
        plain = secrets.token_urlsafe(32)
        try:
            with transaction.atomic():
                cls.objects.create(
                    user=user,
                    session=session,
                    deployment=deployment,
                    label=label,
                    code_digest=digest(code),
                    digest=digest(plain),
                    expires=timezone.now() + PASS_LASTS,
                )
        except IntegrityError:
            raise CodeRefused(_("This code was used already.")) from None
        return plain


def _read(code: str, deployment_id: UUID, label: str) -> tuple[int, str]:
    """Whom and which session the code is for."""
    try:
        _nonce, until, user_id, session_key, for_deployment, for_label = json.loads(decrypt(code))
    except (SecretUnreadable, ValueError):
        raise CodeRefused(_("This is no code of ours.")) from None
    if until < timezone.now().timestamp():
        raise CodeRefused(_("This code is too old."))
    if (for_deployment, for_label) != (str(deployment_id), label):
        raise CodeRefused(_("This code is for another endpoint."))
    return user_id, session_key
