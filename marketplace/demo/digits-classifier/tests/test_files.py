"""Learning from files of an attached storage, and keeping weights there."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from digits_classifier import api, files
from digits_classifier.guard import BadInput

SAMPLES = Path(__file__).parent.parent / "samples"
BLANK = ",".join(["0"] * 64)


@pytest.fixture
def attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage that is attached as ``files``."""
    folder = tmp_path / "storages" / "files"
    folder.mkdir(parents=True)
    monkeypatch.setenv("SERAI_STORAGES_DIR", str(folder.parent))
    return folder


def table(file: Path, rows: int = 400, heading: str = "") -> Path:
    images, digits = load_digits(return_X_y=True)
    lines = [",".join(f"{value:g}" for value in (*image, digit)) for image, digit in zip(images, digits, strict=True)]
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join([*([heading] if heading else []), *lines[:rows]]) + "\n")
    return file


def refused(**arguments: str) -> str:
    with pytest.raises(BadInput) as caught:
        api.train(epochs=1, **arguments)
    return str(caught.value)


# ── What it learns from ──────────────────────────────────────────────────────────────────────────
def test_it_learns_from_a_table(attached: Path) -> None:
    table(attached / "digits" / "mine.csv")
    result = api.train(epochs=20, data_folder="files/digits")
    assert result["digits"] == 400
    assert result["test_accuracy"] > 0.8


def test_all_tables_of_a_folder_count_with_headings_and_empty_lines(attached: Path) -> None:
    table(attached / "one.csv", 100, ",".join([f"pixel{n}" for n in range(64)] + ["digit"]))
    table(attached / "two.CSV", 150).open("a").write("\n\n")
    shutil.copy(SAMPLES / "seven.png", attached / "notes.txt")
    assert api.train(epochs=1, data_folder="files")["digits"] == 250


def test_it_learns_from_images_in_folders_named_by_their_digit(attached: Path) -> None:
    for digit, name in (("7", "seven"), ("3", "three")):
        (attached / digit).mkdir()
        for number in range(4):
            shutil.copy(SAMPLES / f"{name}.png", attached / digit / f"{number}.png")
    (attached / "7" / ".DS_Store").write_bytes(b"not an image")
    assert api.train(epochs=30, data_folder="files")["test_accuracy"] == 1


def test_a_digit_that_changed_is_other_data(attached: Path) -> None:
    file = table(attached / "a.csv", 100)
    folder = files.Folder("data_folder", "files")
    before, again = files.read(folder)[1], files.read(folder)[1]
    file.write_text(file.read_text().replace("0,", "1,", 1))
    assert before == again != files.read(folder)[1]


# ── What it says of files that are not right ─────────────────────────────────────────────────────
def test_without_an_attached_storage_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERAI_STORAGES_DIR", raising=False)
    assert refused(data_folder="files") == "data_folder: No storage is attached. Attach one, or leave this empty."
    assert "weights_folder: No storage" in refused(weights_folder="files")


@pytest.mark.usefixtures("attached")
@pytest.mark.parametrize("name", ["/etc", "../files", "files/../../x"])
def test_no_name_leads_out(name: str) -> None:
    assert "Name a folder below what is attached" in refused(data_folder=name)


@pytest.mark.usefixtures("attached")
def test_another_storage_than_those_attached_is_told_with_their_names() -> None:
    assert "attached is: files." in refused(data_folder="photos/digits")


@pytest.mark.usefixtures("attached")
def test_a_missing_folder_is_named() -> None:
    assert "There is no folder “files/digits”" in refused(data_folder="files/digits")


def test_a_folder_without_digits_says_what_belongs_there(attached: Path) -> None:
    (attached / "readme.txt").write_text("nothing here")
    assert "neither CSV files nor folders 0 to 9" in refused(data_folder="files")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (BLANK, "bad.csv, line 2: there are 64 columns in place of 65"),
        (f"{BLANK},0,1", "bad.csv, line 2: there are 66 columns"),
        (f"{BLANK[:-1]}17,1", "bad.csv, line 2, column 64: “17” is no number from 0 to 16"),
        (f"{BLANK[:-1]}x,1", "bad.csv, line 2, column 64: “x” is no number"),
        (f"{BLANK[:-1]}nan,1", "bad.csv, line 2, column 64: “nan” is no number"),
        (f"{BLANK},10", "bad.csv, line 2, column 65: “10” is no digit"),
        (f"{BLANK},1.5", "bad.csv, line 2, column 65: “1.5” is no digit"),
        (f"{BLANK},seven", "bad.csv, line 2, column 65: “seven” is no digit"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(attached: Path, line: str, sentence: str) -> None:
    (attached / "bad.csv").write_text(f"{BLANK},1\n{line}\n")
    assert sentence in refused(data_folder="files")


def test_what_is_no_text_is_no_table(attached: Path) -> None:
    shutil.copy(SAMPLES / "seven.png", attached / "picture.csv")
    assert "picture.csv is no CSV file" in refused(data_folder="files")


def test_an_image_that_cannot_be_read_is_named(attached: Path) -> None:
    (attached / "3").mkdir()
    (attached / "3" / "a.png").write_text("not an image")
    assert "3/a.png is no image that can be read" in refused(data_folder="files")


def test_too_few_of_a_digit_are_told(attached: Path) -> None:
    (attached / "a.csv").write_text(f"{BLANK},1\n" * 4 + f"{BLANK},2\n" * 3)
    assert "4 or more of each; too few are there of 2" in refused(data_folder="files")
    (attached / "a.csv").write_text(f"{BLANK},1\n" * 8)
    assert "two digits or more" in refused(data_folder="files")


# ── Weights for other programs ───────────────────────────────────────────────────────────────────
def test_weights_are_kept_for_other_programs(attached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERAI_DEPLOYMENT_ID", "1a2b3c4d-5e6f")
    result = api.train(epochs=2, hidden_units=9, run_name="a first/try", weights_folder="files/weights")
    assert result["kept"] == "files/weights/a-first-try-1a2b3c4d.npz"
    with np.load(attached / "weights" / "a-first-try-1a2b3c4d.npz", allow_pickle=False) as kept:
        assert (kept["hidden"].shape, kept["output"].shape) == ((64, 9), (9, 10))
        assert float(kept["test_accuracy"]) == result["test_accuracy"]


def test_a_folder_that_is_a_file_is_told_before_anything_is_learned(attached: Path, storage: Path) -> None:
    (attached / "weights").write_text("a file")
    assert "weights_folder: This folder cannot be made" in refused(weights_folder="files/weights")
    assert not (storage / "models").exists()


def test_a_picture_of_any_size_becomes_the_same_pixels_as_for_a_prediction(attached: Path) -> None:
    (attached / "7").mkdir()
    with Image.open(SAMPLES / "seven.png") as picture:
        picture.resize((300, 300)).save(attached / "7" / "large.jpg")
    [(pixels, digit)] = files._of_images(attached)
    assert (pixels.shape, digit) == ((64,), 7)
    assert 0 <= pixels.min() < pixels.max() <= 1
