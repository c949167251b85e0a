"""Git sources are read shallow and guarded; the repositories here are real ones on this machine."""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from marketplace import services
from marketplace.importing import Outcome
from marketplace.models import Asset, Condition, Kind, Source, SourceKind
from marketplace.sources import SourceError, git

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


def command(folder: Path, *arguments: str) -> None:
    person = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    allowed = ["-c", "protocol.file.allow=always", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *person, *allowed, *arguments], cwd=folder, check=True, capture_output=True)


def repository(folder: Path, **files: bytes | str) -> str:
    """A repository with these files committed; its address."""
    folder.mkdir(exist_ok=True)
    command(folder, "init")
    return commit(folder, **files)


def commit(folder: Path, **files: bytes | str) -> str:
    for name, content in files.items():
        path = folder / {"metadata": "ai4-metadata.yml", "project": "pyproject.toml", "licence": "LICENSE"}[name]
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    command(folder, "add", ".")
    command(folder, "commit", "-m", "change")
    return f"file://{folder}"


@pytest.fixture(autouse=True)
def _file_repositories(settings):
    settings.SERAI_GIT_PROTOCOLS = ["https", "file"]


@pytest.fixture
def seeds(tmp_path, metadata) -> Path:
    folder = tmp_path / "seeds.git"
    repository(folder, metadata=metadata(), project='[project]\nname = "seeds"\n', licence="Apache License Version 2.0")
    return folder


def source_of(location: str, kind: str = SourceKind.REPOSITORY) -> Source:
    return Source.objects.create(slug="git", title="Git", kind=kind, location=location)


def test_a_repository_becomes_one_module_at_its_commit(db, seeds):
    services.sync(source_of(f"file://{seeds}"))
    asset = Asset.objects.get()
    assert (asset.slug, asset.title, asset.licence) == ("seeds", "Seed classifier", "Apache-2.0")
    assert asset.package == f"git+file://{seeds}@{asset.revision}"
    assert len(asset.revision) == 40


def test_a_repository_is_read_again_only_after_a_commit(db, seeds, metadata):
    source = source_of(f"file://{seeds}")
    services.sync(source)
    assert services.sync(source).slugs[Outcome.UNCHANGED] == ["seeds"]
    commit(seeds, metadata=metadata(title="Better"))
    assert services.sync(source).slugs[Outcome.UPDATED] == ["seeds"]
    assert Asset.objects.get().title == "Better"


def test_a_branch_is_named_behind_the_address(db, seeds, metadata):
    command(seeds, "checkout", "-b", "next")
    commit(seeds, metadata=metadata(title="Next"))
    command(seeds, "checkout", "main")
    services.sync(source_of(f"file://{seeds}#next"))
    assert Asset.objects.get().title == "Next"


def test_a_repository_out_of_reach_keeps_its_module_and_says_so_once(db, seeds, tmp_path):
    source = source_of(f"file://{seeds}")
    services.sync(source)
    seeds.rename(tmp_path / "away")
    services.sync(source)
    services.sync(source)
    asset = Asset.objects.get()
    assert (asset.title, asset.condition, asset.gone) == ("Seed classifier", Condition.WARNINGS, None)
    assert [finding["sentence"] for finding in asset.report if "could not be read" in finding["sentence"]] == [
        f"Its newest version could not be read: file://{seeds} is not a Git repository."
    ]
    (tmp_path / "away").rename(seeds)
    services.sync(source)
    assert Asset.objects.get().condition == Condition.VALID


def test_a_catalog_brings_a_module_for_each_submodule(db, seeds, tmp_path, metadata):
    dogs = tmp_path / "dogs_breed_det"
    repository(dogs, metadata=b"summary: Names dogs.\ndescription: a: b: c")
    catalog = tmp_path / "catalog"
    repository(catalog, licence="x")
    command(catalog, "submodule", "add", f"file://{seeds}", "seeds")
    command(catalog, "submodule", "add", "../dogs_breed_det", "dogs_breed_det")
    with (catalog / ".gitmodules").open("a") as file:
        file.write(
            '[submodule "lost"]\n\tpath = lost\n\turl = https://127.0.0.1/lost\n[submodule "odd"]\n\tpath = odd\n'
        )
        file.write('[submodule "evil"]\n\tpath = evil\n\turl = ext::sh -c touch% /tmp/evil\n')
    commit(catalog)
    result = services.sync(source_of(f"file://{catalog}", SourceKind.CATALOG))
    conditions = dict(Asset.objects.values_list("slug", "condition"))
    assert conditions == {
        "seeds": Condition.VALID,
        "dogs-breed-det": Condition.NEEDS_REPAIR,
        "lost": Condition.NEEDS_REPAIR,
        "evil": Condition.NEEDS_REPAIR,
    }
    assert result.problem == ""
    assert "private network" in Asset.objects.get(slug="lost").report[0]["sentence"]
    assert "no https://" in Asset.objects.get(slug="evil").report[0]["sentence"]


