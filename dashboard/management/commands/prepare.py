"""Everything that must be there before the processes start; ``dashboard.serve`` calls it once a start."""

import hashlib
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.models import ApiToken, AuditEvent, Level, SigninCode, User, create_person
from accounts.oidc.people import ensure_projects
from dashboard import env
from datacenters.local.node import devices
from datacenters.services import register_local
from jobs.storages import ensure_homes
from jobs.tools import mirror
from marketplace.services import ensure_presets

TOKEN_LASTS = timedelta(days=30)


class Command(BaseCommand):
    help = "Prepare database, static files, presets and the first administrator; print a sign-in code as JSON."
    requires_system_checks: list[str] = []  # they load every page; `doctor` and the tests run them

    def handle(self, *_args: Any, **_options: Any) -> None:
        check_devices()
        migrate()
        collect_static_files()
        ensure_presets()
        mirror.ensure()
        register_local()
        ensure_homes()
        administrator = first_administrator()
        for identity in settings.OIDC_PROVIDERS:
            ensure_projects(identity)
        write_admin_token(administrator)
        forget_old_codes()
        # To whoever started us, through a pipe: a code never lies in a file.
        json.dump({"signin_code": SigninCode.issue(administrator)}, sys.stdout)


def check_devices() -> None:
    """Here, since the local datacenter itself would say it to its log alone."""
    if name := settings.SERAI_LOCAL_DEVICES:
        try:
            devices(Path(name))
        except (OSError, ValueError, KeyError) as error:
            raise CommandError(f"SERAI_LOCAL_DEVICES={name} cannot be read: {error}.") from None


def migrate() -> None:
    try:
        connection.ensure_connection()
    except OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise CommandError(f"the database does not answer: {reason}. Check DATABASE_URL and its server.") from None
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        say("Bringing the database up to date")
        call_command("migrate", interactive=False, verbosity=0)


def collect_static_files() -> None:
    """Copy and compress them, if any changed since the last time."""
    stamp = Path(settings.STATIC_ROOT) / ".digest"
    digest = _static_digest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    say("Compressing the pages' static files")
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(digest)


def _static_digest() -> str:
    summary = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list(["CVS", ".*", "*~"]):
            stat = os.stat(storage.path(path))
            summary.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return summary.hexdigest()


def first_administrator() -> User:
    administrator = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    return administrator or create_person(
        "admin", full_name="Administrator", level=Level.ADVANCED, is_staff=True, is_superuser=True
    )


def write_admin_token(administrator: User) -> None:
    """Keep a working token in ``SERAI_ADMIN_TOKEN_FILE``, where one is asked for."""
    name = env.text("SERAI_ADMIN_TOKEN_FILE")
    if not name or _still_good(Path(name), administrator):
        return
    token, plain = ApiToken.issue(administrator, "SERAI_ADMIN_TOKEN_FILE", lasts=TOKEN_LASTS)
    try:
        _write_private(Path(name), plain)
    except OSError as error:
        token.revoke()
        raise CommandError(f"SERAI_ADMIN_TOKEN_FILE={name} cannot be written: {error.strerror}.") from None
    AuditEvent.record(administrator, "token.created", token, by="SERAI_ADMIN_TOKEN_FILE")


def _still_good(file: Path, administrator: User) -> bool:
    try:
        token = ApiToken.objects.find(file.read_text().strip())
    except OSError:
        return False
    lasts = token is not None and token.expires is not None and token.expires > timezone.now() + timedelta(days=1)
    return token is not None and token.user == administrator and lasts


def _write_private(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)  # another owner's file, or one that others can read, is not written to
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text + "\n")


def forget_old_codes() -> None:
    SigninCode.objects.filter(expires__lt=timezone.now() - timedelta(days=1)).delete()


def say(text: str) -> None:
    print(f"· {text}", file=sys.stderr, flush=True)
