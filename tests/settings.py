"""The dashboard's settings over a data folder of the test run's own."""

import os
import tempfile

os.environ.setdefault("SERAI_DATA", tempfile.mkdtemp(prefix="serai-test-"))

from dashboard.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

if not DATABASE_URL:  # noqa: F405
    # A file: threads that write at once would find a database in memory locked instead of waiting their turn.
    DATABASES["default"]["TEST"] = {"NAME": str(SERAI_DATA / "test.sqlite3")}  # noqa: F405
