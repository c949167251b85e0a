"""People, the projects they work in, their tokens, and who did what."""

import hashlib
import secrets
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Self

from django.contrib.auth.models import AbstractUser
from django.db import OperationalError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

TOKEN_PREFIX = "serai_"  # so that leak scanners recognise one
SIGNIN_CODE_LASTS = timedelta(minutes=15)


class Level(models.IntegerChoices):
    """What a person comes for; each level holds the ones below."""

    BASIC = 10, _("use modules")
    INTERMEDIATE = 20, _("retrain modules")
    ADVANCED = 30, _("develop modules")


class Capability(models.TextChoices):
    """One thing a person may do; pages and API ask for these, never for a level or a flag."""

    USE = "use", _("deploy and call modules")
    TRAIN = "train", _("train modules")
    DEVELOP = "develop", _("develop and publish modules")
    OPERATE = "operate", _("run datacenters")
    ADMINISTER = "administer", _("run the platform")


CAPABILITIES_OF_LEVEL = {
    Level.BASIC: {Capability.USE},
    Level.INTERMEDIATE: {Capability.USE, Capability.TRAIN},
    Level.ADVANCED: {Capability.USE, Capability.TRAIN, Capability.DEVELOP},
}


class User(AbstractUser):
    """A person. ``is_staff`` makes an operator and ``is_superuser`` an administrator of the platform."""

    level = models.PositiveSmallIntegerField(choices=Level, default=Level.INTERMEDIATE)
    first_name = last_name = None  # type: ignore[assignment]
    full_name = models.CharField(max_length=150, blank=True)

    def __str__(self) -> str:
        return self.full_name or self.username

    @property
    def capabilities(self) -> frozenset[Capability]:
        granted = set(CAPABILITIES_OF_LEVEL[Level(self.level)])
        if self.is_staff or self.is_superuser:
            granted |= {Capability.OPERATE}
        if self.is_superuser:
            granted |= set(Capability)
        return frozenset(granted)

    def can(self, capability: Capability) -> bool:
        return capability in self.capabilities

    @property
    def personal_project(self) -> "Project":
        return Project.objects.get(personal_of=self)

    def get_full_name(self) -> str:
        return self.full_name

    def get_short_name(self) -> str:
        return self.username


class Role(models.TextChoices):
    VIEWER = "viewer", _("viewer")
    MEMBER = "member", _("member")
    MANAGER = "manager", _("manager")


# The roles in which somebody may change things, and not only look at them.
WORKING = (Role.MEMBER, Role.MANAGER)


class ProjectQuerySet(models.QuerySet["Project"]):
    def of(self, user: User, *roles: Role) -> Self:
        """The open projects this person is in, in one of these roles if any are named; the personal one first."""
        own = models.Case(models.When(personal_of=user, then=0), default=1)
        # One filter: in a second one the role could be somebody else's.
        in_role = Q(memberships__role__in=roles) if roles else Q()
        return self.filter(in_role, memberships__user=user, archived=None).order_by(own, "name")

    def visible_to(self, user: User) -> Self:
        """Those whose page this person may open: archived ones are for managers, all are for administrators."""
        if user.can(Capability.ADMINISTER):
            return self.all()
        return self.filter(Q(archived=None) | Q(memberships__role=Role.MANAGER), memberships__user=user)


class Project(models.Model):
    """Who works together, with a share of machines. Every person has one of their own."""

    # The slug is the project's id outside and its Nomad namespace: letters, digits and hyphens.
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=100)
    personal_of = models.OneToOneField(
        User,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text=_("whose own project this is"),
    )
    created = models.DateTimeField(default=timezone.now, editable=False)
    archived = models.DateTimeField(null=True, editable=False, help_text=_("since when only its managers look at it"))

    objects = ProjectQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def is_personal(self) -> bool:
        return self.personal_of_id is not None

    def role_of(self, user: User) -> Role | None:
        membership = self.memberships.filter(user=user).first()
        return Role(membership.role) if membership else None


class Membership(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    # The issuer whose rules gave it (accounts.oidc), and may take it; empty: a person did.
    given_by = models.CharField(max_length=200, blank=True, default="", editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="one_membership_per_person")]

    def __str__(self) -> str:
        return f"{self.user} in {self.project} as {self.role}"


class Scope(models.TextChoices):
    """What a token may be used for."""

    READ = "read", _("read")
    WRITE = "write", _("deploy, stop and delete")
    CALL = "call", _("call the endpoints of deployments")


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self) -> Self:
        return self.filter(Q(expires__isnull=True) | Q(expires__gt=timezone.now()), revoked=None, user__is_active=True)

    def find(self, plain: str) -> "ApiToken | None":
        """The valid token with this value; its last use is written at most once a minute."""
        token = self.valid().select_related("user").filter(digest=digest(plain)).first()
        if token:
            token.touch()
        return token


