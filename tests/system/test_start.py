"""One command starts everything; one signal ends it; nothing is lost in between."""

import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from accounts.models import TOKEN_PREFIX
from tests.system.stack import ROOT, Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("a start; 100% odd")


@pytest.fixture(scope="module")
def stack(folder):
    with Stack(folder / "data", SERAI_ADMIN_TOKEN_FILE=str(folder / "token")) as stack:
        stack.wait_until_ready()
        yield stack


def test_it_says_where_it_is_and_how_to_sign_in(stack):
    said = stack.output.splitlines()
    ready = said.index(f"Serai is ready: http://127.0.0.1:{stack.port}/")
    assert re.fullmatch(rf".*http://127\.0\.0\.1:{stack.port}/welcome#[0-9a-f]+", said[ready + 1])


def test_the_sign_in_code_is_in_no_file(stack):
    code = stack.output.split("/welcome#")[1].split()[0].encode()
    holding = [file for file in stack.data.rglob("*") if file.is_file() and code in file.read_bytes()]
    assert holding == []


def test_the_state_is_closed_to_others(stack):
    assert stat.S_IMODE(stack.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((stack.data / "secret.key").stat().st_mode) == 0o600
    files = [file for file in stack.data.rglob("*") if file.is_file() and "static" not in file.parts]
    assert len(files) > 10
    assert [file for file in files if file.stat().st_mode & 0o077] == []


def test_no_secret_stands_on_a_command_line_or_in_another_file(stack, folder):
    """Every account of the machine reads the command lines of all processes."""
    kept = {name: (stack.data / name).read_text().strip() for name in ("secret.key", "local/token")}
    kept["the administrator's token"] = (folder / "token").read_text().strip()
    processes = [
        stack.process.pid,
        *(child.pid for child in psutil.Process(stack.process.pid).children(recursive=True)),
    ]
    lines = b"\n".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes)
    assert b"gunicorn" in lines
    for name, secret in kept.items():
        assert secret.encode() not in lines
        holding = [file for file in stack.data.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
        assert [
            str(file.relative_to(stack.data)) for file in holding if str(file.relative_to(stack.data)) != name
        ] == []


def test_the_administrators_token_works_at_once(stack, folder):
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
    token = (folder / "token").read_text().strip()
    assert token.startswith(TOKEN_PREFIX)
    assert stack.get("/api/v1/me", token)[0] == 200
    assert stack.get("/api/v1/me")[0] == 401


def test_every_part_comes_up(stack):
    wanted = {
        "database": "up",
        "broker": "up",
        "worker": "up",
        "watcher": "up",
        "local": "up",
        "homes": "up",
        "mlflow": "off",
    }
    wait_for(lambda: stack.parts() == wanted, 60, stack.log)


def test_a_second_serai_over_the_same_data_is_refused(stack):
    with Stack(stack.data) as second:
        assert second.ended() == 1
    assert f"another Serai runs over {stack.data}" in second.output


def test_a_taken_port_is_named_with_a_way_out(stack, folder):
    with Stack(folder / "other", SERAI_PORT=str(stack.port)) as second:
        assert second.ended() == 1
    assert f"port {stack.port} is taken" in second.output
    assert f"SERAI_PORT={stack.port + 1}" in second.output


def test_commands_beside_it_know_where_it_is(stack):
    stack.environment.pop("SERAI_PORT")
    assert f"http://127.0.0.1:{stack.port}/welcome#" in stack.manage("signin_link")


def test_commands_over_a_folder_that_was_never_started_say_so(stack, folder):
    command = [sys.executable, "manage.py", "signin_link"]
    elsewhere = {**stack.environment, "SERAI_DATA": str(folder / "elsewhere")}
    done = subprocess.run(command, cwd=ROOT, env=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "This is no database that Serai was started over" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_nothing_wrong(stack):
    wait_for(lambda: stack.parts().get("worker") == "up", 60, stack.log)
    assert "Nothing is wrong." in stack.manage("doctor")


@pytest.mark.parametrize("part", ["web", "worker", "watcher", "local", "homes"])
def test_a_part_killed_with_minus_nine_comes_back(stack, part):
    wait_for(lambda: stack.parts().get(part, "up") == "up", 60, stack.log)
    before = process_of(stack, part)
    before.kill()
    wait_for(lambda: (now := process_of(stack, part)) is not None and now.pid != before.pid, 20, stack.log)
    wait_for(lambda: stack.get("/healthz")[0] == 200, 30, stack.log)


def test_it_starts_again_after_everything_was_killed(folder):
    with Stack(folder / "killed") as first:
        first.wait_until_ready()
        supervisor = next(iter(psutil.Process(first.process.pid).children()))
        supervisor.kill()
        first.process.kill()
        first.ended()
    with Stack(folder / "killed", SERAI_PORT=str(first.port)) as second:
        second.wait_until_ready()
        assert second.stop() == 0, second.log()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_and_the_next_start_finds_it(folder, by):
    data = folder / f"ended by {by.name}"
    with Stack(data) as first:
        first.wait_until_ready()
        family = psutil.Process(first.process.pid).children(recursive=True)
        ports = (data / "ports.json").read_text()
        assert first.stop(by) == 0, first.log()
    assert psutil.wait_procs(family, timeout=3)[1] == []
    with Stack(data, SERAI_PORT=str(first.port)) as second:
        second.wait_until_ready(30)
        assert "Bringing the database up to date" not in second.output
        assert (data / "ports.json").read_text() == ports
        command = "from accounts.models import User; print(*User.objects.values_list('username', flat=True))"
        assert second.manage("shell", "-v0", "-c", command).split() == ["admin"]


def test_a_signal_during_the_start_ends_it_too(folder):
    with Stack(folder / "hasty") as hasty:
        wait_for(lambda: "·" in hasty.output, 30, hasty.log)
        assert hasty.stop(signal.SIGINT) == 0, hasty.log()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"SERAI_PORT": "http"}, "SERAI_PORT takes a whole number, not 'http'."),
        ({"SERAI_PORT": "70000"}, "SERAI_PORT takes a port between 1 and 65535, not 70000."),
        ({"SERAI_DEBUG": "perhaps"}, "SERAI_DEBUG takes 1 or 0, not 'perhaps'."),
        ({"SERAI_SECRET_KEY": "short"}, "SERAI_SECRET_KEY is too short"),
        ({"SERAI_DATA": "/proc/nowhere"}, "SERAI_DATA=/proc/nowhere cannot be written"),
        ({"SERAI_URL": "serai.example.org"}, "SERAI_URL takes an address that begins with http:// or https://."),
        ({"SERAI_STOP_TASKS": "perhaps"}, "SERAI_STOP_TASKS takes 1 or 0, not 'perhaps'."),
        ({"SERAI_TASKS_DIR": "/proc/nowhere"}, "the folder of tasks, /proc/nowhere, cannot be made"),
        ({"SERAI_LOCAL_DEVICES": "/nowhere.json"}, "SERAI_LOCAL_DEVICES=/nowhere.json cannot be read"),
        ({"SERAI_API_RATE": "fast"}, "SERAI_API_RATE takes a rate like 300/m"),
        ({"SERAI_QUOTA_PERSON_GPUS": "-1"}, "SERAI_QUOTA_PERSON_GPUS takes a whole number, not '-1'."),
        ({"NOMAD_TIMEOUT": "soon"}, "NOMAD_TIMEOUT takes a whole number, not 'soon'."),
        ({"MLFLOW_URL": "http://host:port"}, "MLFLOW_URL takes an address"),
        ({"DATABASE_URL": "mysql://host/serai"}, "DATABASE_URL takes an address that begins with postgresql://"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/serai"}, "the database does not answer"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "no Redis answers at 127.0.0.1:1"),
        ({"SERAI_ADMIN_TOKEN_FILE": "/proc/nowhere/token"}, "SERAI_ADMIN_TOKEN_FILE=/proc/nowhere/token"),
    ],
)
def test_a_wrong_setting_gets_a_sentence(folder, variables, sentence):
    number = variables.pop("SERAI_PORT", None)
    stack = Stack(folder / "wrong", **variables)
    stack.environment |= {"SERAI_PORT": number} if number else {}
    with stack:
        assert stack.ended() == 1
    assert sentence in stack.output
    assert "Traceback" not in stack.output


def process_of(stack: Stack, part: str) -> psutil.Process | None:
    """The process that the supervisor started for this part."""
    marks = {
        "web": "gunicorn",
        "worker": "celery",
        "watcher": "watch",
        "local": "datacenters.local",
        "homes": "serve webdav",
    }
    supervisor = next(iter(psutil.Process(stack.process.pid).children()))
    for process in supervisor.children():
        try:
            if marks[part] in " ".join(process.cmdline()):
                return process
        except psutil.NoSuchProcess:
            continue
    return None
