"""What this module promises, by calling its functions."""

import pytest

from PACKAGE import api
from PACKAGE.guard import BadInput

RAIN = "Heavy rain and a cold wind are expected tonight."


def test_rain_is_weather() -> None:
    answer = api.predict(text=RAIN)
    assert answer["label"] == "weather"
    assert len(answer["labels"]) == len(answer["probabilities"]) == 3
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)


def test_training_reaches_a_fair_accuracy_and_its_weights_answer() -> None:
    before = api.predict(text=RAIN)
    result = api.train(epochs=20, seed=3)
    assert result["test_accuracy"] > 0.5
    assert api.predict(text=RAIN) != before


def test_training_refuses_what_is_out_of_range() -> None:
    with pytest.raises(BadInput, match="epochs"):
        api.train(epochs=0)
