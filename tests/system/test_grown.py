"""What holds on the small defaults holds on PostgreSQL and Redis too."""

import os
import subprocess
import sys

import pytest

from tests import services
from tests.system.stack import ROOT, Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Where locks, races and words of SQL matter: rows and what is done with them.
ON_BOTH = [
    "tests/unit/jobs",
    "tests/unit/api",
    "tests/unit/marketplace",
    "tests/unit/projects",
    "tests/unit/oidc",
    "tests/unit/test_history.py",
    "tests/unit/test_accounts.py",
    "tests/unit/test_odd_requests.py",
]


def test_the_same_tests_pass_on_postgresql():
    with services.postgresql() as url:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not browser"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(
            [*command, *ON_BOTH],
            cwd=ROOT,
            env={**environment, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-8000:]


def test_the_stack_runs_on_postgresql_and_redis(tmp_path):
    with (
        services.postgresql() as database,
        services.redis() as broker,
        Stack(tmp_path / "data", DATABASE_URL=database, REDIS_URL=broker) as stack,
    ):
        stack.wait_until_ready()
        # Beat's task went through Redis to the worker, and was worked on.
        wait_for(lambda: stack.parts()["worker"] == "up", 60, stack.log)
        said = stack.manage("doctor")
        assert "The database is PostgreSQL." in said
        assert "queued in Redis" in said
        assert not (stack.data / "db.sqlite3").exists()
        assert stack.stop() == 0, stack.log()


def test_a_redis_of_its_own_is_started_where_the_program_is(tmp_path):
    with services.redis():
        pass  # it is installed, or this is skipped
    with Stack(tmp_path / "data", SERAI_REDIS="1") as stack:
        stack.wait_until_ready()
        wait_for(lambda: stack.parts()["worker"] == "up", 60, stack.log)
        assert "queued in Redis" in stack.manage("doctor")
        holding = [
            file.name for file in stack.data.rglob("*") if file.is_file() and b"requirepass" in file.read_bytes()
        ]
        assert holding == ["redis.conf"]
        assert stack.stop() == 0, stack.log()