def test_a_repository_without_metadata_says_so(db, tmp_path):
    services.sync(source_of(repository(tmp_path / "bare", licence="x")))
    assert "no file ai4-metadata.yml" in Asset.objects.get().report[0]["sentence"]


def test_an_empty_repository_says_so(db, tmp_path):
    (tmp_path / "empty").mkdir()
    command(tmp_path / "empty", "init")
    services.sync(source_of(f"file://{tmp_path}/empty"))
    assert "is empty" in Asset.objects.get().report[0]["sentence"]


def test_hooks_and_links_of_a_repository_do_nothing(db, seeds, tmp_path):
    (seeds / "ai4-metadata.yml").unlink()
    (seeds / "ai4-metadata.yml").symlink_to("/etc/passwd")
    commit(seeds)
    services.sync(source_of(f"file://{seeds}"))
    assert "no file ai4-metadata.yml" in Asset.objects.get().report[0]["sentence"]


@pytest.mark.parametrize(
    "location",
    [
        "ssh://host/x",
        "ext::sh -c id",
        "--upload-pack=id",
        "/etc",
        "http://github.com/x/y",
        "https://ada:secret@github.com/x/y",
        "https://github.com/x/y#--exec",
        "https://github.com/x/y#a/../../b",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest",
        "https://" + "x" * 500,
        "https://x.org/\n--exec",
    ],
)
def test_no_other_addresses_reach_git(location):
    with pytest.raises(SourceError):
        git.remote(location)


def test_ssh_addresses_of_catalogs_are_read_by_https(monkeypatch):
    monkeypatch.setattr(git, "_pinned", lambda url: ())
    assert git.remote("git@github.com:ai4os-hub/seeds.git").url == "https://github.com/ai4os-hub/seeds.git"


class Renamed(BaseHTTPRequestHandler):
    """A host that says, to whoever asks, that the repository is elsewhere."""

    to = ""

    def do_GET(self) -> None:
        self.send_response(301)
        self.send_header("Location", self.to + self.path.removeprefix("/old"))
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Quiet."""


@pytest.fixture
def renamed(settings) -> Iterator[tuple[type[Renamed], str]]:
    """The host, and the old address there."""
    settings.SERAI_GIT_PROTOCOLS = ["http", "file"]
    settings.SERAI_TRUSTED_HOSTS = ["127.0.0.1"]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Renamed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Renamed, f"http://127.0.0.1:{server.server_port}/old"
    server.shutdown()
    server.server_close()


def test_a_renamed_repository_is_followed(db, seeds, renamed):
    host, address = renamed
    host.to = f"file://{seeds}"
    services.sync(source_of(address))
    asset = Asset.objects.get()
    assert (asset.title, asset.origin) == ("Seed classifier", address)
    assert asset.package.startswith(f"git+file://{seeds}@")


@pytest.mark.parametrize("to", ["http://169.254.169.254/x", "ext::sh -c id", "http://[::1]/x"])
def test_a_renamed_repository_leads_to_no_private_place(db, renamed, to):
    host, address = renamed
    host.to = to
    services.sync(source_of(address))
    asset = Asset.objects.get()
    assert asset.condition == Condition.NEEDS_REPAIR
    assert re.search("private network|no https://", asset.report[0]["sentence"])


def test_a_repository_that_is_sent_in_circles_ends(db, renamed):
    host, address = renamed
    host.to = address
    services.sync(source_of(address))
    assert "without end" in Asset.objects.get().report[0]["sentence"]


def test_git_that_never_answers_is_ended(seeds, monkeypatch):
    monkeypatch.setattr(git, "TIMEOUT", 0)
    with pytest.raises(SourceError, match="took longer"):
        git.newest(git.remote(f"file://{seeds}"))


def test_a_file_too_large_is_refused(seeds, monkeypatch):
    (seeds / "LICENSE").write_bytes(b"x" * 300_000)
    commit(seeds)
    monkeypatch.setattr(git, "MAX_PACK", 100_000)
    with git.Clone(git.remote(f"file://{seeds}")) as clone, pytest.raises(SourceError, match="too large"):
        clone.read("LICENSE")


def test_nothing_is_left_of_a_clone(db, seeds, settings):
    services.sync(source_of(f"file://{seeds}"))
    assert list((settings.SERAI_DATA / "marketplace").iterdir()) == []


def test_a_source_of_tools_brings_tools(db, seeds):
    source = source_of(f"file://{seeds}")
    source.asset_kind = Kind.TOOL
    services.sync(source)
    assert Asset.objects.get().kind == Kind.TOOL
