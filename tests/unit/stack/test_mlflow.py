import configparser
import stat

import pytest

from dashboard.stack import mlflow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SERAI_PORT", "8000")
    monkeypatch.setenv("SERAI_SECRET_KEY", "not MLflow's business")
    monkeypatch.delenv("SERAI_APPS_HOST", raising=False)
    return tmp_path


def test_its_server_gets_no_key_of_ours(folder):
    assert "not MLflow's business" not in str(mlflow.environment(folder))


def test_its_password_is_made_once_and_private(folder):
    first = mlflow.admin_password(folder)
    assert len(first) >= 12
    assert mlflow.admin_password(folder) == first
    assert stat.S_IMODE((folder / "admin_password").stat().st_mode) == 0o600


def test_nobody_sees_anything_by_default_and_passwords_are_remembered(folder):
    auth = configparser.ConfigParser()
    auth.read(mlflow.environment(folder)["MLFLOW_AUTH_CONFIG_PATH"])
    assert auth["mlflow"]["default_permission"] == "NO_PERMISSIONS"
    assert auth["mlflow"].getint("auth_cache_ttl_seconds") > 0


def test_it_listens_on_loopback_with_one_worker_and_knows_its_hosts(folder):
    words = mlflow.arguments(folder, 15_123)
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options["--host"] == "127.0.0.1"
    assert options["--workers"] == "1"
    assert "mlflow.apps.localhost:8000" in options["--allowed-hosts"].split(",")
