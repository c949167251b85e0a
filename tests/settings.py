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
