"""Datasets are fetched once, whole and checked, from public places alone; over a double that answers as Zenodo does."""

import hashlib
import json
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from jobs import compilers, services
from jobs.models import Status
from jobs.requests import DatasetRequest
from tests.fake_modules import make_module

from .attached import OBEYS, Task
from .conftest import asset_of

FILES = Path(compilers.__file__).parent / "files"
WORDS = b"".join(b"%07d\n" % number for number in range(40_000))  # 320 kB


@dataclass
class Place:
    """A server of files and of one record, which breaks off when it is told to."""

    port: int
    number: int = 42  # of the record
    files: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # file: its name in the record
    breaks_after: list[int] = field(default_factory=list)  # bytes, one for each answer to come
    leads_to: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, Range

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def record(self) -> dict:
        def described(name, content):
            sums = f"md5:{hashlib.md5(content).hexdigest()}"
            key = self.keys.get(name, name)
            return {"key": key, "size": len(content), "checksum": sums, "links": {"self": f"{self.url}/{name}"}}

        return {"id": self.number, "files": [described(*one) for one in self.files.items()]}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        place, name = self.server.place, self.path.lstrip("/")
        place.asked.append((self.path, self.headers.get("Range", "")))
        if self.path == f"/api/records/{place.number}":
            self.answer(200, json.dumps(place.record()).encode())
        elif name in place.leads_to:
            self.answer(302, b"", Location=place.leads_to[name])
        elif name in place.files:
            self.send_file(place, place.files[name])
        else:
            self.answer(404, b"nothing")

    def send_file(self, place, content):
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(found[1]) if found and place.ranges else 0
        if start >= len(content) and found and place.ranges:
            self.answer(416, b"", **{"Content-Range": f"bytes */{len(content)}"})
            return
        more = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self.answer(206 if start else 200, content[start:], **more)

    def answer(self, status, body, **headers):
        breaks = self.server.place.breaks_after
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        whole = status != 200 or not breaks or b'"files"' in body
        self.wfile.write(body if whole else body[: breaks.pop(0)])
        self.close_connection = True


@pytest.fixture
def zenodo():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.place = Place(server.server_port, files={"words.txt": WORDS})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.place
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(zenodo, tmp_path):
    """Run the program as the node does; what it wrote, and the files that came."""

    def fetch(source="10.5281/zenodo.42", *, record="42", trusted=("127.0.0.1",), checksum="", force=False):
        row = {"source": source, "record": record, "checksum": checksum, "force": force}
        where = {"folder": "{SERAI_KEPT}/abc", "waits_for": "{SERAI_KEPT}", "is_mount": False}
        links = {"link": "{SERAI_SHOWN}/data", "seen_at": "{SERAI_KEPT}/abc"}
        plan = {"zenodo": zenodo.url, "trusted_hosts": list(trusted), "datasets": [{**row, **where, **links}]}
        (tmp_path / "datasets.json").write_text(json.dumps(plan))
        (tmp_path / "kept").mkdir(exist_ok=True)
        env = {"NOMAD_TASK_DIR": tmp_path, "SERAI_KEPT": tmp_path / "kept", "SERAI_SHOWN": tmp_path / "shown"}
        command = [sys.executable, FILES / "datasets.py"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
        done.files = {
            str(file.relative_to(tmp_path / "shown" / "data")): file.read_bytes()
            for file in sorted((tmp_path / "shown" / "data").rglob("*"))
            if file.is_file() and ".serai-" not in file.name
        }
        return done

    return fetch


def test_a_record_comes_with_all_its_files(fetch, zenodo):
    zenodo.files["more.bin"] = b"\0" * 1_000
    zenodo.keys["more.bin"] = "deep/er/more data.bin"
    done = fetch()
    assert done.returncode == 0, done.stderr
    assert done.files == {"words.txt": WORDS, "deep/er/more data.bin": b"\0" * 1_000}
    assert "progress: datasets are ready" in done.stdout


def test_what_is_there_is_not_fetched_again_unless_forced(fetch, zenodo):
    fetch()
    zenodo.asked.clear()
    zenodo.files["words.txt"] = b"other"
    assert "is here already" in fetch().stdout
    assert zenodo.asked == []
    assert fetch(force=True).files == {"words.txt": b"other"}


def test_a_file_that_somebody_removed_is_fetched_again(fetch, zenodo, tmp_path):
    fetch()
    (tmp_path / "kept" / "abc" / "words.txt").unlink()
    assert fetch().files == {"words.txt": WORDS}


def test_a_connection_that_breaks_off_goes_on_where_it_was(fetch, zenodo):
    zenodo.breaks_after = [100_000]
    done = fetch()
    assert done.files == {"words.txt": WORDS}
    assert [asked for path, asked in zenodo.asked if path == "/words.txt"] == ["", "bytes=100000-"]


def test_a_server_that_knows_no_ranges_is_asked_from_the_start(fetch, zenodo):
    zenodo.breaks_after, zenodo.ranges = [100_000], False
    assert fetch().files == {"words.txt": WORDS}


def test_a_part_that_an_earlier_start_left_is_gone_on_with(fetch, zenodo, tmp_path):
    part = tmp_path / "kept" / "abc" / ".serai-part-words.txt"
    part.parent.mkdir(parents=True)
    part.write_bytes(WORDS[:50_000])
    assert fetch().files == {"words.txt": WORDS}
    assert zenodo.asked[-1] == ("/words.txt", "bytes=50000-")


def test_a_part_of_something_else_is_thrown_away(fetch, zenodo, tmp_path):
    part = tmp_path / "kept" / "abc" / ".serai-part-words.txt"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 50_000)
    assert fetch().files == {"words.txt": WORDS}


