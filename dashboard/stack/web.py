"""Whether the pages are up."""

import os
import socket
import time


def healthz_status(port: int) -> int:
    """The status of ``/healthz``; 0 without an answer. By hand: an HTTP library would stay in memory."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            status_line = connection.recv(64).split()
            return int(status_line[1]) if len(status_line) > 1 else 0
    except (OSError, ValueError):
        return 0


def wait_for_pages(patience_seconds: float) -> None:
    """For parts that nobody needs at once: let pages have the processor first."""
    until = time.monotonic() + patience_seconds
    while healthz_status(int(os.environ["SERAI_PORT"])) != 200 and time.monotonic() < until:
        time.sleep(0.5)
