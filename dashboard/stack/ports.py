"""Free loopback ports, chosen once and kept: running tasks know MLflow's address."""

import json
import random
import socket
from collections.abc import Sequence
from pathlib import Path

# Below the range that the kernel gives to outgoing connections, and below the tasks' ports.
CANDIDATES = range(15_000, 20_000)


def choose(file: Path, names: Sequence[str]) -> dict[str, int]:
    """A port for each name: the one of the last start where it is free, else another."""
    remembered = _read(file)
    chosen: dict[str, int] = {}
    for name in names:
        kept = remembered.get(name)
        chosen[name] = kept if kept and is_free(kept) else _another({*remembered.values(), *chosen.values()})
    file.write_text(json.dumps({**remembered, **chosen}))
    return chosen


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection that is still closing does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _another(taken: set[int]) -> int:
    candidates = random.sample(CANDIDATES, len(CANDIDATES))
    return next(port for port in candidates if port not in taken and is_free(port))


def _read(file: Path) -> dict[str, int]:
    try:
        return {str(name): int(port) for name, port in json.loads(file.read_text()).items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}
