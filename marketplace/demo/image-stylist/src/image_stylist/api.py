"""What DEEPaaS calls. Arguments, their ranges and their help become the module's web form."""

import io
import time
from typing import Any

from deepaas.model.v2.wrapper import UploadedFile
from PIL import Image, ImageOps, UnidentifiedImageError
from webargs import fields, validate

from . import tracking
from .about import get_metadata
from .guard import BadInput, guarded
from .model import PICTURES, built_in, fit, hexadecimal
from .weights import UnreadableWeights, Weights

__all__ = ["get_metadata", "get_predict_args", "get_train_args", "predict", "train", "warm"]

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
weights = Weights("palette.joblib", built_in)


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
            metadata={"type": "file", "location": "form", "description": "The image (PNG, JPEG, …) to repaint."},
        ),
        "strength": fields.Float(
            load_default=1.0,
            validate=validate.Range(min=0, max=1),
            metadata={"description": "From 0, your image as it is, to 1, only colours of the palette."},
        ),
        "dithering": fields.Bool(
            load_default=False,
            metadata={"description": "Mix colours by fine dots, as newspapers do, instead of plain areas."},
        ),
        "longest_side": fields.Int(
            load_default=1024,
            validate=validate.Range(min=32, max=4096),
            metadata={"description": "Larger images are scaled down to this many pixels."},
        ),
        "accept": fields.Str(
            load_default="image/png",
            validate=validate.OneOf(["image/png", "image/jpeg", "application/json"]),
            metadata={
                "location": "headers",
                "description": "Form of the answer: the repainted image, or how much of each colour it takes.",
            },
        ),
    }


@guarded()
def predict(
    image: UploadedFile,
    strength: float = 1.0,
    dithering: bool = False,
    longest_side: int = 1024,
    accept: str = "image/png",
) -> dict[str, Any] | bytes:
    picture = _open(image, longest_side)
    palette = weights.current()
    # Anything (*/*), which curl asks for, is answered in JSON by DEEPaaS itself.
    if accept not in FORMATS:
        shares = palette.shares(picture)
        return {
            "width": picture.width,
            "height": picture.height,
            "learned_from": palette.learned_from,
            "colours": [{"colour": colour, "share": round(share, 4)} for colour, share in shares],
        }
    buffer = io.BytesIO()
    palette.repaint(picture, strength=strength, dithering=dithering).save(buffer, FORMATS[accept], quality=90)
    return buffer.getvalue()


def get_train_args() -> dict[str, fields.Field]:
    return {
        "colours": fields.Int(
            load_default=12,
            validate=validate.Range(min=2, max=64),
            metadata={"description": "How many colours the palette has; few look like a poster."},
        ),
        "picture": fields.Str(
            load_default="both",
            validate=validate.OneOf(list(PICTURES)),
            metadata={
                "enum": list(PICTURES),
                "description": "Where the colours come from: a temple under a blue sky, a red flower, or both.",
            },
        ),
        "epochs": fields.Int(
            load_default=10,
            validate=validate.Range(min=1, max=200),
            metadata={"description": "How often 20,000 pixels are drawn to move the colours."},
        ),
        "seed": fields.Int(
            load_default=0,
            validate=validate.Range(min=0, max=2**31 - 1),
            metadata={"description": "The same seed gives the same palette again."},
        ),
        "run_name": fields.Str(
            load_default="palette",
            validate=validate.Length(min=1, max=100),
            metadata={"description": "Name of the run in MLflow."},
        ),
    }


@guarded(get_train_args)
def train(colours: int, picture: str, epochs: int, seed: int, run_name: str) -> dict[str, Any]:
    started = time.monotonic()
    choices = {"colours": colours, "picture": picture, "epochs": epochs, "seed": seed}
    learned_from = [tracking.data(picture, f"scikit-learn: load_sample_image({picture})")]
    with tracking.run(run_name, choices, learned_from) as run:
        palette = fit(colours=colours, picture=picture, epochs=epochs, seed=seed, on_epoch=run.log)
        path = weights.save(palette)
    return {
        "test_distance": palette.distance,
        "palette": [hexadecimal(colour) for colour in palette.colours],
        "epochs": epochs,
        "seconds": round(time.monotonic() - started, 2),
        "weights": path.name,
        "run_id": run.id,
    }


def _open(upload: UploadedFile, longest_side: int) -> Image.Image:
    try:
        picture = ImageOps.exif_transpose(Image.open(upload.filename)).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise BadInput(image="This file is not an image that can be read; take a PNG or JPEG.") from None
    picture.thumbnail((longest_side, longest_side))
    return picture
