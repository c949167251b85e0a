"""What a start in production refuses, and what it sets."""

import json
import os
import stat
import subprocess
import sys

import pytest

from tests.agents import ROOT

SAFE = {
    "SERAI_PRODUCTION": "1",
    "SERAI_SECRET_KEY": "k" * 48,
    "SERAI_URL": "https://serai.example.org",
    "SERAI_APPS_HOST": "apps.serai-apps.example.org",
}
SHOW = """
import json
from dashboard import settings
found = {name: getattr(settings, name) for name in dir(settings) if name.isupper()}
print(json.dumps({name: value for name, value in found.items() if isinstance(value, (str, int, bool))}))
"""


@pytest.fixture
def start(tmp_path):
    """The settings of a process with this environment: ``start(SERAI_DEBUG="1")``."""

    def run(**changes: str | None) -> subprocess.CompletedProcess[str]:
        given = {**SAFE, "SERAI_DATA": str(tmp_path / "data"), "PATH": os.defpath, **changes}
        environment = {name: value for name, value in given.items() if value is not None}
        command = [sys.executable, "-c", SHOW]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"SERAI_SECRET_KEY": None}, "wants the key in SERAI_SECRET_KEY"),
        ({"SERAI_SECRET_KEY": "short"}, "too short"),
        ({"SERAI_DEBUG": "1"}, "SERAI_DEBUG is on"),
        ({"SERAI_ALLOWED_HOSTS": "*"}, "SERAI_ALLOWED_HOSTS holds *"),
        ({"SERAI_URL": "http://serai.example.org"}, "not https://"),
        ({"SERAI_APPS_HOST": None}, "SERAI_APPS_HOST is missing"),
        ({"SERAI_APPS_HOST": "example.org"}, "above it"),
        ({"SERAI_APPS_HOST": "serai.example.org"}, "is the host of SERAI_URL"),
        ({"SERAI_GIT_PROTOCOLS": "https,file"}, "more than https"),
    ],
)
def test_production_refuses_what_is_unsafe(start, changes, why):
    done = start(**changes)
    assert done.returncode != 0
    assert why in done.stderr
    assert "k" * 48 not in done.stderr


def test_production_keeps_cookies_and_data_to_itself(start, tmp_path):
    done = start()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["SESSION_COOKIE_NAME"], found["CSRF_COOKIE_NAME"]) == ("__Host-serai_session", "__Host-serai_csrf")
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["SECURE_HSTS_SECONDS"] >= 31_536_000
    assert not found["DEBUG"]
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert not (tmp_path / "data" / "secret.key").exists()


def test_the_small_default_makes_its_key_for_its_owner_alone(start, tmp_path):
    done = start(SERAI_PRODUCTION=None, SERAI_SECRET_KEY=None, SERAI_URL=None, SERAI_APPS_HOST=None)
    assert done.returncode == 0, done.stderr
    key = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    found = json.loads(done.stdout)
    assert key.read_text().strip() not in (found["SECRET_KEY"], found["FIELD_KEY"])
    assert found["SECRET_KEY"] != found["FIELD_KEY"]
