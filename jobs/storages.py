"""Storages of projects: linked ones and the home of each. Pages, REST and compilers call these.

Functions that change something raise PermissionDenied for whoever may not.
"""

import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import WORKING, AuditEvent, Project, User
from datacenters import storage as rclone
from datacenters.storage import Remote, StorageProblem

from .models import Deployment, Storage, StorageKind
from .refusals import NotPossibleNow

HOME_NAME = "Home"
NAMED = 3
HOST_KEYS = "host_keys"  # of an SFTP server, as it showed them when it was linked
ROOT = "root"  # in Storage.address: the folder or bucket that it begins at
OBSCURED = {"pass", "key_file_pass"}  # what rclone takes in its own writing only
# Options that follow from the kind, and are nobody's to choose.
FIXED: Mapping[str, Mapping[str, str]] = {
    StorageKind.S3: {"no_check_bucket": "true", "env_auth": "false"},
    # No command runs on their machine; rclone would look for one that makes checksums.
    StorageKind.SFTP: {"shell_type": "none", "disable_hashcheck": "true"},
}


# ── As rclone is told of it ──────────────────────────────────────────────────────────────────────
def remote_of(storage: Storage, *, from_outside: bool = False) -> Remote:
    """How to reach it; ``from_outside``: from another machine than Serai's. Raises StorageProblem where that is no
    way to a home."""
    if storage.kind == StorageKind.HOME:
        return _remote_of_home(storage, from_outside=from_outside)
    return _remote(storage.kind, storage.address, json.loads(storage.secrets))


def _remote(kind: str, address: Mapping[str, str], secret: Mapping[str, str]) -> Remote:
    options = {name: value for name, value in address.items() if name != ROOT and value}
    return Remote(kind, {**options, **FIXED.get(kind, {})}, dict(secret), root=address.get(ROOT, ""))


def as_rclone_takes(secret: Mapping[str, str]) -> dict[str, str]:
    """Secrets as people typed them, in rclone's writing: this is how they are kept."""
    return {name: _written(name, value) for name, value in secret.items() if value}


def _written(name: str, value: str) -> str:
    if name == "key_pem":
        return value.strip().replace("\r\n", "\n").replace("\n", "\\n")
    return rclone.obscured(value) if name in OBSCURED else value


# ── Homes ────────────────────────────────────────────────────────────────────────────────────────
def home_of(project: Project) -> Storage:
    """The project's storage on Serai's own store, made when it is first asked for."""
    values = {"name": _free_name(project, HOME_NAME), "secrets": json.dumps({"password": secrets.token_urlsafe(32)})}
    return Storage.objects.get_or_create(project=project, kind=StorageKind.HOME, defaults=values)[0]


def ensure_homes() -> None:
    """One for each project that has none."""
    for project in Project.objects.exclude(storages__kind=StorageKind.HOME):
        home_of(project)


def _remote_of_home(storage: Storage, *, from_outside: bool) -> Remote:
    url = settings.SERAI_HOMES_PUBLIC_URL if from_outside else settings.SERAI_HOMES_URL
    if not url and from_outside:
        raise StorageProblem(
            _("Homes cannot be reached from other machines here. An operator may allow it by SERAI_HOMES_PUBLIC_URL.")
        )
    if not url:
        raise StorageProblem(_("Homes are not part of this Serai. Link a storage instead."))
    password = json.loads(storage.secrets)["password"]
    _let_in(storage.project_id, password)
    options = {"url": url, "vendor": "other", "user": str(storage.project_id)}
    return Remote("webdav", options, {"pass": rclone.obscured(password)}, is_ours=True)


