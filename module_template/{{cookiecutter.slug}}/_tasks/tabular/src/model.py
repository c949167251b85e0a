"""The classifier itself: which iris has these measures? Learned from the 150 flowers that scikit-learn ships."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

LABELS = ["setosa", "versicolor", "virginica"]
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Classifier:
    scaler: StandardScaler
    line: SGDClassifier
    test_accuracy: float

    def probabilities(self, measures: Sequence[float]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self.line.predict_proba(self.scaler.transform([measures]))[0]
        return found


def fit(
    *, epochs: int, regularisation: float, seed: int, on_epoch: OnEpoch = lambda _epoch, _metrics: None
) -> Classifier:
    measures, kinds = load_iris(return_X_y=True)
    split = train_test_split(measures, kinds, test_size=0.25, random_state=seed, stratify=kinds)
    train_measures, test_measures, train_kinds, test_kinds = split
    scaler = StandardScaler().fit(train_measures)
    line = SGDClassifier(loss="log_loss", alpha=regularisation, random_state=seed)
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        line.partial_fit(scaler.transform(train_measures), train_kinds, classes=np.arange(len(LABELS)))
        found = line.predict_proba(scaler.transform(test_measures))
        accuracy = float(accuracy_score(test_kinds, found.argmax(axis=1)))
        on_epoch(epoch, {"test_loss": float(log_loss(test_kinds, found)), "test_accuracy": accuracy})
    return Classifier(scaler, line, accuracy)


def built_in() -> Classifier:
    """Until somebody trains: the same each time, ready at once."""
    return fit(epochs=20, regularisation=0.01, seed=0)
