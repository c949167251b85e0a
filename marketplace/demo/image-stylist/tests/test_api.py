"""What this module promises, by calling its functions."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from deepaas.model.v2.wrapper import UploadedFile
from PIL import Image

from image_stylist import api
from image_stylist.guard import BadInput

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.fixture
def upload(tmp_path: Path):
    def upload(name: str) -> UploadedFile:
        copy = shutil.copy(SAMPLES / name, tmp_path / "upload")
        return UploadedFile("image", str(copy), "image/png", name)

    return upload


def colours_of(answer: bytes) -> set[tuple[int, ...]]:
    picture = np.asarray(Image.open(io.BytesIO(answer)).convert("RGB"))
    return {tuple(int(part) for part in colour) for colour in np.unique(picture.reshape(-1, 3), axis=0)}


def test_the_painted_image_has_only_colours_of_the_palette(upload) -> None:
    learned = {tuple(map(int, colour)) for colour in api.weights.current().colours}
    assert 2 < len(colours_of(api.predict(image=upload("evening.png")))) <= 12
    assert colours_of(api.predict(image=upload("evening.png"))) <= learned


def test_without_strength_it_is_the_image_given(upload) -> None:
    answer = api.predict(image=upload("evening.png"), strength=0.0)
    given = Image.open(SAMPLES / "evening.png").convert("RGB")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer))), np.asarray(given))


def test_a_large_image_is_scaled_down(upload) -> None:
    answer = api.predict(image=upload("evening.png"), longest_side=64)
    assert max(Image.open(io.BytesIO(answer)).size) == 64


def test_the_shares_of_all_colours_are_the_whole_image(upload) -> None:
    answer = api.predict(image=upload("bowl.png"), accept="application/json")
    assert sum(row["share"] for row in answer["colours"]) == pytest.approx(1, abs=1e-3)
    assert answer["colours"][0]["share"] >= answer["colours"][-1]["share"]


def test_what_is_no_image_is_refused_with_a_sentence_and_removed(upload, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="image: This file is not an image"):
        api.predict(image=upload("predict.json"))
    assert not (tmp_path / "upload").exists()


def test_a_learned_palette_paints_the_next_image(upload) -> None:
    result = api.train(colours=3, picture="flower", epochs=2)
    assert len(result["palette"]) == 3
    assert len(colours_of(api.predict(image=upload("evening.png")))) <= 3


def test_more_colours_come_closer() -> None:
    assert api.train(colours=24, epochs=2)["test_distance"] < api.train(colours=4, epochs=2)["test_distance"]


@pytest.mark.parametrize("wrong", [{"colours": 1}, {"picture": "mine"}, {"epochs": "many"}])
def test_training_refuses_what_it_cannot_do(wrong) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        api.train(**wrong)
