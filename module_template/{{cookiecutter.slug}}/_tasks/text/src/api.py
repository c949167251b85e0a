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
        "text": fields.Str(
            required=True,
            validate=validate.Length(min=1, max=10_000),
            metadata={"description": "A sentence or a few, in English."},
        ),
    }


@guarded()
def predict(text: str) -> dict[str, Any]:
    probabilities = weights.current().probabilities(text)
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
            metadata={"description": "How often all training sentences are read."},
        ),
        "regularisation": fields.Float(
            load_default=0.001,
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
    learned_from = [tracking.data("examples", "examples.py of this module")]
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