def test_a_wrong_checksum_is_no_dataset(fetch, zenodo):
    done = fetch(f"{zenodo.url}/words.txt", record="", checksum="sha256:" + "0" * 64)
    assert (done.returncode, done.files) == (1, {})
    assert "failed: words.txt is not what its checksum says" in done.stderr
    right = "sha256:" + hashlib.sha256(WORDS).hexdigest()
    assert fetch(f"{zenodo.url}/words.txt", record="", checksum=right).files == {"words.txt": WORDS}


@pytest.mark.parametrize("key", ["../../up", "/etc/passwd", "a/../../b", "new\nline", ".serai-dataset.json", ""])
def test_a_name_that_leads_out_is_refused(fetch, zenodo, key):
    zenodo.keys["words.txt"] = key
    done = fetch()
    assert done.returncode == 1
    assert "has a name that cannot be used" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/words.txt",
        "http://localhost:{port}/words.txt",
        "http://[::1]:{port}/words.txt",
        "http://169.254.169.254/latest/meta-data",
        "http://0x7f000001:{port}/words.txt",
        "http://[::ffff:127.0.0.1]:{port}/words.txt",
    ],
)
def test_private_addresses_are_not_asked(fetch, zenodo, url):
    done = fetch(url.format(port=zenodo.port), record="", trusted=())
    assert done.returncode == 1
    assert "private network" in done.stderr
    assert zenodo.asked == []


def test_a_redirection_to_a_private_address_is_not_followed(fetch, zenodo):
    zenodo.leads_to["out"] = f"http://localhost:{zenodo.port}/words.txt"
    done = fetch(f"{zenodo.url}/out", record="")
    assert "localhost is an address of a private network" in done.stderr
    assert [path for path, _ in zenodo.asked] == ["/out"]
    zenodo.leads_to["file"] = "file:///etc/passwd"
    assert "is no web address" in fetch(f"{zenodo.url}/file", record="").stderr


def test_a_redirection_within_reach_is_followed(fetch, zenodo):
    zenodo.leads_to["latest.txt"] = "/words.txt"
    assert fetch(f"{zenodo.url}/latest.txt", record="").files == {"latest.txt": WORDS}


def test_what_is_not_there_is_said(fetch, zenodo):
    assert "There is nothing at" in fetch(f"{zenodo.url}/none", record="").stderr
    zenodo.files.clear()
    assert "has no files" in fetch().stderr


# ── In the local datacenter ──────────────────────────────────────────────────────────────────────
@pytest.mark.django_db
def test_a_deployment_finds_its_dataset_and_its_next_start_fetches_none(world, zenodo, settings, tmp_path, ada):
    settings.ZENODO_URL = zenodo.url
    asset_of("obeys", str(make_module(tmp_path / "obeys", serve=OBEYS)))
    zenodo.number = uuid4().int % 10**9  # the project's folder outlives a test: what another one fetched stays there
    row = DatasetRequest(f"10.5281/zenodo.{zenodo.number}", target="words")
    deployment = world.until(world.again("obeys", datasets=(row,)), Status.RUNNING)
    task = Task(world, deployment)
    file = "os.environ['SERAI_DATASETS_DIR'] + '/words/words.txt'"
    look = f"import os; print(open({file}).read()[:15])"
    assert task.does(look) == "0000000\n0000001"
    owner = task.does(f"import os; print(os.stat({file}).st_uid == os.getuid())")
    assert owner == "True"
    task.stop()
    zenodo.asked.clear()
    services.start(deployment, ada)
    world.until(deployment, Status.RUNNING)
    assert task.does(look) == "0000000\n0000001"
    assert zenodo.asked == []


@pytest.mark.django_db
def test_a_dataset_that_is_not_there_fails_the_start_with_its_reason(world, zenodo, settings, tmp_path):
    settings.ZENODO_URL = zenodo.url
    asset_of("obeys", str(make_module(tmp_path / "obeys", serve=OBEYS)))
    row = DatasetRequest("10.5281/zenodo.43", target="words")
    deployment = world.until(world.again("obeys", datasets=(row,)), Status.FAILED)
    assert "There is nothing at" in deployment.reason
    assert deployment.stage == "datasets"
