"""What this module promises, by calling its functions."""

import math

import numpy as np
import pytest

from trend_forecaster import api
from trend_forecaster.guard import BadInput
from trend_forecaster.model import made_up

WAVE = [20 + 6 * math.sin(2 * math.pi * step / 12) for step in range(48)]


def test_a_wave_goes_on() -> None:
    rows = api.predict(values=WAVE[:36], steps=12)["forecast"]
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert max(abs(row["value"] - truth) for row, truth in zip(rows, WAVE[36:], strict=True)) < 3


def test_growth_goes_on() -> None:
    rows = api.predict(values=[100 + 2.5 * step for step in range(30)], steps=12)["forecast"]
    assert rows[-1]["value"] > rows[0]["value"] > 170


def test_intervals_hold_the_truth_about_as_often_as_asked() -> None:
    past, future = made_up(np.random.default_rng(99), 300, 0.2)
    held = [
        row["lower"] <= truth <= row["upper"]
        for values, truths in zip(past, future, strict=True)
        for row, truth in zip(api.predict(values=list(values), level=0.9)["forecast"], truths, strict=True)
    ]
    assert 0.8 < np.mean(held) < 0.97


def test_to_be_surer_the_interval_is_wider() -> None:
    def width(level: float) -> float:
        row = api.predict(values=WAVE, level=level)["forecast"][0]
        return row["upper"] - row["lower"]

    assert width(0.5) < width(0.9) < width(0.99)


def test_a_series_that_never_moves_stays_where_it_is() -> None:
    assert api.predict(values=[7.0] * 24, steps=1)["forecast"][0]["value"] == pytest.approx(7)


def test_the_answer_can_be_a_table() -> None:
    head, first, *_ = api.predict(values=WAVE, accept="text/csv").decode().splitlines()
    assert head == "step,value,lower,upper"
    assert first.startswith("1,")


def test_training_beats_repeating_the_last_value_and_its_weights_answer() -> None:
    before = api.predict(values=WAVE)
    result = api.train(epochs=5, series=2_000)
    assert result["skill"] > 0.3
    assert api.predict(values=WAVE) != before


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"series": 3}, {"noise": -1}])
def test_training_refuses_what_is_out_of_range(wrong) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        api.train(**wrong)
