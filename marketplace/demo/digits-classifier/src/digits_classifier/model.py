"""The classifier itself: a small neural network over the 8 × 8 digits that scikit-learn ships."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

SIDE = 8
LABELS = [str(digit) for digit in range(10)]
Pixels = NDArray[np.float64]
# Images as rows of values from 0 to 1, and which digits they show.
Digits = tuple[NDArray[np.float64], NDArray[np.int64]]
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Classifier:
    network: MLPClassifier
    test_accuracy: float

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self.network.predict_proba(pixels.reshape(1, -1))[0]
        return found


def shipped() -> Digits:
    """The 1,797 that scikit-learn ships."""
    images, digits = load_digits(return_X_y=True)
    return images / 16, digits


def fit(
    *,
    epochs: int,
    hidden_units: int,
    learning_rate: float,
    seed: int,
    on_epoch: OnEpoch = lambda _epoch, _metrics: None,
    learn_from: Digits | None = None,
) -> Classifier:
    images, digits = learn_from or shipped()
    split = train_test_split(images, digits, test_size=0.25, random_state=seed, stratify=digits)
    train_images, test_images, train_digits, test_digits = split
    network = MLPClassifier((hidden_units,), learning_rate_init=learning_rate, random_state=seed)
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        network.partial_fit(train_images, train_digits, classes=np.arange(10))
        found = network.predict_proba(test_images)
        accuracy = float(accuracy_score(test_digits, found.argmax(axis=1)))
        test_loss = float(log_loss(test_digits, found, labels=np.arange(10)))
        loss = {"train_loss": float(network.loss_), "test_loss": test_loss}
        on_epoch(epoch, {**loss, "test_accuracy": accuracy})
    return Classifier(network, accuracy)


def built_in() -> Classifier:
    """Until somebody trains: the same each time, ready in about a second."""
    return fit(epochs=30, hidden_units=48, learning_rate=0.01, seed=0)


def pixels_of(picture: Image.Image) -> Pixels:
    """The digit as the training data shows them: bright on dark, cut out, filling 8 × 8, values from 0 to 1."""
    flat = Image.new("RGBA", picture.size, "white")
    flat.alpha_composite(picture.convert("RGBA"))
    grey = ImageOps.autocontrast(flat.convert("L"))
    if np.asarray(grey).mean() > 127:  # more paper than ink
        grey = ImageOps.invert(grey)
    box = grey.point(lambda value: 255 * (value > 64)).getbbox()
    digit = grey.crop(box) if box else grey
    square = ImageOps.pad(digit, (SIDE * 8, SIDE * 8), Image.Resampling.BICUBIC)
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=float) / 255


def chart(pixels: Pixels, probabilities: NDArray[np.float64]) -> Image.Image:
    """What the network saw, and beside it a bar for each digit."""
    page = Image.new("RGB", (400, 220), "white")
    seen = Image.fromarray((255 - pixels * 255).astype("uint8")).resize((160, 160), Image.Resampling.NEAREST)
    page.paste(seen, (20, 30))
    draw = ImageDraw.Draw(page)
    for digit, probability in enumerate(probabilities):
        top = 14 + digit * 20
        colour = "#206bc4" if digit == probabilities.argmax() else "#a5bfdd"
        draw.text((200, top), LABELS[digit], fill="#182433")
        draw.rectangle((216, top, 216 + max(1, round(130 * float(probability))), top + 12), fill=colour)
        draw.text((356, top), f"{probability:.0%}", fill="#182433")
    return page
