"""The terminal that Serai was started from."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def for_this_process_alone() -> Iterator[None]:
    """Ctrl-C reaches Serai and not ``make``, which would die of it and report a failure where Serai ended well."""
    former = _leading_group()
    if former != os.getpgrp() or former == os.getpid():  # no terminal, in its background, or by itself already
        yield
        return
    os.setpgid(0, 0)
    _let_lead(os.getpid())
    # Ctrl-Z does nothing: the shell watches make, and would not see us stop.
    signal.signal(signal.SIGTSTP, _go_on)
    try:
        yield
    finally:
        _let_lead(former)


def _leading_group() -> int:
    """The processes that keys like Ctrl-C reach; 0 without a terminal."""
    with contextlib.suppress(OSError), open("/dev/tty") as terminal:
        return os.tcgetpgrp(terminal.fileno())
    return 0


def _let_lead(group: int) -> None:
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    # The terminal may be closed by now, or the group gone.
    with contextlib.suppress(OSError), open("/dev/tty") as terminal:
        os.tcsetpgrp(terminal.fileno(), group)
    signal.signal(signal.SIGTTOU, before)


def _go_on(_signal: int, _frame: FrameType | None) -> None:
    pass