class ApiToken(models.Model):
    """A token for scripts. Only its digest is kept: its 256 random bits need no slow hash."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    created = models.DateTimeField(default=timezone.now, editable=False)
    expires = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, editable=False)
    revoked = models.DateTimeField(null=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(
        cls, user: User, name: str, *, scopes: list[str] | None = None, lasts: timedelta | None = None
    ) -> tuple["ApiToken", str]:
        """A new token and its value, which is shown this once."""
        plain = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = cls.objects.create(
            user=user,
            name=name,
            digest=digest(plain),
            scopes=scopes if scopes is not None else [str(scope) for scope in Scope],
            expires=timezone.now() + lasts if lasts else None,
        )
        return token, plain

    @property
    def is_valid(self) -> bool:
        return self.revoked is None and (self.expires is None or self.expires > timezone.now())

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes

    def revoke(self) -> bool:
        return type(self).objects.filter(pk=self.pk, revoked=None).update(revoked=timezone.now()) == 1

    def touch(self) -> None:
        now = timezone.now()
        if self.last_used and self.last_used > now - timedelta(minutes=1):
            return  # nothing to write: then even a database that is busy or full answers who only reads
        with suppress(OperationalError):
            type(self).objects.filter(pk=self.pk).update(last_used=now)


class SigninCode(models.Model):
    """A single-use code of a sign-in link; it travels in the link's fragment, so no log sees it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"sign-in code of {self.user}"

    @classmethod
    def issue(cls, user: User) -> str:
        """The code to put behind ``/welcome#``; short enough to type by hand."""
        plain = secrets.token_hex(10)
        cls.objects.create(user=user, digest=digest(plain), expires=timezone.now() + SIGNIN_CODE_LASTS)
        return plain

    @classmethod
    def spend(cls, plain: str) -> User | None:
        """Who the code was for; None if it is unknown, too old or spent."""
        code = cls.objects.select_related("user").filter(digest=digest(plain.strip()), user__is_active=True).first()
        fresh = cls.objects.filter(pk=code.pk if code else None, used=None, expires__gt=timezone.now())
        return code.user if code and fresh.update(used=timezone.now()) == 1 else None


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def visible_to(self, user: User) -> Self:
        """One's own actions, and all in the projects that one manages; administrators see everything."""
        if user.can(Capability.ADMINISTER):
            return self.all()
        managed = Project.objects.filter(memberships__user=user, memberships__role=Role.MANAGER)
        return self.filter(Q(actor=user) | Q(project__in=managed))

    def about(self, thing: models.Model) -> Self:
        return self.filter(object_type=thing._meta.model_name, object_id=str(thing.pk))

    def narrowed(self, *, actor: str = "", project: str = "", thing: str = "") -> Self:
        """Those of this person (user name), in this project (slug), about this object (its id), where given."""
        wanted = {"actor__username": actor, "project__slug": project, "object_id": thing}
        return self.filter(**{name: value for name, value in wanted.items() if value})


class AuditEvent(models.Model):
    """Who did what to which object; rows are only ever added."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=60, help_text=_("past tense: deployment.created, token.revoked"))
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    detail = models.JSONField(default=dict)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["object_type", "object_id", "at"])]

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.actor} {self.action} {self.object_id}"

    @classmethod
    def record(cls, actor: User | None, action: str, thing: models.Model, **detail: Any) -> "AuditEvent":
        project = thing if isinstance(thing, Project) else getattr(thing, "project", None)
        return cls.objects.create(
            actor=actor,
            project=project,
            action=action,
            object_type=thing._meta.model_name or "",
            object_id=str(thing.pk),
            detail=detail,
        )


def digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


def create_person(username: str, *, password: str | None = None, **fields: Any) -> User:
    """A person with a personal project, which they manage."""
    with transaction.atomic():
        user = User.objects.create_user(username, password=password, **fields)
        project = Project.objects.create(slug=free_slug(username), name=str(user), personal_of=user)
        Membership.objects.create(project=project, user=user, role=Role.MANAGER)
        AuditEvent.record(user, "user.created", user)
    return user


def free_slug(name: str) -> str:
    """A slug for this name that no project has yet; ``default`` is Nomad's own namespace."""
    # Nomad's namespaces know no underscore.
    wanted = slugify(name).replace("_", "-")[:50].strip("-") or "project"
    taken = {"default", *Project.objects.filter(slug__startswith=wanted).values_list("slug", flat=True)}
    return next(slug for slug in _numbered(wanted) if slug not in taken)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
