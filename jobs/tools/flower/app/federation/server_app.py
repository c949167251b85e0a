"""What the server does: rounds by the strategy that was asked for, each one told and its model kept."""

import json
import os
import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy

from federation import digits
from federation.strategies import strategy_of

# Serai names both; without them the app runs as any other of Flower's.
REPORT = os.environ.get("SERAI_FEDERATION_REPORT", os.devnull)
MODEL = os.environ.get("SERAI_FEDERATION_MODEL", "joint-model.npz")

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    seed = int(config["seed"])
    random.seed(seed)  # which clients are asked, where not all are
    np.random.seed(seed)  # the noise for privacy
    told = Told(strategy_of(config))
    told.start(
        grid=grid,
        initial_arrays=ArrayRecord(first_weights(seed, go_on=bool(config["go-on"]))),
        num_rounds=int(config["rounds"]),
        timeout=float(config["round-seconds"]),
        evaluate_fn=told.finish_round,
    )


def first_weights(seed: int, *, go_on: bool) -> digits.Weights:
    if go_on and Path(MODEL).exists():
        with np.load(MODEL) as kept:
            return [kept[name] for name in kept.files]
    return digits.new_weights(seed)


class Told(Strategy):
    """Another strategy, of which each round is told: who was asked, who answered, and what came of it."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.round: dict[str, Any] = {}
        self.began = time.monotonic()
        self.unseen = digits.test_digits()

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        tell({"waiting": server_round})
        messages = list(self.strategy.configure_train(server_round, arrays, config, grid))
        self.began = time.monotonic()
        self.round = {"round": server_round, "asked": len(messages)}
        tell({"began": server_round, "asked": len(messages)})
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        replies = list(replies)
        good = [reply for reply in replies if reply.has_content()]
        self.round["answered"] = len(good)
        alone = [float(reply.content["metrics"]["alone"]) for reply in good if "metrics" in reply.content]
        arrays, metrics = self.strategy.aggregate_train(server_round, replies)
        self.round["train"] = _plain(metrics) | ({"best alone": max(alone)} if alone else {})
        return arrays, metrics

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return self.strategy.configure_evaluate(server_round, arrays, config, grid)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        metrics = self.strategy.aggregate_evaluate(server_round, replies)
        self.round["evaluate"] = _plain(metrics)
        return metrics

    def summary(self) -> None:
        self.strategy.summary()

    def finish_round(self, server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
        """Measured by what no client has; called before the first round too."""
        if not server_round:
            return None
        weights = arrays.to_numpy_ndarrays()
        keep(weights)
        joint = {"accuracy": digits.accuracy(weights, self.unseen), "loss": digits.loss(weights, self.unseen)}
        tell({**self.round, "joint": joint, "seconds": round(time.monotonic() - self.began, 1)})
        return MetricRecord(joint)


def keep(weights: digits.Weights) -> None:
    """In one step, so that nobody ever reads half a model."""
    unfinished = Path(f"{MODEL}.part.npz")
    np.savez(unfinished, *weights)
    unfinished.replace(MODEL)


def tell(line: dict[str, Any]) -> None:
    with Path(REPORT).open("a") as report:
        report.write(json.dumps(line) + "\n")


def _plain(metrics: MetricRecord | None) -> dict[str, float]:
    return {name: float(value) for name, value in (metrics or {}).items() if isinstance(value, int | float)}
