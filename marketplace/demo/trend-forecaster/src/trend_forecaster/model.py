"""The forecaster itself: a small neural network that has seen many made-up series.

Nothing here was measured anywhere. Each series of the training data is a formula: a level, a straight trend, one wave
with a period between 4 and 24 steps, and noise. The network looks at the last 24 values, brought to mean 0 and
deviation 1, and gives the next 12. How wrong it was on series it had not seen makes the width of its intervals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor

WINDOW, HORIZON = 24, 12
CALIBRATION = 500  # series kept for the width of intervals, and as many for the test
Numbers = NDArray[np.float64]
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Forecast:
    value: Numbers
    lower: Numbers
    upper: Numbers


@dataclass(frozen=True)
class Forecaster:
    network: MLPRegressor
    misses: Numbers  # a row a calibration series, a column a step: how far off, in deviations
    test_error: float
    skill: float  # 0: no better than repeating the last value; 1: never wrong

    def forecast(self, values: Sequence[float], *, steps: int, level: float) -> Forecast:
        window = np.asarray(values[-WINDOW:], dtype=float)
        mean, deviation = window.mean(), max(window.std(), 1e-9)
        value = self.network.predict([(window - mean) / deviation])[0][:steps] * deviation + mean
        # Widths never shrink with the steps: noise of the calibration must not look like knowledge.
        width = np.maximum.accumulate(np.quantile(self.misses, level, axis=0))[:steps] * deviation
        return Forecast(value, value - width, value + width)


def fit(
    *,
    epochs: int,
    series: int,
    noise: float,
    hidden_units: int,
    seed: int,
    on_epoch: OnEpoch = lambda _epoch, _metrics: None,
) -> Forecaster:
    chance = np.random.default_rng(seed)
    past, future = made_up(chance, series, noise)
    calibration_past, calibration_future = made_up(chance, CALIBRATION, noise)
    test_past, test_future = made_up(chance, CALIBRATION, noise)
    naive_error = _error(np.repeat(test_past[:, -1:], HORIZON, axis=1), test_future)
    network = MLPRegressor(hidden_layer_sizes=(hidden_units,), learning_rate_init=0.005, random_state=seed)
    test_error = naive_error
    for epoch in range(1, epochs + 1):
        network.partial_fit(past, future)
        test_error = _error(network.predict(test_past), test_future)
        on_epoch(
            epoch,
            {"train_loss": float(network.loss_), "test_error": test_error, "skill": 1 - test_error / naive_error},
        )
    misses = np.abs(network.predict(calibration_past) - calibration_future)
    return Forecaster(network, misses, test_error, 1 - test_error / naive_error)


def built_in() -> Forecaster:
    """Until somebody trains: the same each time, ready in about two seconds."""
    return fit(epochs=40, series=8_000, noise=0.2, hidden_units=64, seed=0)


def made_up(chance: np.random.Generator, series: int, noise: float) -> tuple[Numbers, Numbers]:
    """Past and future of so many series, each brought to mean 0 and deviation 1 of its past."""
    time = np.arange(WINDOW + HORIZON)
    slope, amplitude = chance.normal(0, 0.08, (series, 1)), chance.uniform(0, 1.5, (series, 1))
    period, phase = chance.uniform(4, 24, (series, 1)), chance.uniform(0, 2 * np.pi, (series, 1))
    values = slope * time + amplitude * np.sin(2 * np.pi * time / period + phase)
    values += chance.normal(0, noise + 1e-6, values.shape) * chance.uniform(0, 2, (series, 1))
    past = values[:, :WINDOW]
    mean, deviation = past.mean(axis=1, keepdims=True), past.std(axis=1, keepdims=True)
    scaled = (values - mean) / np.maximum(deviation, 1e-9)
    return scaled[:, :WINDOW], scaled[:, WINDOW:]


def _error(forecast: Numbers, truth: Numbers) -> float:
    return float(np.abs(forecast - truth).mean())