def _let_in(project_id: int, password: str) -> None:
    """Tell the server of homes (dashboard/stack/homes_login.py), which knows no database."""
    digest = sha256(password.encode()).hexdigest()
    file = Path(settings.SERAI_DATA) / "home-logins" / str(project_id)
    folder = Path(settings.SERAI_DATA) / "homes" / str(project_id)
    if file.exists() and file.read_text() == digest and folder.exists():
        return
    for needed in (folder, file.parent):
        needed.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_suffix(f".{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(digest)
    draft.rename(file)


# ── Link, change, unlink ─────────────────────────────────────────────────────────────────────────
def why_not_change(project: Project, person: User) -> str:
    """Why this person may only look; empty if they may link, write and unlink there."""
    if project.archived:
        return _("This project is archived: what it has can be looked at, not changed.")
    if project.role_of(person) not in WORKING:
        return _("You may look at this project's storages, not change them.")
    return ""


def must_work_in(project: Project, person: User) -> None:
    if why_not := why_not_change(project, person):
        raise PermissionDenied(why_not)


def link_storage(
    actor: User, project: Project, *, kind: str, name: str, address: Mapping[str, str], secret: Mapping[str, str]
) -> Storage:
    """Keep it, once it has answered. ``secret`` is as people typed it. Raises StorageProblem or NotPossibleNow."""
    must_work_in(project, actor)
    met = rclone.meet(_remote(kind, address, as_rclone_takes(secret)))
    row = Storage(project=project, kind=kind, name=name, created_by=actor, checked=timezone.now())
    _take(row, address, met)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            AuditEvent.record(actor, "storage.linked", row, name=name, kind=kind)
    except IntegrityError:
        raise NotPossibleNow(_("The project has a storage of this name already. Choose another.")) from None
    return row


def change_storage(
    storage: Storage, actor: User, *, name: str, address: Mapping[str, str], secret: Mapping[str, str]
) -> None:
    """An empty secret keeps the former one, as long as it goes where it went before."""
    must_work_in(storage.project, actor)
    moved = goes_elsewhere(storage, address)
    kept = {} if moved else json.loads(storage.secrets)
    if not moved:
        address = storage.address  # with the key of an SFTP server
    if storage.kind != StorageKind.HOME and (moved or any(secret.values())):
        met = rclone.meet(_remote(storage.kind, address, {**kept, **as_rclone_takes(secret)}))
        _take(storage, address, met)
        storage.checked, storage.problem = timezone.now(), ""
    was, storage.name = storage.name, name
    try:
        with transaction.atomic():
            storage.save()
            AuditEvent.record(actor, "storage.changed", storage, name=name, **({"was": was} if was != name else {}))
    except IntegrityError:
        raise NotPossibleNow(_("The project has a storage of this name already. Choose another.")) from None


def goes_elsewhere(storage: Storage, address: Mapping[str, str]) -> bool:
    """Whoever changes the address must know the secret: they would else send somebody's to a place of their own."""
    kept = {name: value for name, value in storage.address.items() if name != HOST_KEYS}
    return kept != {name: value for name, value in address.items() if value}


def _take(storage: Storage, address: Mapping[str, str], met: Remote) -> None:
    keys = {HOST_KEYS: met.options[HOST_KEYS]} if HOST_KEYS in met.options else {}
    storage.address = {name: value for name, value in address.items() if value} | keys
    storage.secrets = json.dumps(dict(met.secrets))


def unlink_storage(storage: Storage, actor: User) -> None:
    """Forget it; the files stay where they are. Refused while something that runs has it."""
    must_work_in(storage.project, actor)
    if storage.kind == StorageKind.HOME:
        raise NotPossibleNow(_("The home belongs to the project. Delete the files in it instead."))
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=storage.project_id)
        if users := users_of(storage):
            raise NotPossibleNow(_in_use(users))
        AuditEvent.record(actor, "storage.unlinked", storage, name=storage.name)
        storage.delete()


def users_of(storage: Storage) -> list[Deployment]:
    """What has it attached now, in whatever project."""
    live = Deployment.objects.live().filter(request__has_key="storages")
    return [row for row in live if str(storage.pk) in {item["storage"] for item in row.request["storages"]}]


def _in_use(users: list[Deployment]) -> str:
    named = ", ".join(f"“{row.title}”" for row in users[:NAMED]) + (", …" if len(users) > NAMED else "")
    sentence = ngettext(
        "%(count)d deployment has it attached: %(named)s. Stop it first.",
        "%(count)d deployments have it attached: %(named)s. Stop them first.",
        len(users),
    )
    return sentence % {"count": len(users), "named": named}


def check_storage(storage: Storage) -> str:
    """Ask it now, and remember: why it does not answer, or nothing."""
    try:
        rclone.check(remote_of(storage))
        problem = ""
    except StorageProblem as why:
        problem = str(why)
    Storage.objects.filter(pk=storage.pk).update(checked=timezone.now(), problem=problem)
    storage.refresh_from_db()
    return problem


def host_of(address: Mapping[str, str]) -> str:
    """Where it is, for lists."""
    url = address.get("url") or address.get("endpoint") or ""
    return urlsplit(url).hostname or address.get("host", "")


def _free_name(project: Project, name: str) -> str:
    taken = set(Storage.objects.filter(project=project).values_list("name", flat=True))
    return next(each for each in (name, f"{name} (Serai)", f"{name} {secrets.token_hex(2)}") if each not in taken)
