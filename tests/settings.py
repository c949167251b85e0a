"""The dashboard's settings over a data folder of the test run's own."""

import atexit
import os
import shutil
import tempfile

if "SERAI_DATA" not in os.environ:
    os.environ["SERAI_DATA"] = tempfile.mkdtemp(prefix="serai-test-")
    atexit.register(shutil.rmtree, os.environ["SERAI_DATA"], ignore_errors=True)
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # It inherits the folder of the process that leads the run: it gets its own within.
    os.environ["SERAI_DATA"] += f"/{worker}"

from dashboard.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

if not DATABASE_URL:  # noqa: F405
    # A file: threads that write at once would find a database in memory locked instead of waiting their turn.
    DATABASES["default"]["TEST"] = {"NAME": str(SERAI_DATA / "test.sqlite3")}  # noqa: F405

# Nothing is collected for tests, but the server looks for the folder.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
