"""The home storage of the whole stack: large files pass through it, and nobody grows by them."""

import hashlib
import os
from pathlib import Path

import psutil
import pytest

from tests.system.stack import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

MB = 1_000_000
SIZE = 200 * MB


@pytest.fixture
def home(whole_stack) -> str:
    """Below which address of the API the administrator's home is."""
    wait_for(lambda: whole_stack.parts()["homes"] == "up", 60, whole_stack.log)
    with whole_stack.client() as client:
        [found] = client.get("/api/v1/storages?kind=home&project=admin").json()["items"]
    return f"/api/v1/storages/{found['id']}"


def web(stack) -> list[psutil.Process]:
    family = psutil.Process(stack.process.pid).children(recursive=True)
    return [process for process in family if "gunicorn" in _line(process.pid).decode()]


def memory(processes: list[psutil.Process]) -> int:
    return sum(process.memory_full_info().uss for process in processes)


def test_200_mb_go_up_and_down_and_leave_the_pages_process_as_small_as_it_was(whole_stack, home, tmp_path):
    file, block = tmp_path / "weights", os.urandom(MB)
    with file.open("wb") as made:
        for _ in range(SIZE // MB):
            made.write(block)
    sent, came = hashlib.sha256(file.read_bytes()).hexdigest(), hashlib.sha256()
    with whole_stack.client() as client:
        client.timeout = 300
        content, where = f"{home}/files/content", {"path": "large $(one)"}
        client.get(f"{home}/files")
        before = memory(web(whole_stack))
        with file.open("rb") as body:
            answer = client.put(content, params=where, content=body, headers={"Content-Length": str(SIZE)})
        assert (answer.status_code, answer.json()["size"]) == (201, SIZE)
        with client.stream("GET", content, params=where) as answer:
            for piece in answer.iter_bytes():
                came.update(piece)
        assert client.delete(f"{home}/files", params=where).status_code == 204
    assert came.hexdigest() == sent
    assert memory(web(whole_stack)) - before < 40 * MB


def test_a_reader_who_leaves_leaves_no_process_behind(whole_stack, home, tmp_path):
    def copies() -> list[psutil.Process]:
        return [child for process in web(whole_stack) for child in process.children() if b"\0cat\0" in _line(child.pid)]

    with whole_stack.client() as client:
        where = {"path": "left"}
        client.put(f"{home}/files/content", params=where, content=bytes(100 * MB))
        with client.stream("GET", f"{home}/files/content", params=where) as answer:
            pieces = answer.iter_bytes(1000)  # kept: without it the reader would have left already
            next(pieces)
            wait_for(copies, 10, whole_stack.log)
        wait_for(lambda: not copies(), 20, whole_stack.log)
        client.delete(f"{home}/files", params=where)


def test_no_password_of_a_home_stands_in_a_log_or_on_a_command_line(whole_stack, home):
    code = "from jobs.models import Storage; print(*[row.secrets for row in Storage.objects.all()])"
    kept = whole_stack.manage("shell", "-v0", "-c", code)
    passwords = [word for word in kept.split('"') if len(word) > 30]
    assert passwords
    logs = b"".join(file.read_bytes() for file in (whole_stack.data / "logs").glob("*.log"))
    lines = b"".join(_line(pid) for pid in psutil.pids())
    assert not [password for password in passwords if password.encode() in logs + lines]


def test_the_store_comes_back_after_a_kill(whole_stack, home):
    family = psutil.Process(whole_stack.process.pid).children(recursive=True)
    [store] = [process for process in family if b"serve\0webdav" in _line(process.pid)]
    with whole_stack.client() as client:
        client.put(f"{home}/files/content", params={"path": "kept"}, content=b"x")
        store.kill()
        wait_for(lambda: client.get(f"{home}/files").status_code == 502 or not store.is_running(), 20)
        wait_for(lambda: client.get(f"{home}/files").status_code == 200, 60, whole_stack.log)
        assert client.get(f"{home}/files/content", params={"path": "kept"}).content == b"x"
        client.delete(f"{home}/files", params={"path": "kept"})


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
