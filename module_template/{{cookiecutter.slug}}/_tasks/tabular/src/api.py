"""What DEEPaaS calls. Arguments, their ranges and their help become the module's web form."""

import time
from typing import Any

from webargs import fields, validate

from . import tracking
from .about import get_metadata
from .guard import guarded
from .model import LABELS, built_in, fit
from .weights import UnreadableWeights, Weights

__all__ = ["get_metadata", "get_predict_args", "get_train_args", "predict", "train", "warm"]

weights = Weights("weights.joblib", built_in)


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
        "sepal_length": _centimetres("Length of a sepal in centimetres.", most=10),
        "sepal_width": _centimetres("Width of a sepal in centimetres.", most=6),
        "petal_length": _centimetres("Length of a petal in centimetres.", most=10),
        "petal_width": _centimetres("Width of a petal in centimetres.", most=6),
    }


@guarded()
def predict(sepal_length: float, sepal_width: float, petal_length: float, petal_width: float) -> dict[str, Any]:
    probabilities = weights.current().probabilities([sepal_length, sepal_width, petal_length, petal_width])
    return {
        "label": LABELS[probabilities.argmax()],
        "labels": LABELS,
        "probabilities": [round(float(probability), 6) for probability in probabilities],
    }


def get_train_args() -> dict[str, fields.Field]:
    return {
        "epochs": fields.Int(
            load_default=20,
            validate=validate.Range(min=1, max=10_000),
            metadata={"description": "How often all training flowers are looked at."},
        ),
        "regularisation": fields.Float(
            load_default=0.01,
            validate=validate.Range(min=0.000001, max=1),
            metadata={"description": "How strongly simple answers are preferred."},
        ),
        "seed": fields.Int(
            load_default=0,
            validate=validate.Range(min=0, max=2**31 - 1),
            metadata={"description": "The same seed gives the same model again."},
        ),
        "run_name": fields.Str(
            load_default="training",
            validate=validate.Length(min=1, max=100),
            metadata={"description": "Name of the run in MLflow."},
        ),
    }


@guarded(get_train_args)
def train(epochs: int, regularisation: float, seed: int, run_name: str) -> dict[str, Any]:
    started = time.monotonic()
    choices = {"epochs": epochs, "regularisation": regularisation, "seed": seed}
    learned_from = [tracking.data("iris", "scikit-learn: load_iris")]
    with tracking.run(run_name, choices, learned_from) as run:
        classifier = fit(epochs=epochs, regularisation=regularisation, seed=seed, on_epoch=run.log)
        path = weights.save(classifier)
    return {
        "test_accuracy": classifier.test_accuracy,
        "epochs": epochs,
        "seconds": round(time.monotonic() - started, 2),
        "weights": path.name,
        "run_id": run.id,
    }


def _centimetres(description: str, most: float) -> fields.Field:
    return fields.Float(required=True, validate=validate.Range(min=0, max=most), metadata={"description": description})
