import os
import stat

import pytest

from dashboard.stack import CannotStart, lock, started


def test_commands_beside_a_running_serai_see_what_it_chose(tmp_path, monkeypatch):
    monkeypatch.delenv("SERAI_PORT", raising=False)
    with lock.take(tmp_path):
        started.write(tmp_path, {"SERAI_PORT": "8123", "HOME": "/home/ada"})
        started.adopt(tmp_path)
    assert os.environ["SERAI_PORT"] == "8123"
    assert stat.S_IMODE((tmp_path / "started.json").stat().st_mode) == 0o600
    assert "ada" not in (tmp_path / "started.json").read_text()


def test_what_is_set_by_hand_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("SERAI_PORT", "9000")
    with lock.take(tmp_path):
        started.write(tmp_path, {"SERAI_PORT": "8123"})
        started.adopt(tmp_path)
    assert os.environ["SERAI_PORT"] == "9000"


def test_a_serai_that_ended_has_chosen_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("SERAI_PORT", raising=False)
    with lock.take(tmp_path):
        started.write(tmp_path, {"SERAI_PORT": "8123"})
    started.adopt(tmp_path)
    assert "SERAI_PORT" not in os.environ


def test_two_cannot_hold_one_folder(tmp_path):
    with lock.take(tmp_path), pytest.raises(CannotStart, match="another Serai runs over"):
        lock.take(tmp_path)
    lock.take(tmp_path).close()
