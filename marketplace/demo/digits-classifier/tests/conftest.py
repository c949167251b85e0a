"""Each test has a storage of its own, and no MLflow unless it brings one."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "storage"
    folder.mkdir()
    monkeypatch.setenv("SERAI_STORAGE_DIR", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder
