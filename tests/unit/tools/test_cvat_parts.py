"""What runs beside CVAT, for real: its keeper over a PostgreSQL, the way through its page, and who is let in.

CVAT itself is stood in for: by a table of labels, by a server that says what it was asked, and by the two names of
its settings and its login that ours build on.
"""

import gzip
import http.server
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.agents import free_port
from tests.services import postgresql

pytestmark = pytest.mark.slow

PARTS = Path(__file__).parents[3] / "jobs" / "tools" / "cvat"


def eventually(fine, seconds: float = 20):
    deadline = time.monotonic() + seconds
    while not (found := fine()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


# ── The keeper ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def database():
    with postgresql() as url:
        yield urlsplit(url)


class Keeper:
    """The keeper of one deployment: its allocation's folder, and the storage if one is attached."""

    def __init__(self, folder: Path, database, storage: Path | None) -> None:
        self.allocation, self.database, self.storage = folder, database, storage
        for name in ("files", "restore"):
            (folder / "data" / name).mkdir(parents=True)
        self.process: subprocess.Popen | None = None

    def start(self, restore: str = "none", *, seconds: int = 3600, keep: int = 10) -> "Keeper":
        # The script says who it asks; here another port and user answer.
        script = (PARTS / "keeper.sh").read_text().replace("PGUSER=root PGDATABASE=cvat", "PGUSER=serai")
        script = script.replace("chown -R 1000:1000", "true")
        values = {
            "PATH": f"{sorted(Path('/usr/lib/postgresql').glob('*/bin'))[-1]}:{os.environ['PATH']}",
            "NOMAD_ALLOC_DIR": str(self.allocation),
            "PGPORT": str(self.database.port),
            "PGDATABASE": "postgres",
            "CVAT_POSTGRES_PASSWORD": "not asked for here",
            "OPTION_RESTORE": restore,
            "OPTION_EVERY_HOURS": "6",
            "OPTION_KEEP": str(keep),
            "SNAPSHOT_SECONDS": str(seconds),
        }
        if self.storage:
            values["SERAI_STORAGES_DIR"] = str(self.storage)
        self.process = subprocess.Popen(
            ["sh", "-c", script], env=values, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return self

    def ready(self) -> "Keeper":
        eventually((self.allocation / "data/restore/ready").exists)
        return self

    def end(self) -> str:
        """What it said; it is ended as Nomad does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=30)[0]

    def snapshots(self) -> list[str]:
        return sorted(path.name for path in self.storage.glob("my data/cvat/snapshots/*.sql.gz"))


@pytest.fixture
def keeper(tmp_path, database):
    made: list[Keeper] = []

    def make(name: str = "first", *, attached: bool = True) -> Keeper:
        if attached:
            (tmp_path / "storages" / "my data").mkdir(parents=True, exist_ok=True)
        made.append(Keeper(tmp_path / name, database, tmp_path / "storages" if attached else None))
        return made[-1]

    yield make
    for one in made:
        if one.process and one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.fixture
def labels(database):
    """What annotators made."""
    ask(database, "DROP TABLE IF EXISTS label; CREATE TABLE label (name text)")
    yield lambda name: ask(database, f"INSERT INTO label VALUES ('{name}')")
    ask(database, "DROP TABLE IF EXISTS label")


def ask(database, query: str) -> str:
    command = ["psql", "-h", "127.0.0.1", "-p", str(database.port), "-U", "serai", "-d", "postgres", "-Atc", query]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_last_snapshot_is_made_when_the_deployment_stops(keeper, labels):
    labels("gull")
    first = keeper().start().ready()
    (first.allocation / "data/files/data/1/raw").mkdir(parents=True)
    (first.allocation / "data/files/data/1/raw/a bird's photo.jpg").write_bytes(b"pixels")
    (first.allocation / "data/files/cache").mkdir()
    labels("tern")
    assert "Snapshot 20" in first.end()
    (name,) = first.snapshots()
    store = first.storage / "my data/cvat"
    assert re.search(r"gull\s+tern", gzip.decompress((store / "snapshots" / name).read_bytes()).decode())
    assert (store / "files/data/1/raw/a bird's photo.jpg").read_bytes() == b"pixels"
    assert not (store / "files/cache").exists()


def test_a_snapshot_brings_back_labels_and_files(keeper, labels, database):
    labels("gull")
    first = keeper().start().ready()
    (first.allocation / "data/files/data/1").mkdir(parents=True)
    (first.allocation / "data/files/data/1/a.jpg").write_bytes(b"pixels")
    first.end()
    second = keeper("second").start("latest").ready()
    assert (second.allocation / "data/files/data/1/a.jpg").read_bytes() == b"pixels"
    ask(database, "DROP TABLE label")
    # As PostgreSQL's image does with what it finds among its hooks.
    dump = gzip.decompress((second.allocation / "data/restore/database.sql.gz").read_bytes())
    load = ["psql", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(database.port), "-U", "serai", "postgres"]
    subprocess.run(load, input=dump, check=True, capture_output=True)
    assert ask(database, "SELECT name FROM label") == "gull"
    second.end()


def test_snapshots_come_by_themselves_and_old_ones_leave(keeper, labels):
    one = keeper().start(seconds=1, keep=2).ready()
    seen: set[str] = set()
    eventually(lambda: seen.update(one.snapshots()) or len(seen) >= 4)
    one.end()
    assert one.snapshots() == sorted({*seen, *one.snapshots()})[-2:]


def test_a_chosen_snapshot_is_restored_by_its_name(keeper, labels):
    labels("gull")
    keeper().start().ready().end()
    (old,) = keeper("second").snapshots()
    time.sleep(1.1)  # their names count in seconds
    labels("tern")
    keeper("third").start().ready().end()
    chosen = keeper("fourth").start(old.removesuffix(".sql.gz")).ready()
    restored = gzip.decompress((chosen.allocation / "data/restore/database.sql.gz").read_bytes()).decode()
    assert "gull" in restored
    assert "tern" not in restored
    chosen.end()


@pytest.mark.parametrize("name", ["2020-01-01T00-00-00Z", "../../../../etc/passwd", "x; touch /tmp/x", "latest"])
def test_a_snapshot_that_is_not_there_stops_the_start_with_a_sentence(keeper, name):
    said = keeper().start(name).process.communicate(timeout=30)[0]
    assert f"There is no snapshot “{name}” in the storage" in said


def test_to_restore_without_a_storage_stops_the_start(keeper):
    without = keeper(attached=False).start("latest")
    assert "no storage that can be written is attached" in without.process.communicate(timeout=30)[0]
    assert without.process.returncode == 1


def test_without_a_storage_it_says_that_nothing_is_kept(keeper):
    assert "nothing is kept" in keeper(attached=False).start().ready().end()


def test_a_database_that_is_gone_leaves_earlier_snapshots_as_they_are(keeper, labels):
    keeper().start().ready().end()
    broken = keeper("second")
    before = broken.snapshots()
    broken.database = urlsplit("postgresql://serai@127.0.0.1:1/postgres")
    assert "The database does not answer" in broken.start().ready().end()
    assert broken.snapshots() == before


# ── The way through its page ─────────────────────────────────────────────────────────────────────
class Echo(http.server.BaseHTTPRequestHandler):
    """Stands for CVAT's server: says what it was asked."""

    def do_POST(self):
        length = len(self.rfile.read(int(self.headers["Content-Length"])))
        self._say(f"POST {self.path} {length}")

    def do_GET(self):
        names = ("X-Forwarded-Host", "X-Forwarded-Proto", "Authorization")
        self._say(" ".join([f"GET {self.path}", *(self.headers.get(name, "-") for name in names)]))

    def _say(self, text: str):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def page(tmp_path):
    """nginx with the page's configuration, over two files of a page and the stand-in."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed (apt-get install nginx-light)")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pages, port = tmp_path / "html", free_port()
    (pages / "assets").mkdir(parents=True)
    (pages / "index.html").write_text("the page")
    (pages / "assets" / "a.js").write_text("script")
    text = (PARTS / "nginx.conf").read_text()
    for here, there in (
        ("listen 8000", f"listen 127.0.0.1:{port}"),
        ("127.0.0.1:8080", f"127.0.0.1:{server.server_port}"),
        ("/usr/share/nginx/html", str(pages)),
        ("/tmp/nginx", str(tmp_path / "nginx")),
    ):
        assert here in text
        text = text.replace(here, there)
    config = tmp_path / "nginx.conf"
    config.write_text(f"user root;\n{text}" if os.geteuid() == 0 else text)
    process = subprocess.Popen(["nginx", "-c", str(config), "-g", "daemon off;"], stderr=subprocess.PIPE)
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: _answers(address))
    yield address
    process.send_signal(signal.SIGQUIT)
    process.wait(10)
    server.shutdown()


def _answers(address: str) -> bool:
    try:
        return bool(urllib.request.urlopen(address, timeout=2))
    except OSError:
        return False


def get(address: str, **headers: str) -> str:
    request = urllib.request.Request(address, headers={name.replace("_", "-"): text for name, text in headers.items()})
    with urllib.request.urlopen(request, timeout=5) as response:
        return response.read().decode()


@pytest.mark.parametrize("path", ["/api/tasks?page=1", "/static/x.css", "/admin", "/admin/login/", "/documentation/"])
def test_the_servers_paths_reach_it_with_what_the_gateway_said(page, path):
    said = get(
        page + path, X_Forwarded_Host="web-1.apps.example.org", X_Forwarded_Proto="https", Authorization="Basic x"
    )
    assert said == f"GET {path} web-1.apps.example.org https Basic x"


@pytest.mark.parametrize("path", ["/", "/tasks/1", "/apiary", "/administrators"])
def test_every_other_path_is_the_page(page, path):
    assert get(page + path) == "the page"


def test_an_upload_of_any_size_passes(page):
    body = b"x" * 20_000_000
    request = urllib.request.Request(f"{page}/api/tasks/1/data/", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.read() == b"POST /api/tasks/1/data/ 20000000"


# ── Who is let in ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def cvat_settings(monkeypatch):
    """Our settings for CVAT over the two names that they change, and a login that says whom it was asked about."""
    production = types.ModuleType("cvat.settings.production")
    production.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["its.Own"]}
    production.IAM_OPA_HOST = "http://opa:8181"
    authentication = types.ModuleType("rest_framework.authentication")

    class BasicAuthentication:
        def authenticate_credentials(self, userid, password, request=None):
            return f"asked CVAT for {userid}", None

    authentication.BasicAuthentication = BasicAuthentication
    for name in ("cvat", "cvat.settings", "rest_framework"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "cvat.settings.production", production)
    monkeypatch.setitem(sys.modules, "rest_framework.authentication", authentication)
    monkeypatch.setenv("CVAT_PASSWORD", "of this deployment")
    monkeypatch.syspath_prepend(str(PARTS))
    yield
    for name in ("serai_cvat", "serai_sign_in"):
        sys.modules.pop(name, None)


def test_cvat_asks_its_policies_in_its_own_network_and_us_first_who_somebody_is(cvat_settings):
    serai_cvat = importlib.import_module("serai_cvat")
    assert serai_cvat.IAM_OPA_DATA_URL == "http://127.0.0.1:8181/v1/data"
    classes = serai_cvat.REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"]
    assert classes == ["serai_sign_in.ThroughTheGateway", "its.Own"]


@pytest.mark.django_db
def test_whom_the_gateway_lets_through_is_the_one_user_and_all_others_are_cvats_own_matter(cvat_settings, ada):
    ada.username = "serai"
    ada.save()
    door = importlib.import_module("serai_sign_in").ThroughTheGateway()
    assert door.authenticate_credentials("serai", "of this deployment") == (ada, None)
    assert door.authenticate_credentials("serai", "of another one")[0] == "asked CVAT for serai"
    assert door.authenticate_credentials("annotator", "of this deployment")[0] == "asked CVAT for annotator"
