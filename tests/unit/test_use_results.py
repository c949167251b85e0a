"""What a page shows of a module's answer."""

import json
import math
from typing import Any

import pytest

from dashboard.use.charts import chart
from dashboard.use.results import Block, Result, node, result_of
from jobs.deepaas.client import Answer


def shown(value: Any) -> list[Block]:
    return list(result(json.dumps(value).encode()).blocks)


def result(content: bytes, media_type: str = "application/json") -> Result:
    return result_of(Answer(media_type, content))


@pytest.mark.parametrize(
    "value",
    [
        {"labels": ["a", "b"], "probabilities": [0.2, 0.8]},
        {"predictions": {"classes": ["a", "b"], "scores": [0.2, 0.8]}, "status": "OK"},
        [{"label": "a", "score": 0.2}, {"label": "b", "score": 0.8}],
        {"a": 0.2, "b": 0.8},
        {"status": "OK", "predictions": '{"a": 0.2, "b": 0.8}'},
    ],
)
def test_class_scores_are_bars_in_each_shape(value: Any) -> None:
    assert [(bar.label, bar.percent, bar.text) for bar in shown(value)[0].bars] == [
        ("b", 80, "80.0%"),
        ("a", 20, "20.0%"),
    ]


def test_what_stands_beside_the_scores_is_shown_too() -> None:
    [block] = shown({"label": "b", "labels": ["a", "b"], "probabilities": [0.2, 0.8]})
    assert len(block.bars) == 2
    assert block.facts == [("label", "b")]


def test_rows_are_a_table_and_a_series_of_them_a_chart_with_its_band() -> None:
    rows = [{"step": step, "value": step * 2.0, "lower": step, "upper": step * 3} for step in range(1, 5)]
    facts, block = shown({"level": 0.9, "forecast": rows})
    assert facts.facts == [("level", "0.9")]
    assert block.table
    assert list(block.table.columns) == ["step", "value", "lower", "upper"]
    assert block.chart
    assert [line.name for line in block.chart.lines] == ["value"]
    assert block.chart.band
    assert (block.chart.first, block.chart.last, block.chart.top) == ("1", "4", "12")


def test_boxes_on_an_image_are_a_table_and_no_chart() -> None:
    [block] = shown([{"class": "cat", "x1": 3, "score": 0.9}, {"class": "dog", "x1": 7, "score": 0.8}])
    assert block.table
    assert block.chart is None


def test_numbers_are_a_chart() -> None:
    [block] = shown([1, 2.5, 2])
    assert block.chart
    assert len(block.chart.lines[0].points.split()) == 3


@pytest.mark.parametrize("value", ["hello", 3, None, True, [1, "a"], [1, 2]])
def test_small_things_are_text(value: Any) -> None:
    assert shown(value)[0].text


@pytest.mark.parametrize("value", [{}, [], [[1, 2], [3, 4]], {"a": {"b": {"c": 1}}}, [{}], {"": ""}, [[[]]]])
def test_odd_shapes_have_their_tree(value: Any) -> None:
    assert result(json.dumps(value).encode()).tree


def test_nan_breaks_nothing() -> None:
    found = result(b'{"predictions": [1, NaN, 3, Infinity]}')
    assert found.blocks[0].chart
    assert "nan" not in found.blocks[0].chart.lines[0].points
    assert chart({"a": [math.nan, math.nan]}) is None


def test_very_large_numbers_break_nothing() -> None:
    assert chart({"a": [-1.7e308, 1.7e308]})


def test_a_large_answer_is_cut_where_a_page_would_suffer() -> None:
    [block] = shown([{"a": number} for number in range(5_000)])
    assert block.table
    assert (len(block.table.rows), block.table.left_out) == (200, 4_800)
    tree = node("", list(range(5_000)), [100])
    assert tree.children[-1].key == "…"
    huge = result(b"x" * 9_000_000)
    assert "too large" in huge.blocks[0].text
    assert not huge.download


def test_deep_data_ends() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    assert result(json.dumps(value).encode()).tree


def test_an_image_by_any_name_is_an_image() -> None:
    for media_type in ("image/png", "image/*", "*/*", "application/octet-stream", ""):
        found = result(b"\x89PNG123", media_type)
        assert found.blocks[0].source == "data:image/png;base64,iVBORzEyMw=="
        assert found.file_name == "answer.png"


def test_csv_is_a_table() -> None:
    [block] = result(b"step,value\n1,2.5\n2,3\n3,4\n", "text/csv").blocks
    assert block.table
    assert block.table.rows[0] == ["1", "2.5"]
    assert block.chart


def test_ragged_csv_is_shown_all_the_same() -> None:
    assert result(b"a,b\n1\n1,2,3\n", "text/csv").blocks[0].table


@pytest.mark.parametrize(
    ("media_type", "ending"), [("application/zip", "zip"), ("application/json", "json"), ("audio/wav", "wav")]
)
def test_each_answer_can_be_kept(media_type: str, ending: str) -> None:
    found = result(b"{}", media_type)
    assert found.download.startswith(f"data:{media_type};base64,")
    assert found.file_name == f"answer.{ending}"
