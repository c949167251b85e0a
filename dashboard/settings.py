"""Settings, all from the environment; docs/reference/settings.md lists them.

Without any variable this is the small default: SQLite, Celery's filesystem broker, the local
datacenter, all state under ``$SERAI_DATA``.
"""

import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from dashboard import env, oidc_settings, secrets

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

# python-nomad fills every empty argument from NOMAD_*: the environment of this process must not
# leak into the clients of other clusters (shared design, section 9).
NOMAD_TIMEOUT = env.number("NOMAD_TIMEOUT", 10)  # seconds
for _name in [name for name in os.environ if name.startswith("NOMAD_")]:
    del os.environ[_name]

# ── Where state lives ────────────────────────────────────────────────────────────────────────────
SERAI_DATA = env.path("SERAI_DATA", BASE_DIR / "var")
SERAI_DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
SERAI_DATA.chmod(0o700)

PRODUCTION = env.flag("SERAI_PRODUCTION")
DEBUG = env.flag("SERAI_DEBUG")
SERAI_SECRET_KEY = secrets.load_key(SERAI_DATA, production=PRODUCTION)
SECRET_KEY = secrets.derive(SERAI_SECRET_KEY, "django")
FIELD_KEY = secrets.derive(SERAI_SECRET_KEY, "fields")  # accounts.crypto encrypts with it

# ── Where people find it ─────────────────────────────────────────────────────────────────────────
SERAI_PORT = env.number("SERAI_PORT", 8000)
SERAI_URL = env.url("SERAI_URL", f"http://127.0.0.1:{SERAI_PORT}")
# Each endpoint of each deployment opens on a host of its own below this one (API.md, "The gateway").
SERAI_APPS_HOST = env.text("SERAI_APPS_HOST", f"apps.localhost:{SERAI_PORT}")
# An ingress beside the nodes that shows endpoints by itself and asks Serai about each request.
SERAI_INGRESS = env.flag("SERAI_INGRESS", False)
ALLOWED_HOSTS = env.words("SERAI_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]") + [
    host for host in [urlsplit(SERAI_URL).hostname] if host
]
HTTPS = SERAI_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [SERAI_URL] if HTTPS else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# "__Host-": pages of the endpoints' hosts, which may lie below ours, cannot set them for ours.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (
    ("__Host-" if HTTPS else "") + name for name in ("serai_session", "serai_csrf")
)
CSRF_COOKIE_HTTPONLY = True  # forms and htmx bring the token themselves
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

if PRODUCTION:
    _host, _apps = urlsplit(SERAI_URL).hostname or "", urlsplit(f"//{SERAI_APPS_HOST}").hostname or ""
    _unsafe = [
        reason
        for wrong, reason in [
            (DEBUG, "SERAI_DEBUG is on"),
            ("*" in ALLOWED_HOSTS, "SERAI_ALLOWED_HOSTS holds *"),
            (not HTTPS, "SERAI_URL is not https://"),
            (_apps == "apps.localhost", "SERAI_APPS_HOST is missing"),
            (
                _host == _apps or _host.endswith(f".{_apps}"),
                "SERAI_APPS_HOST is the host of SERAI_URL or above it, so endpoints' pages could set its cookies",
            ),
            (env.words("SERAI_GIT_PROTOCOLS", "https") != ["https"], "SERAI_GIT_PROTOCOLS holds more than https"),
        ]
        if wrong
    ]
    if _unsafe:
        raise ImproperlyConfigured(f"SERAI_PRODUCTION refuses to start: {'; '.join(_unsafe)}.")

# ── Applications ─────────────────────────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "dashboard",
    "jobs",
    "marketplace",
    "datacenters",
    "accounts",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_htmx",
    "csp",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.forms",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "dashboard.api.middleware.ProblemMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "dashboard.middleware.PlainAddressMiddleware",
    "dashboard.middleware.OutageMiddleware",
]
ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.shell",
            ],
        },
    },
]
FORM_RENDERER = "dashboard.rendering.SeraiRenderer"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}

# ── People ───────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
# Sign-in by OpenID Connect. Of allauth nothing else is used: no sign-up, no mails, none of its pages.
OIDC_PROVIDERS = oidc_settings.providers()
OIDC_SESSION_HOURS = env.number("SERAI_OIDC_SESSION_HOURS", 24)
ACCOUNT_ADAPTER, SOCIALACCOUNT_ADAPTER = (
    f"accounts.oidc.adapters.{name}" for name in ("AccountAdapter", "SocialAdapter")
)
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"provider_class": "accounts.oidc.provider.IdentityProvider"}}
ACCOUNT_EMAIL_VERIFICATION = "none"
LOGIN_URL = "signin"
LOGIN_REDIRECT_URL = "home"
SESSION_COOKIE_AGE = 14 * 24 * 3600

