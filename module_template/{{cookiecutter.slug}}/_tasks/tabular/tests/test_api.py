"""What this module promises, by calling its functions."""

import pytest

from PACKAGE import api
from PACKAGE.guard import BadInput

SMALL = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def test_small_petals_are_a_setosa() -> None:
    answer = api.predict(**SMALL)
    assert answer["label"] == "setosa"
    assert len(answer["labels"]) == len(answer["probabilities"]) == 3
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)


def test_training_reaches_a_fair_accuracy_and_its_weights_answer() -> None:
    before = api.predict(**SMALL)
    result = api.train(epochs=5, seed=3)
    assert result["test_accuracy"] > 0.7
    assert api.predict(**SMALL) != before


def test_training_refuses_what_is_out_of_range() -> None:
    with pytest.raises(BadInput, match="epochs"):
        api.train(epochs=0)
