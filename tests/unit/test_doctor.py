import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import Level, create_person
from datacenters.models import Cluster, Datacenter
from jobs import heartbeat
from marketplace.models import Source

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings, tmp_path):
    """A small one that runs: nothing is wrong with it."""
    settings.SERAI_DATA, settings.REDIS_URL, settings.MLFLOW_URL, settings.SERAI_LOCAL_URL = tmp_path, "", "", ""
    create_person("admin", level=Level.ADVANCED, is_superuser=True)
    heartbeat.beat("worker")
    heartbeat.beat("watcher")


@pytest.fixture
def doctor(capsys):
    def ask() -> tuple[int, str]:
        try:
            call_command("doctor")
        except SystemExit as end:
            return int(end.code), capsys.readouterr().out
        return 0, capsys.readouterr().out

    return ask


def test_on_small_defaults_nothing_is_wrong_and_each_says_how_to_grow(doctor):
    code, said = doctor()
    assert code == 0
    assert "Nothing is wrong." in said
    for way in ("DATABASE_URL", "REDIS_URL", "SERAI_SECRET_KEY", "Nomad cluster"):
        assert way in said


def test_a_datacenter_that_does_not_answer_is_wrong(doctor):
    Cluster.objects.create(
        name="ifca", address="https://nomad.example.org", unreachable_since="2026-11-21T10:42Z", problem="No route."
    )
    code, said = doctor()
    assert code == 1
    assert "ifca does not answer since 2026-11-21 10:42 UTC." in said
    assert "No route." in said


def test_a_key_that_others_can_read_is_wrong(doctor, tmp_path):
    (tmp_path / "secret.key").write_text("x" * 64)
    (tmp_path / "secret.key").chmod(0o644)
    code, said = doctor()
    assert code == 1
    assert f"chmod 600 {tmp_path / 'secret.key'}" in said


def test_a_key_from_elsewhere_is_fine(doctor, monkeypatch):
    monkeypatch.setenv("SERAI_SECRET_KEY", "k" * 64)
    assert "✓ The key that encrypts secrets comes from SERAI_SECRET_KEY." in doctor()[1]


def test_a_site_that_is_stopped_is_told_so_and_is_not_wrong(doctor, tmp_path):
    for sign in (tmp_path / "heartbeats").iterdir():
        sign.unlink()
    code, said = doctor()
    assert code == 0
    assert f"Serai does not run over {tmp_path} now." in said


def test_a_missing_program_is_named_with_its_use(doctor, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, said = doctor()
    assert code == 1
    assert "git is missing: it is needed for sources that are Git repositories." in said


def test_a_source_with_a_problem_is_named(doctor):
    Source.objects.create(slug="lab", title="Our lab", kind="folder", location="/nowhere", problem="No such folder.")
    code, said = doctor()
    assert code == 1
    assert "The source Our lab could not be read." in said


def test_a_secret_stored_with_another_key_is_wrong(doctor):
    Cluster.objects.create(name="lab", address="https://nomad.example.org", token="s3cret")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE datacenters_cluster SET token = 'gAAAAABnot-ours'")
    code, said = doctor()
    assert code == 1
    assert "Stored secrets cannot be read." in said


def test_a_datacenter_for_one_person_is_said_to_be_one(doctor):
    cluster = Cluster.objects.create(name="local", address="http://127.0.0.1:9", local=True)
    Datacenter.objects.create(name="local", nomad_name="local", cluster=cluster, one_person=True)
    code, said = doctor()
    assert code == 0
    assert "serves the first administrator alone" in said
