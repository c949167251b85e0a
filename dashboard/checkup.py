"""What ``manage.py doctor`` says: what is on a small default, how to grow, and what is wrong."""

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from accounts.crypto import SecretUnreadable
from accounts.models import User
from dashboard import parts
from dashboard.stack import sandbox, started, tasks_folder
from datacenters.models import Cluster, Datacenter
from jobs import heartbeat
from jobs.models import Storage, TrackingAccount
from marketplace.models import Source

LEAST_DISK_MB = 2_000  # a module's environment takes about 500


class Verdict(Enum):
    FINE = "ok"
    SMALL = "small"  # works, and says how to grow
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    verdict: Verdict
    sentence: str
    advice: str = ""


def findings() -> Iterator[Finding]:
    """One after the other, the database first: without it there is little more to say."""
    ground = list(database())
    yield from ground
    yield from broker()
    yield from secret_key()
    yield from data_folder()
    yield from disk()
    yield from programs()
    if all(finding.verdict != Verdict.WRONG for finding in ground):
        for look in OVER_ROWS:
            yield from look()


def database() -> Iterator[Finding]:
    part = parts.database()
    if part.state == parts.State.DOWN:
        yield _wrong(_("The database does not answer."), _("Check DATABASE_URL and that its server runs."))
    elif part.state == parts.State.STARTING:
        yield _wrong(_("The database is not up to date."), _("Run: manage.py migrate (make run does it by itself)."))
    elif connection.vendor == "sqlite":
        yield _small(
            _("The database is SQLite, in the data folder: right for one machine and some dozen people."),
            _("To grow: DATABASE_URL=postgresql://user:password@host/name."),
        )
    else:
        yield _fine(_("The database is PostgreSQL."))


def broker() -> Iterator[Finding]:
    if not settings.REDIS_URL:
        yield _small(
            _("Background work is queued in files: right for one machine."),
            _("To grow: install redis-server, or set REDIS_URL=redis://host:6379/0."),
        )
    elif parts.broker().state == parts.State.UP:
        yield _fine(_("Background work is queued in Redis."))
    else:
        yield _wrong(_("Redis does not answer."), _("Check REDIS_URL and that its server runs."))


def secret_key() -> Iterator[Finding]:
    file = Path(settings.SERAI_DATA) / "secret.key"
    if os.environ.get("SERAI_SECRET_KEY"):
        yield _fine(_("The key that encrypts secrets comes from SERAI_SECRET_KEY."))
    elif file.exists() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield _wrong(_("Others can read %s.") % file, _("Run: chmod 600 %s") % file)
    else:
        yield _small(
            _("The key that encrypts secrets lies beside the database: whoever copies one has both."),
            _("To grow: keep it elsewhere and give it as SERAI_SECRET_KEY. Production demands it."),
        )


def data_folder() -> Iterator[Finding]:
    data = Path(settings.SERAI_DATA)
    if not os.access(data, os.W_OK | os.X_OK):
        yield _wrong(_("%s cannot be written.") % data, _("Change its owner, or choose another SERAI_DATA."))


def disk() -> Iterator[Finding]:
    folders = {Path(settings.SERAI_DATA), _tasks_folder()}
    for folder in sorted(folder for folder in folders if folder.exists()):
        free_mb = shutil.disk_usage(folder).free // 1_000_000
        if free_mb < LEAST_DISK_MB:
            yield _wrong(
                _("Only %(free)d MB are free where %(folder)s lies.") % {"free": free_mb, "folder": folder},
                _("Modules need about 500 MB each. Make room, or move it to a larger disk."),
            )


def programs() -> Iterator[Finding]:
    for name, purpose in [("git", _("sources that are Git repositories")), ("uv", _("modules' environments"))]:
        if not shutil.which(name, path=_search_path()):
            advice = _("On Debian: apt-get install %s") % name
            yield _wrong(_("%(name)s is missing: it is needed for %(for)s.") % {"name": name, "for": purpose}, advice)


def processes() -> Iterator[Finding]:
    late = [name for name in ("worker", "watcher") if _is_late(name)]
    if late and not started.is_running(Path(settings.SERAI_DATA)):
        yield _small(_("Serai does not run over %s now.") % settings.SERAI_DATA, _("Start it: make run"))
    else:
        for name in late:
            log = Path(settings.SERAI_DATA) / "logs" / f"{name}.log"
            yield _wrong(_("The %s does not run.") % name, _("Start Serai, or look into %s.") % log)


