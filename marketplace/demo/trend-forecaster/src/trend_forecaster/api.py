"""What DEEPaaS calls. Arguments, their ranges and their help become the module's web form."""

import csv
import io
import time
from typing import Any

from webargs import fields, validate

from . import tracking
from .about import get_metadata
from .guard import guarded
from .model import HORIZON, WINDOW, built_in, fit
from .weights import UnreadableWeights, Weights

__all__ = ["get_metadata", "get_predict_args", "get_train_args", "predict", "train", "warm"]

weights = Weights("forecaster.joblib", built_in)


def warm() -> None:
    """Called once in each worker before the first prediction."""
    tracking.send_left_overs()
    try:
        weights.current()
    except UnreadableWeights as error:
        # Predictions will say the same; a service that does not even start would say nothing.
        print(error, flush=True)


def get_predict_args() -> dict[str, fields.Field]:
    return {
        "values": fields.List(
            fields.Float(),
            required=True,
            validate=validate.Length(min=WINDOW, max=5_000),
            metadata={"description": f"The series so far, oldest first; at least {WINDOW} numbers at even distances."},
        ),
        "steps": fields.Int(
            load_default=HORIZON,
            validate=validate.Range(min=1, max=HORIZON),
            metadata={"description": "How many values to look ahead."},
        ),
        "level": fields.Float(
            load_default=0.9,
            validate=validate.Range(min=0.5, max=0.99),
            metadata={"description": "How sure: the share of true values that the interval should hold."},
        ),
        "accept": fields.Str(
            load_default="application/json",
            validate=validate.OneOf(["application/json", "text/csv"]),
            metadata={"location": "headers", "description": "Form of the answer: JSON, or a table for a spreadsheet."},
        ),
    }


@guarded()
def predict(
    values: list[float], steps: int = HORIZON, level: float = 0.9, accept: str = "application/json"
) -> dict[str, Any] | bytes:
    found = weights.current().forecast(values, steps=steps, level=level)
    rows = [
        {"step": step, "value": float(value), "lower": float(lower), "upper": float(upper)}
        for step, (value, lower, upper) in enumerate(zip(found.value, found.lower, found.upper, strict=True), start=1)
    ]
    return _table(rows) if accept == "text/csv" else {"level": level, "forecast": rows}


def get_train_args() -> dict[str, fields.Field]:
    return {
        "epochs": fields.Int(
            load_default=40,
            validate=validate.Range(min=1, max=500),
            metadata={"description": "How often the network sees all series."},
        ),
        "series": fields.Int(
            load_default=8_000,
            validate=validate.Range(min=200, max=50_000),
            metadata={"description": "How many series are made up to learn from."},
        ),
        "noise": fields.Float(
            load_default=0.2,
            validate=validate.Range(min=0, max=1),
            metadata={"description": "How noisy they are; choose it like the noise of your own series."},
        ),
        "hidden_units": fields.Int(
            load_default=64,
            validate=validate.Range(min=4, max=512),
            metadata={"description": "Neurons in the hidden layer."},
        ),
        "seed": fields.Int(
            load_default=0,
            validate=validate.Range(min=0, max=2**31 - 1),
            metadata={"description": "The same seed gives the same forecaster again."},
        ),
        "run_name": fields.Str(
            load_default="forecaster",
            validate=validate.Length(min=1, max=100),
            metadata={"description": "Name of the run in MLflow."},
        ),
    }


@guarded(get_train_args)
def train(epochs: int, series: int, noise: float, hidden_units: int, seed: int, run_name: str) -> dict[str, Any]:
    started = time.monotonic()
    choices = {"epochs": epochs, "series": series, "noise": noise, "hidden_units": hidden_units, "seed": seed}
    learned_from = [tracking.data("made-up series", f"series {series}, noise {noise}, seed {seed}")]
    with tracking.run(run_name, choices, learned_from) as run:
        forecaster = fit(
            epochs=epochs, series=series, noise=noise, hidden_units=hidden_units, seed=seed, on_epoch=run.log
        )
        path = weights.save(forecaster)
    return {
        "test_error": forecaster.test_error,
        "skill": forecaster.skill,
        "epochs": epochs,
        "seconds": round(time.monotonic() - started, 2),
        "weights": path.name,
        "run_id": run.id,
    }


def _table(rows: list[dict[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["step", "value", "lower", "upper"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