# ── Database ─────────────────────────────────────────────────────────────────────────────────────
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASE_URL = env.url("DATABASE_URL", schemes=["postgresql", "postgres"])
if DATABASE_URL:
    _url = urlsplit(DATABASE_URL)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _url.path.lstrip("/"),
            "USER": unquote(_url.username or ""),
            "PASSWORD": unquote(_url.password or ""),
            "HOST": _url.hostname or "",
            "PORT": str(_url.port or ""),
            "CONN_HEALTH_CHECKS": True,
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": SERAI_DATA / "db.sqlite3",
            # Immediate: a transaction that reads and then writes takes the write lock first, so it
            # waits its turn instead of failing half-way.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    }

# ── Background work ──────────────────────────────────────────────────────────────────────────────
REDIS_URL = env.url("REDIS_URL", schemes=["redis", "rediss"])
BROKER_FOLDER = SERAI_DATA / "broker"
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "visibility_timeout": 3600,
        # A Redis that hangs must not let people wait: the sweep rings later.
        "socket_connect_timeout": 1,
        "socket_timeout": 2,
    }
else:
    BROKER_FOLDER.mkdir(mode=0o700, exist_ok=True)
    CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT = "filesystem://", "dashboard.folder_broker:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_FOLDER),
        "data_folder_out": str(BROKER_FOLDER),
        "control_folder": str(BROKER_FOLDER / "control"),
        "polling_interval": 0.2,
    }
CELERY_TASK_SERIALIZER, CELERY_ACCEPT_CONTENT = "json", ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 0}  # a ring that is lost only delays
CELERY_TASK_TIME_LIMIT, CELERY_TASK_SOFT_TIME_LIMIT = 300, 240  # seconds
CELERY_BEAT_SCHEDULE_FILENAME = str(SERAI_DATA / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "send queued deployments": {"task": "jobs.tasks.sweep", "schedule": 5.0},
    "let in whose turn it is": {"task": "jobs.tasks.admit", "schedule": 5.0},
    "end what has run its time": {"task": "jobs.tasks.end_lifetimes", "schedule": 10.0},
    "reconcile": {"task": "jobs.tasks.reconcile", "schedule": 60.0},
    "make MLflow accounts that wait": {"task": "jobs.tasks.make_tracking_accounts", "schedule": 30.0},
    "send what trainings could not": {"task": "jobs.tasks.send_journals", "schedule": 30.0},
    "remember the runs of trainings": {"task": "jobs.tasks.remember_runs", "schedule": 15.0},
    "start the next trainings of sweeps": {"task": "jobs.tasks.advance_sweeps", "schedule": 5.0},
    "gather the runs of sweeps": {"task": "jobs.tasks.track_sweeps", "schedule": 15.0},
    "read the marketplace's sources": {"task": "marketplace.tasks.sync_all", "schedule": 6 * 3600.0},
    "ask how green the electricity is": {"task": "jobs.tasks.fetch_carbon", "schedule": 15 * 60.0},
    "test machines whose test is old": {"task": "datacenters.tasks.test_nodes", "schedule": 3600.0},
    "forget what was deleted": {"task": "jobs.tasks.forget_deleted", "schedule": 60.0},
}

