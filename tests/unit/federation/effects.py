"""Plays whole federations within one process, in Flower's own environment, and prints what each option changed.

Run by test_strategies.py: ``python effects.py``. Server and clients are the app's own functions; only the network between
them is left out.
"""

# ruff: noqa: T201
import json
import os
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp())
os.environ |= {"SERAI_FEDERATION_REPORT": str(FOLDER / "report"), "SERAI_FEDERATION_MODEL": str(FOLDER / "model.npz")}
APP = Path(__file__).resolve().parents[3] / "jobs" / "tools" / "flower" / "app"
sys.path.insert(0, str(APP))

import numpy as np  # noqa: E402
from flwr.app import Context, Message, RecordDict  # noqa: E402
from flwr.supercore.task_identity import TaskIdentity  # noqa: E402

from federation import client_app, server_app  # noqa: E402

DEFAULTS = tomllib.loads((APP / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
SMALL = {"rounds": 2, "local-epochs": 3, "min-train": 3, "min-evaluate": 3, "min-available": 3}
CLIENTS = 5

# The strategy under which an option acts, and two values of it.
OPTIONS = {
    "rounds": ("FedAvg", 1, 3),
    "seed": ("FedAvg", 1, 2),
    "local-epochs": ("FedAvg", 1, 4),
    "learning-rate": ("FedAvg", 0.1, 0.5),
    "server-learning-rate": ("FedAvgM", 0.5, 1.0),
    "server-momentum": ("FedAvgM", 0.0, 0.9),
    "proximal-mu": ("FedProx", 0.0, 1.0),
    "eta": ("FedAdam", 0.01, 0.1),
    "beta-1": ("FedAdam", 0.1, 0.9),
    "beta-2": ("FedYogi", 0.1, 0.99),
    "tau": ("FedAdagrad", 0.0001, 0.1),
    "trim": ("FedTrimmedAvg", 0.0, 0.4),
    "fairness": ("QFedAvg", 0.0, 5.0),
    "malicious": ("Krum", 0, 2),
    "noise": ("FedAvg", 0.0, 1.0),
    "clipping": ("FedAvg", 0.01, 100.0),
    "fraction-train": ("FedAvg", 0.6, 1.0),
    "min-train": ("FedAvg", 2, 5),
}
ALSO = {
    "clipping": {"noise": 0.001},
    "fraction-train": {"fraction-evaluate": 1.0},
    "min-train": {"fraction-train": 0.2},
    "proximal-mu": {"local-epochs": 20},
}


class Nearby:
    """A grid whose clients answer at once; ``lost`` ones never do."""

    def __init__(self, config: dict, lost: Iterable[int] = (), there: int = CLIENTS) -> None:
        self.config, self.lost, self.there = config, set(lost), there
        self.asked: list[tuple[str, int]] = []
        self.timeouts: list[float] = []
        self.there_when_asked: list[int] = []

    def get_node_ids(self) -> list[int]:
        """One more comes each time that somebody looks."""
        self.there = min(CLIENTS, self.there + 1)
        return list(range(1, self.there + 1))

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float) -> list[Message]:
        messages = list(messages)
        self.timeouts.append(timeout)
        self.there_when_asked.append(self.there)
        if messages:
            self.asked.append((messages[0].metadata.message_type, len(messages)))
        return [self.answer(message) for message in messages if message.metadata.dst_node_id not in self.lost]

    def answer(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        where = {"part": node - 1, "parts": CLIENTS}
        context = Context(run_id=1, node_id=node, node_config=where, state=RecordDict(), run_config=self.config)
        return client_app.app(message, context)


def play(lost: Iterable[int] = (), there: int = CLIENTS, **changed) -> dict:
    config = {**DEFAULTS, **SMALL, **changed}
    Path(os.environ["SERAI_FEDERATION_REPORT"]).unlink(missing_ok=True)
    if not config["go-on"]:
        Path(os.environ["SERAI_FEDERATION_MODEL"]).unlink(missing_ok=True)
    grid = Nearby(config, lost, there)
    server_app.main(grid, Context(run_id=1, node_id=0, node_config={}, state=RecordDict(), run_config=config))
    lines = [json.loads(line) for line in Path(os.environ["SERAI_FEDERATION_REPORT"]).read_text().splitlines()]
    with np.load(os.environ["SERAI_FEDERATION_MODEL"]) as kept:
        model = np.concatenate([kept[name].ravel() for name in kept.files])
    return {
        "model": model,
        "asked": grid.asked,
        "timeouts": sorted(set(grid.timeouts)),
        "there": grid.there_when_asked[0],
        "rounds": [line for line in lines if "round" in line],
    }


def effect(option: str) -> dict:
    strategy, low, high = OPTIONS[option]
    one, same, other = (
        play(strategy=strategy, **{**ALSO.get(option, {}), option: value}) for value in (low, low, high)
    )
    return {
        "repeats": bool(np.allclose(one["model"], same["model"])),
        "changes": float(np.abs(one["model"] - other["model"]).max()),
        "asked": [one["asked"], other["asked"]],
    }


def main() -> None:
    began = time.monotonic()
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1  # as each of Flower's processes knows
    names = [*dict.fromkeys(strategy for strategy, *_ in OPTIONS.values()), "FedMedian"]
    plain = {name: play(strategy=name, **{"server-momentum": 0.9}) for name in names}
    first = play(rounds=1)
    gone_on = play(rounds=1, **{"go-on": True})
    found = {
        "effects": {option: effect(option) for option in OPTIONS},
        "strategies": {name: float(np.abs(outcome["model"]).sum()) for name, outcome in plain.items()},
        "evaluated": [
            play(**{"fraction-evaluate": share, "min-evaluate": least})["asked"]
            for share, least in ((0.0, 2), (0.2, 2), (0.2, 4), (1.0, 2))
        ],
        "available": [play(there=0, rounds=1, **{"min-train": 1, "min-available": least})["there"] for least in (1, 4)],
        "timeouts": play(**{"round-seconds": 77})["timeouts"],
        "gone on": float(np.abs(first["model"] - gone_on["model"]).max()),
        "two rounds": play(rounds=2)["rounds"],
        "with one lost": play(lost=[2], rounds=2)["rounds"],
        "seconds": round(time.monotonic() - began, 1),
    }
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main()