def _is_late(name: str) -> bool:
    age = heartbeat.age_seconds(name)
    return age is None or age > heartbeat.LATE_SECONDS


def clusters() -> Iterator[Finding]:
    for cluster in Cluster.objects.filter(enabled=True).defer("token"):
        if cluster.unreachable_since:
            words = {"cluster": cluster, "since": cluster.unreachable_since.strftime("%F %H:%M")}
            yield _wrong(_("%(cluster)s does not answer since %(since)s UTC.") % words, cluster.problem)
    if not Cluster.objects.filter(enabled=True, local=False).exists():
        yield _small(
            _("Everything runs in the local datacenter, on this one machine."),
            _("To grow: add a Nomad cluster to the federation."),
        )
    if Datacenter.objects.filter(one_person=True, enabled=True).exists():
        yield _small(
            _("The local datacenter cannot keep people's tasks apart, so it serves the first administrator alone."),
            _("To grow: start Serai as root, or add a Nomad cluster to the federation."),
        )
    closed = tasks_folder.closed_at(_tasks_folder()) if os.geteuid() == 0 else None
    if settings.SERAI_LOCAL_URL and closed:
        yield _wrong(
            _("Tasks run under users of their own, and these cannot pass %s.") % closed,
            _("Run: chmod o+x %s, or choose another SERAI_TASKS_DIR.") % closed,
        )


def tracking() -> Iterator[Finding]:
    part = parts.mlflow()
    if part.state == parts.State.DOWN:
        log = Path(settings.SERAI_DATA) / "logs" / "mlflow.log"
        yield _wrong(_("MLflow does not answer: trainings run, but are not tracked."), _("Look into %s.") % log)
    elif part.state == parts.State.UP and not settings.MLFLOW_ADMIN_PASSWORD and not _has_sandbox():
        yield _small(
            _("This kernel has no Landlock, so MLflow is not kept in its own folder."),
            _("Use a kernel of 5.13 or later with Landlock switched on, or set MLFLOW_URL to a server elsewhere."),
        )
    elif part.state == parts.State.OFF and started.is_running(Path(settings.SERAI_DATA)):
        yield _small(_("MLflow is not part of this start: trainings are not tracked."), _("Leave out SERAI_MLFLOW=0."))


def homes() -> Iterator[Finding]:
    if parts.homes().state == parts.State.DOWN:
        log = Path(settings.SERAI_DATA) / "logs" / "homes.log"
        yield _wrong(_("The home storages do not answer: what has them attached waits."), _("Look into %s.") % log)


def _has_sandbox() -> bool:
    try:
        return sandbox.version() > 0
    except sandbox.NoSandbox:
        return False


def stored_secrets() -> Iterator[Finding]:
    try:
        list(Cluster.objects.all())
        list(TrackingAccount.objects.all())
        list(Storage.objects.all())
    except SecretUnreadable as error:
        yield _wrong(_("Stored secrets cannot be read."), str(error))


def people_and_sources() -> Iterator[Finding]:
    if not User.objects.filter(is_superuser=True, is_active=True).exists():
        yield _wrong(_("There is no administrator."), _("Start Serai once: it makes the first one."))
    for source in Source.objects.filter(enabled=True).exclude(problem=""):
        yield _wrong(_("The source %s could not be read.") % source, source.problem)


OVER_ROWS: tuple[Callable[[], Iterator[Finding]], ...] = (
    processes,
    clusters,
    tracking,
    homes,
    stored_secrets,
    people_and_sources,
)


def _tasks_folder() -> Path:
    return tasks_folder.of(Path(settings.SERAI_DATA))


def _search_path() -> str:
    """As the processes have it: what lies beside this Python comes first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _fine(sentence: str) -> Finding:
    return Finding(Verdict.FINE, sentence)


def _small(sentence: str, advice: str) -> Finding:
    return Finding(Verdict.SMALL, sentence, advice)


def _wrong(sentence: str, advice: str) -> Finding:
    return Finding(Verdict.WRONG, sentence, advice)