# ── Outside systems ──────────────────────────────────────────────────────────────────────────────
# `serve` chooses these ports at start; empty means "not part of this installation".
SERAI_LOCAL_URL = env.text("SERAI_LOCAL_URL")
SERAI_LOCAL_TOKEN_FILE = SERAI_DATA / "local" / "token"
SERAI_LOCAL_DEVICES = env.text("SERAI_LOCAL_DEVICES")
MLFLOW_URL = env.url("MLFLOW_URL")
# Of the local datacenter, where it is part of this installation: trainings leave there what MLflow was not there for.
SERAI_TASKS_DIR = env.text("SERAI_TASKS_DIR")
MLFLOW_DATA = SERAI_DATA / "mlflow"
# Where tasks outside the local datacenter reach it; empty: they are not tracked.
MLFLOW_PUBLIC_URL = env.url("MLFLOW_PUBLIC_URL")
# Of a server elsewhere; our own keeps its password in MLFLOW_DATA.
MLFLOW_ADMIN_USERNAME = env.text("MLFLOW_ADMIN_USERNAME", "admin")
MLFLOW_ADMIN_PASSWORD = env.text("MLFLOW_ADMIN_PASSWORD")
# The homes of projects (dashboard/stack/homes.py): for Serai itself and tasks of its machine, and for others.
SERAI_HOMES_URL = env.text("SERAI_HOMES_URL")
# The datacenter at which these files lie, so that what works on them goes near; empty: the local one.
HOME_DATACENTER = env.text("SERAI_HOME_DATACENTER")
SERAI_HOMES_PUBLIC_URL = env.url("SERAI_HOMES_PUBLIC_URL")
SERAI_SHARED = env.path("SERAI_SHARED", BASE_DIR.parent / "shared")
API_RATE = env.rate("SERAI_API_RATE", "3000/m")  # requests of one token
UPLOAD_LIMIT_MB = env.number("SERAI_UPLOAD_LIMIT_MB", 512)
PREDICT_SECONDS = env.number("SERAI_PREDICT_SECONDS", 120)  # how long a page waits for a prediction
STORAGE_COPY_SECONDS = env.number("SERAI_STORAGE_COPY_SECONDS", 60)  # between two copies of what a task changed
STORAGE_FLUSH_SECONDS = env.number("SERAI_STORAGE_FLUSH_SECONDS", 900)  # how long a stop waits for a silent storage
STORAGE_TIMEOUT_SECONDS = env.number("SERAI_STORAGE_TIMEOUT_SECONDS", 30)
ZENODO_URL = env.url("SERAI_ZENODO_URL", "https://zenodo.org")  # where DOIs of datasets are looked up
# A service that measures how much carbon electricity stands for, asked with a datacenter's place.
NODE_TEST_DAYS = env.number("SERAI_NODE_TEST_DAYS", 7)  # between two tests of a machine; 0: only when somebody asks
# What a test installs and runs: small, and from where modules come from.
NODE_TEST_PACKAGE, NODE_TEST_IMAGE = (
    env.text("SERAI_NODE_TEST_PACKAGE", "idna"),
    env.text("SERAI_NODE_TEST_IMAGE", "busybox:stable"),
)
CARBON_URL, CARBON_TOKEN = env.text("SERAI_CARBON_URL"), env.text("SERAI_CARBON_TOKEN")
# Hosts of private networks that people may enter all the same (an institute's own Git server), and
# how Git sources of the marketplace may be reached: https, and file for tests.
SERAI_TRUSTED_HOSTS = env.words("SERAI_TRUSTED_HOSTS")
SERAI_GIT_PROTOCOLS = env.words("SERAI_GIT_PROTOCOLS", "https")

# ── Tools (jobs/tools/): those that come with Serai, and an operator's own folder of tool files ──────
SERAI_TOOL_FOLDERS = [BASE_DIR / "jobs" / "tools", *(Path(folder) for folder in env.words("SERAI_TOOLS"))]

# ── How long a development environment runs when nobody says otherwise, in all and without use; 0: for ever ──
IDE_HOURS, IDE_IDLE_MINUTES = env.number("SERAI_IDE_HOURS", 12), env.number("SERAI_IDE_IDLE_MINUTES", 60)
# The most that people may choose; 0: anything.
IDE_HOURS_MAX, IDE_IDLE_MINUTES_MAX = env.number("SERAI_IDE_HOURS_MAX", 0), env.number("SERAI_IDE_IDLE_MINUTES_MAX", 0)

# ── What people may hold at once (SERAI_QUOTA_PERSON_GPUS, SERAI_QUOTA_PROJECT_MEMORY_MB, …) ──────────
QUOTA_OF_PERSON, QUOTA_OF_PROJECT = (
    {name: env.number(f"SERAI_QUOTA_{holder}_{name.upper()}", most) for name, most in defaults.items()}
    for holder, defaults in (
        ("PERSON", {"deployments": 20, "cpu_cores": 64, "memory_mb": 256_000, "gpus": 4, "home_mb": 50_000}),
        ("PROJECT", {"deployments": 50, "cpu_cores": 256, "memory_mb": 1_000_000, "gpus": 16, "home_mb": 200_000}),
    )
)

# So many batch runs of a project wait for their turn when its share or the machines are full; 0: none do.
QUEUE_LENGTH = env.number("SERAI_QUEUE_LENGTH", 200)

# ── Language, time, static files ─────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = SERAI_DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "static", ("docs", BASE_DIR / "docs" / "images")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = SERAI_DATA / "media"
REDIS_SERVER = shutil.which("redis-server")

# httpx and urllib3 write whole addresses, which hold codes and query strings; Celery a line for each
# task sent, taken and done, every few seconds.
QUIET = ("httpx", "urllib3", "httpcore", "websockets", "celery.beat", "celery.worker.strategy", "celery.app.trace")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {name: {"level": "WARNING"} for name in QUIET},
}
