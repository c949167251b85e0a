"""Handwritten digits of 8 × 8 pixels, a part of them for each client, and a model small enough to read.

The parts are made by class: a client that has never seen a seven cannot learn it alone. What all models are measured
with lies apart and holds every class.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

PIXELS, CLASSES = 64, 10
SPLIT_SEED = 7  # of what is kept apart: the same for server and clients
FOR_TESTS = 400

Numbers = NDArray[np.float64]
Weights = list[Numbers]


@dataclass(frozen=True)
class Digits:
    images: Numbers
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def test_digits() -> Digits:
    """Nobody trains with these."""
    return _split()[1]


def part_of_digits(part: int, parts: int) -> Digits:
    """All examples of this part's classes: with two parts the even digits and the odd ones."""
    digits = _split()[0]
    mine = digits.labels % parts == part % parts
    return Digits(digits.images[mine], digits.labels[mine])


def new_weights(seed: int) -> Weights:
    random = np.random.default_rng(seed)
    return [random.normal(0, 0.01, (PIXELS, CLASSES)), np.zeros(CLASSES)]


def trained(weights: Weights, digits: Digits, *, epochs: int, learning_rate: float, mu: float = 0.0) -> Weights:
    """Softmax regression by plain gradient descent; ``mu`` pulls back to where it began (FedProx)."""
    start, (matrix, bias) = weights, [part.copy() for part in weights]
    wanted = np.eye(CLASSES)[digits.labels]
    for _epoch in range(epochs):
        error = (_chances([matrix, bias], digits.images) - wanted) / len(digits)
        matrix -= learning_rate * (digits.images.T @ error + mu * (matrix - start[0]))
        bias -= learning_rate * (error.sum(axis=0) + mu * (bias - start[1]))
    return [matrix, bias]


def loss(weights: Weights, digits: Digits) -> float:
    right = _chances(weights, digits.images)[np.arange(len(digits)), digits.labels]
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def accuracy(weights: Weights, digits: Digits) -> float:
    return float((_chances(weights, digits.images).argmax(axis=1) == digits.labels).mean())


def _chances(weights: Weights, images: Numbers) -> Numbers:
    scores = images @ weights[0] + weights[1]
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


@cache
def _split() -> tuple[Digits, Digits]:
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    apart, rest = order[:FOR_TESTS], order[FOR_TESTS:]
    images, labels = images / 16, labels.astype(np.int64)
    return Digits(images[rest], labels[rest]), Digits(images[apart], labels[apart])
