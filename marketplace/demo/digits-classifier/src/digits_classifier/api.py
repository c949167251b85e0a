"""What DEEPaaS calls. Arguments, their ranges and their help become the module's web form."""

import io
import time
from typing import Any

from deepaas.model.v2.wrapper import UploadedFile
from PIL import Image, UnidentifiedImageError
from webargs import fields, validate

from . import files, tracking
from .about import get_metadata
from .guard import BadInput, guarded
from .model import LABELS, Digits, built_in, chart, fit, pixels_of, shipped
from .weights import UnreadableWeights, Weights

__all__ = ["get_metadata", "get_predict_args", "get_train_args", "predict", "train", "warm"]

weights = Weights("digits.joblib", built_in)


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
        # Exactly fields.Field: deepaas-cli knows a file by that.
        "image": fields.Field(
            required=True,
            metadata={"type": "file", "location": "form", "description": "An image (PNG, JPEG, …) of one digit."},
        ),
        "accept": fields.Str(
            load_default="application/json",
            validate=validate.OneOf(["application/json", "image/png"]),
            metadata={
                "location": "headers",
                "description": "Form of the answer: the probabilities, or an image with what the network saw.",
            },
        ),
    }


@guarded()
def predict(image: UploadedFile, accept: str = "application/json") -> dict[str, Any] | bytes:
    pixels = pixels_of(_open(image))
    probabilities = weights.current().probabilities(pixels)
    if accept == "image/png":
        buffer = io.BytesIO()
        chart(pixels, probabilities).save(buffer, "PNG")
        return buffer.getvalue()
    return {
        "label": LABELS[probabilities.argmax()],
        "labels": LABELS,
        "probabilities": [round(float(probability), 6) for probability in probabilities],
    }


def get_train_args() -> dict[str, fields.Field]:
    return {
        "epochs": fields.Int(
            load_default=20,
            validate=validate.Range(min=1, max=500),
            metadata={"description": "How often the network sees all digits that it learns from."},
        ),
        "hidden_units": fields.Int(
            load_default=48,
            validate=validate.Range(min=4, max=512),
            metadata={"description": "Neurons in the hidden layer; more learn finer shapes and take longer."},
        ),
        "learning_rate": fields.Float(
            load_default=0.01,
            validate=validate.Range(min=0.0001, max=0.5),
            metadata={"description": "Size of each learning step; too large and it never settles."},
        ),
        "seed": fields.Int(
            load_default=0,
            validate=validate.Range(min=0, max=2**31 - 1),
            metadata={"description": "The same seed gives the same network again."},
        ),
        "run_name": fields.Str(
            load_default="digits",
            validate=validate.Length(min=1, max=100),
            metadata={"description": "Name of the run in MLflow."},
        ),
        "data_folder": fields.Str(
            load_default="",
            validate=validate.Length(max=500),
            metadata={
                "description": "Learn from your own digits: a folder of an attached storage, as files/digits, with CSV"
                " files (64 grey values from 0 to 16 a line, then the digit) or with images in folders 0 to 9."
                " Empty: the 1,797 digits that come with it."
            },
        ),
        "weights_folder": fields.Str(
            load_default="",
            validate=validate.Length(max=500),
            metadata={
                "description": "Keep the weights for other programs, too: a folder of an attached storage, as"
                " files/weights. Each training writes a file of its own there, for numpy."
            },
        ),
    }


@guarded(get_train_args)
def train(
    epochs: int,
    hidden_units: int,
    learning_rate: float,
    seed: int,
    run_name: str,
    data_folder: str,
    weights_folder: str,
) -> dict[str, Any]:
    started = time.monotonic()
    choices = {"epochs": epochs, "hidden_units": hidden_units, "learning_rate": learning_rate, "seed": seed}
    digits, source = _learn_from(data_folder)
    keep = files.writable(files.Folder("weights_folder", weights_folder)) if weights_folder else None
    with tracking.run(run_name, choices, [source]) as run:
        classifier = fit(
            epochs=epochs,
            hidden_units=hidden_units,
            learning_rate=learning_rate,
            seed=seed,
            on_epoch=run.log,
            learn_from=digits,
        )
        path = weights.save(classifier)
        kept = {"kept": f"{weights_folder}/{files.export(classifier, keep, run_name).name}"} if keep else {}
    return {
        "test_accuracy": classifier.test_accuracy,
        "digits": len(digits[1]),
        "epochs": epochs,
        "seconds": round(time.monotonic() - started, 2),
        "weights": path.name,
        "run_id": run.id,
        **kept,
    }


def _learn_from(data_folder: str) -> tuple[Digits, tracking.Entry]:
    if not data_folder:
        return shipped(), tracking.data("digits", "scikit-learn: load_digits")
    digits, content = files.read(files.Folder("data_folder", data_folder))
    return digits, tracking.data(data_folder, f"storage: {data_folder}", content)


def _open(upload: UploadedFile) -> Image.Image:
    try:
        picture = Image.open(upload.filename)
        picture.load()
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise BadInput(image="This file is not an image that can be read; take a PNG or JPEG.") from None
    return picture
