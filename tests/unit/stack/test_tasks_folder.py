import tempfile
from pathlib import Path

from dashboard.stack import tasks_folder


def test_the_first_closed_folder_on_the_way_is_named():
    # pytest's own folder is closed to others.
    with tempfile.TemporaryDirectory(prefix="serai-test-") as folder:
        way = Path(folder, "open", "closed", "tasks")
        way.mkdir(parents=True)
        Path(folder).chmod(0o755)
        assert tasks_folder.closed_at(way) is None
        way.parent.chmod(0o700)
        assert tasks_folder.closed_at(way) == way.parent


def test_a_folder_of_ones_own_choice_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("SERAI_TASKS_DIR", str(tmp_path / "fast disk"))
    assert tasks_folder.of(tmp_path / "data") == tmp_path / "fast disk"


def test_as_root_a_data_folder_keeps_its_place_outside(tmp_path, monkeypatch):
    monkeypatch.delenv("SERAI_TASKS_DIR", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    first = tasks_folder.of(tmp_path)
    assert first.parent == tasks_folder.SHARED
    assert tasks_folder.of(tmp_path) == first


def test_as_anyone_else_it_stays_inside(tmp_path, monkeypatch):
    monkeypatch.delenv("SERAI_TASKS_DIR", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert tasks_folder.of(tmp_path) == tmp_path / "local"
