"""What JupyterLab's start does before it: the repository, the environment, the files it writes."""

import os
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dashboard.forms import DeployForm
from jobs.tools.ide import start as jupyterlab

from .test_deploying import body


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def repository(tmp_path) -> Path:
    """A repository with one file on main, and another on a branch."""
    work, bare = tmp_path / "work", tmp_path / "served" / "seeds.git"
    git = partial(subprocess.run, cwd=tmp_path, check=True, capture_output=True)
    me = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    git(["git", "init", "-q", "-b", "main", str(work)])
    for branch, name in (("main", "first.txt"), ("other", "second.txt")):
        git(["git", "checkout", "-q", "-B", branch], cwd=work)
        (work / name).write_text(name)
        git(["git", "add", name], cwd=work)
        git(["git", *me, "commit", "-q", "-m", name], cwd=work)
    git(["git", "clone", "-q", "--bare", str(work), str(bare)])
    git(["git", "symbolic-ref", "HEAD", "refs/heads/main"], cwd=bare)
    git(["git", "update-server-info"], cwd=bare)
    return bare


@pytest.fixture
def served(repository, tmp_path, monkeypatch) -> str:
    """Its address, over https with a certificate of our own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=repository.parent))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path / "server.pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "server.pem"))
    yield f"https://127.0.0.1:{server.server_address[1]}/seeds.git"
    server.shutdown()
    server.server_close()


def certificate(file: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    home = tmp_path / "home"
    (home / "storage").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return home


def test_a_repository_is_cloned_into_the_storage_and_opened(served, home):
    assert jupyterlab.cloned(served, home / "storage", home) == home / "storage" / "seeds"
    assert (home / "storage" / "seeds" / "first.txt").read_text() == "first.txt"


def test_a_branch_is_what_stands_behind_the_hash(served, home):
    jupyterlab.cloned(f"{served}#other", home / "storage", home)
    assert (home / "storage" / "seeds" / "second.txt").exists()


def test_a_clone_that_is_there_is_left_as_it_is(served, home):
    (home / "storage" / "seeds").mkdir()
    (home / "storage" / "seeds" / "mine.txt").write_text("not committed yet")
    assert jupyterlab.cloned(served, home / "storage", home) == home / "storage" / "seeds"
    assert os.listdir(home / "storage" / "seeds") == ["mine.txt"]


def test_a_repository_that_is_not_there_is_told_in_a_file_that_people_see(served, home):
    assert jupyterlab.cloned(served.replace("seeds", "nosuch"), home / "storage", home) == home
    assert "not found" in (home / jupyterlab.NO_CLONE).read_text()
    assert os.listdir(home / "storage") == []


@pytest.mark.parametrize("address", ["file://{served}", "{served}", "ext::sh -c 'touch {served}/stolen'"])
def test_git_goes_nowhere_but_over_https(repository, home, address):
    jupyterlab.cloned(address.format(served=repository), home / "storage", home)
    assert os.listdir(home / "storage") == []
    assert not (repository / "stolen").exists()


def test_an_address_that_looks_like_an_option_stays_an_address(home, tmp_path):
    jupyterlab.cloned(f"--upload-pack=touch {tmp_path}/stolen/x", home / "storage", home)
    assert not (tmp_path / "stolen").exists()


def test_nothing_to_clone_opens_the_storage(home):
    assert jupyterlab.cloned("", home / "storage", home) == home / "storage"


def test_what_is_installed_lies_beside_the_shared_packages(home):
    python = jupyterlab.own_environment(home / ".venv")
    find = "import sysconfig, pytest; print(sysconfig.get_path('purelib')); print(pytest.__file__)"
    own, shared = subprocess.run([python, "-I", "-c", find], capture_output=True, text=True, check=True).stdout.split()
    assert own.startswith(str(home / ".venv"))
    assert shared == pytest.__file__
    # Made again: a link that somebody left there leads nowhere.
    assert jupyterlab.own_environment(home / ".venv") == python
    assert sys.prefix not in own


# ── The form's side ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://example.org/seeds", "no https:// address"),
        ("file:///etc", "no https:// address"),
        ("https://ada:pw@127.0.0.1/x", "Leave the name and password out"),
        ("https://127.0.0.1/seeds.git", "private network"),
        ("https://localhost:8000/seeds.git", "private network"),
        ("https://169.254.169.254/latest", "private network"),
        ("--upload-pack=x", "no https:// address"),
    ],
)
def test_the_form_takes_public_https_addresses_only(site, ide, ada, address, sentence):
    form = DeployForm.from_api(body(tool="ide", options={"repository": address}), owner=ada)
    assert sentence in dict(form.problems())["#/options/repository"]


@pytest.mark.django_db
def test_an_operator_may_trust_a_host_of_their_own(site, ide, ada, settings):
    settings.SERAI_TRUSTED_HOSTS = ["127.0.0.1"]
    given = body(tool="ide", options={"repository": "git@127.0.0.1:ada/seeds.git"})
    form = DeployForm.from_api(given, owner=ada)
    assert form.is_valid(), form.problems()
    assert form.deploy_request().options["repository"] == "https://127.0.0.1/ada/seeds.git"
