"""The classifier itself: what is a sentence about? Learned from the few sentences of examples.py."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from .examples import EXAMPLES

LABELS = sorted(EXAMPLES)
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Classifier:
    words: HashingVectorizer
    line: SGDClassifier
    test_accuracy: float

    def probabilities(self, text: str) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self.line.predict_proba(self.words.transform([text]))[0]
        return found


def fit(
    *, epochs: int, regularisation: float, seed: int, on_epoch: OnEpoch = lambda _epoch, _metrics: None
) -> Classifier:
    sentences = [sentence for label in LABELS for sentence in EXAMPLES[label]]
    topics = [number for number, label in enumerate(LABELS) for _ in EXAMPLES[label]]
    split = train_test_split(sentences, topics, test_size=0.25, random_state=seed, stratify=topics)
    train_sentences, test_sentences, train_topics, test_topics = split
    words = HashingVectorizer(n_features=2**14, ngram_range=(3, 5), analyzer="char_wb", alternate_sign=False)
    line = SGDClassifier(loss="log_loss", alpha=regularisation, random_state=seed)
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        line.partial_fit(words.transform(train_sentences), train_topics, classes=np.arange(len(LABELS)))
        found = line.predict_proba(words.transform(test_sentences))
        accuracy = float(accuracy_score(test_topics, found.argmax(axis=1)))
        on_epoch(epoch, {"test_loss": float(log_loss(test_topics, found)), "test_accuracy": accuracy})
    return Classifier(words, line, accuracy)


def built_in() -> Classifier:
    """Until somebody trains: the same each time, ready at once."""
    return fit(epochs=20, regularisation=0.001, seed=0)
