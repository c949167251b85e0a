"""Serai in a terminal, started by ``make``, as people do it."""

import os
import pty
import select
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.system.stack import ROOT, Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
CTRL_C, CTRL_Z = b"\x03", b"\x1a"


class Terminal:
    """``make run`` by a shell on a terminal of its own; ``stack`` gives the environment."""

    def __init__(self, makefile: Path, stack: Stack) -> None:
        makefile.write_text(f"run:\n\t@cd {ROOT} && exec {sys.executable} -m dashboard.serve\n")
        self.output = ""
        self._closed = threading.Event()
        self.pid, self._keyboard = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
            os.execvpe("sh", ["sh", "-c", f"make -f '{makefile}' run; exit $?"], stack.environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # A read that waits would keep the terminal open.
        while not self._closed.is_set():
            if select.select([self._keyboard], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self._keyboard, 4096).decode(errors="replace")
                except OSError:  # the shell has ended
                    return

    def press(self, key: bytes) -> None:
        os.write(self._keyboard, key)

    def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            self._reader.join()
            os.close(self._keyboard)

    def exit_code(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def stack(tmp_path):
    return Stack(tmp_path / "data")


@pytest.fixture
def terminal(tmp_path, stack):
    terminal = Terminal(tmp_path / "Makefile", stack)
    try:
        wait_for(lambda: "Sign in" in terminal.output, 90, lambda: terminal.output)
        yield terminal
    finally:
        terminal.close()


def test_ctrl_c_ends_it_and_nobody_reports_a_failure(terminal, stack):
    terminal.press(CTRL_Z)  # which would leave the shell waiting for a process that is stopped
    time.sleep(0.5)
    assert stack.get("/healthz")[0] == 200
    terminal.press(CTRL_C)
    assert terminal.exit_code() == 0
    assert "***" not in terminal.output


def test_closing_the_window_ends_everything(terminal, stack):
    terminal.close()
    terminal.exit_code()
    wait_for(lambda: stack.get("/healthz")[0] == 0, 30)
    wait_for(lambda: not (stack.data / "supervisord.pid").exists(), 10)
