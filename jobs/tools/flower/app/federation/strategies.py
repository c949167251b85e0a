"""From the values of the form to a strategy of Flower. Each value that a strategy takes reaches it."""

from collections.abc import Mapping
from typing import Any

from flwr.serverapp.strategy import (
    DifferentialPrivacyServerSideFixedClipping,
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedMedian,
    FedProx,
    FedTrimmedAvg,
    FedYogi,
    Krum,
    QFedAvg,
    Strategy,
)

Config = Mapping[str, Any]

# Parameter of the strategy <- value of the form.
COMMON = {
    "fraction_train": "fraction-train",
    "fraction_evaluate": "fraction-evaluate",
    "min_train_nodes": "min-train",
    "min_evaluate_nodes": "min-evaluate",
    "min_available_nodes": "min-available",
}
STEP = {"eta": "eta", "tau": "tau"}  # Flower's eta_l changes nothing: clients have their own learning rate
MOMENTS = {"beta_1": "beta-1", "beta_2": "beta-2"}
STRATEGIES: Mapping[str, tuple[type[FedAvg], Mapping[str, str]]] = {
    "FedAvg": (FedAvg, {}),
    "FedAvgM": (FedAvgM, {"server_learning_rate": "server-learning-rate", "server_momentum": "server-momentum"}),
    "FedAdam": (FedAdam, {**STEP, **MOMENTS}),
    "FedAdagrad": (FedAdagrad, STEP),
    "FedYogi": (FedYogi, {**STEP, **MOMENTS}),
    "FedProx": (FedProx, {"proximal_mu": "proximal-mu"}),
    "FedMedian": (FedMedian, {}),
    "FedTrimmedAvg": (FedTrimmedAvg, {"beta": "trim"}),
    "QFedAvg": (QFedAvg, {"client_learning_rate": "learning-rate", "q": "fairness"}),
    "Krum": (Krum, {"num_malicious_nodes": "malicious"}),
}


def strategy_of(config: Config) -> Strategy:
    make, own = STRATEGIES[str(config["strategy"])]
    values = {parameter: config[name] for parameter, name in {**COMMON, **own}.items()}
    return _private(make(**values), config)


def _private(strategy: Strategy, config: Config) -> Strategy:
    """With differential privacy around it, if noise is asked for."""
    if not config["noise"]:
        return strategy
    clients = int(config["min-train"])
    return DifferentialPrivacyServerSideFixedClipping(strategy, config["noise"], config["clipping"], clients)
