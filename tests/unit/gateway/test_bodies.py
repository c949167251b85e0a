"""Nobody fills the disk of the web process."""

import pytest

from . import call

MB = 1_000_000


@pytest.fixture(autouse=True)
def _small(settings) -> None:
    settings.UPLOAD_LIMIT_MB = 1


def test_an_upload_that_says_it_is_too_large_is_refused_at_once() -> None:
    answer = call("/deployments/", method="POST", headers=[("content-length", str(102 * MB))])
    assert answer.status == 413
    assert "larger than 1 MB" in answer.json["title"]


def test_one_that_does_not_say_is_broken_off() -> None:
    assert call("/deployments/", method="POST", body=[b"x" * MB] * 102).status == 0


def test_others_pass() -> None:
    assert call("/deployments/", method="POST", body=[b"x" * MB] * 3).status == 299
