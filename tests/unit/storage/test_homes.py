"""Homes: one server for all projects, each with a password and a folder of its own."""

import io
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from accounts.models import Project
from dashboard import parts
from datacenters import storage
from jobs.models import Storage, StorageKind
from jobs.storages import home_of, remote_of
from tests.agents import ROOT, free_port

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The server as the Procfile starts it, beside no pages at all."""
    data, port = tmp_path_factory.mktemp("data"), free_port()
    environment = {"SERAI_DATA": str(data), "SERAI_HOMES_PORT": str(port), "SERAI_SECRET_KEY": "k" * 48}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.defpath}"
    start = "from dashboard.stack import homes; homes.PATIENCE_SECONDS = 0; homes.main()"
    with (data / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", start], cwd=ROOT, env={**environment, "SERAI_PORT": "9"}, stdout=log, stderr=log
        )
        yield process, data, f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(10)


@pytest.fixture(autouse=True)
def site(settings, store):
    _process, settings.SERAI_DATA, settings.SERAI_HOMES_URL = store
    settings.SERAI_TRUSTED_HOSTS = []  # our own store needs no trust
    until = time.monotonic() + 20
    while parts.homes().state != parts.State.UP:
        assert time.monotonic() < until, (store[1] / "log").read_text()
        time.sleep(0.05)


@pytest.fixture
def remote(ada):
    return remote_of(home_of(ada.personal_project))


def put(remote, path, data=b"x"):
    storage.write(remote, path, io.BytesIO(data), len(data))


def test_each_project_has_one_from_its_first_moment(ada):
    assert Storage.objects.get(project=ada.personal_project).kind == StorageKind.HOME
    assert home_of(ada.personal_project).pk == Storage.objects.get().pk


def test_files_go_in_and_come_back(remote, ada):
    put(remote, "notes/first day.txt", b"It computes.")
    assert storage.read(remote, "notes/first day.txt", most_bytes=100) == b"It computes."
    assert [entry.name for entry in storage.listing(remote).entries] == ["notes"]


def test_they_lie_in_a_folder_that_is_nobody_elses(remote, store, ada):
    put(remote, "file")
    folder = store[1] / "homes" / str(ada.personal_project.pk)
    assert (folder / "file").read_bytes() == b"x"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    logins = store[1] / "home-logins"
    assert stat.S_IMODE(logins.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in logins.iterdir()] == [0o600] * len(list(logins.iterdir()))


def test_nobody_comes_in_without_the_projects_password(remote, eve):
    put(remote, "secret")
    hers = remote_of(home_of(eve.personal_project))
    assert storage.listing(hers).entries == ()
    for options, secrets in [
        (remote.options, hers.secrets),  # Eve's password at Ada's name
        (remote.options, {"pass": storage.obscured("")}),
        ({**remote.options, "user": f"../homes/{remote.options['user']}"}, remote.secrets),
        ({**remote.options, "user": "²"}, remote.secrets),
    ]:
        with pytest.raises(storage.WrongCredentials):
            storage.check(replace(remote, options=options, secrets=secrets))


def test_a_link_that_lies_in_a_home_leads_nowhere(remote, store, ada):
    (store[1] / "outside").write_text("Serai's own")
    put(remote, "real")
    folder = store[1] / "homes" / str(ada.personal_project.pk)
    (folder / "link").symlink_to(store[1] / "outside")
    time.sleep(0.1)
    with pytest.raises(storage.StorageProblem):
        storage.write(remote, "link/x", io.BytesIO(b"x"), 1)
    assert (store[1] / "outside").read_text() == "Serai's own"


def test_the_server_has_none_of_serais_secrets_and_no_password_on_its_command_line(store, remote):
    put(remote, "x")
    process = store[0]
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"SECRET" not in environment
    line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert b"webdav" in line
    assert not any(secret.encode() in line for secret in remote.secrets.values())


def test_the_password_in_the_row_is_encrypted_and_in_no_file(remote, store, ada):
    home = home_of(ada.personal_project)
    password = home.secrets
    assert "password" in password
    from_database = Storage.objects.raw("SELECT id, secrets AS kept FROM jobs_storage")[0].kept
    assert "password" not in from_database
    plain = password.split('"')[3].encode()
    assert [file for file in store[1].rglob("*") if file.is_file() and plain in file.read_bytes()] == []


def test_from_other_machines_there_is_a_way_only_where_the_operator_made_one(ada, settings):
    home = home_of(ada.personal_project)
    with pytest.raises(storage.StorageProblem, match="SERAI_HOMES_PUBLIC_URL"):
        remote_of(home, from_outside=True)
    settings.SERAI_HOMES_PUBLIC_URL = "https://homes.example.org"
    assert remote_of(home, from_outside=True).options["url"] == "https://homes.example.org"


def test_where_there_is_no_store_there_are_no_homes(ada, settings):
    settings.SERAI_HOMES_URL = ""
    assert not Storage.objects.visible_to(ada).exists()
    assert not Storage.objects.usable_by(ada).exists()
    with pytest.raises(storage.StorageProblem, match="not part of this Serai"):
        remote_of(home_of(ada.personal_project))


def test_a_home_that_was_made_twice_at_once_is_one(ada):
    Storage.objects.all().delete()
    project = Project.objects.get(pk=ada.personal_project.pk)
    assert home_of(project).pk == home_of(project).pk
