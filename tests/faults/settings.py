"""The dashboard's settings for a process of its own beside a test: it works on the test's database."""

import os

from dashboard.settings import *  # noqa: F403

DATABASES["default"]["NAME"] = os.environ["SERAI_TEST_DATABASE"]  # noqa: F405
if not DATABASE_URL:  # noqa: F405
    # As patient as a person: a test of a database that stays busy need not last longer.
    DATABASES["default"]["OPTIONS"]["timeout"] = int(os.environ["SERAI_TEST_PATIENCE"])  # noqa: F405
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
