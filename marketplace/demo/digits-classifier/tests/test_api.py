"""What this module promises, by calling its functions."""

import shutil
from pathlib import Path

import pytest
from deepaas.model.v2.wrapper import UploadedFile

from digits_classifier import api
from digits_classifier.guard import BadInput

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.fixture
def upload(tmp_path: Path):
    def upload(source: Path) -> UploadedFile:
        copy = shutil.copy(source, tmp_path / "upload")
        return UploadedFile("image", str(copy), "image/png", source.name)

    return upload


def test_a_seven_is_a_seven(upload) -> None:
    answer = api.predict(image=upload(SAMPLES / "seven.png"))
    assert answer["label"] == "7"
    assert len(answer["labels"]) == len(answer["probabilities"]) == 10
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)


def test_the_answer_can_be_an_image(upload) -> None:
    assert api.predict(image=upload(SAMPLES / "seven.png"), accept="image/png").startswith(b"\x89PNG")


def test_what_is_no_image_is_refused_with_a_sentence_and_removed(upload, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="image: This file is not an image"):
        api.predict(image=upload(SAMPLES / "predict.json"))
    assert not (tmp_path / "upload").exists()


def test_training_reaches_a_fair_accuracy_and_its_weights_answer(upload) -> None:
    before = api.predict(image=upload(SAMPLES / "seven.png"))
    result = api.train(epochs=3)
    assert result["test_accuracy"] > 0.7
    assert api.predict(image=upload(SAMPLES / "seven.png")) != before


def test_training_refuses_what_is_out_of_range() -> None:
    with pytest.raises(BadInput, match="epochs"):
        api.train(epochs=0)
