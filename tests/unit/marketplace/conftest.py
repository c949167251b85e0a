"""Sources and metadata files of the tests' own."""

from pathlib import Path

import pytest
import yaml

from marketplace.models import Asset, Kind, Source, SourceKind

METADATA = {
    "metadata_version": "2.3.0",
    "title": "Seed classifier",
    "summary": "Names seeds.",
    "description": "Text about **seeds**.",
    "links": {"source_code": "https://git.example-institute.eu/seeds", "docker_image": "seeds/classifier:1.2"},
    "libraries": ["Keras"],
    "tasks": ["Classification"],
    "categories": ["AI4 inference"],
    "tags": ["seeds"],
    "data-type": ["Image"],
    "resources": {"inference": {"cpu": 1, "memory_MB": 1000}},
}


@pytest.fixture
def metadata():
    """A metadata file's bytes, valid but for the changes."""

    def file(**changes) -> bytes:
        return yaml.safe_dump({**METADATA, **changes}, sort_keys=False).encode()

    return file


@pytest.fixture
def source(db, tmp_path) -> Source:
    """A source that is an empty folder."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    return Source.objects.create(slug="lab", title="Lab", kind=SourceKind.FOLDER, location=str(folder))


@pytest.fixture
def folder(source) -> Path:
    return Path(source.location)


@pytest.fixture
def make_asset(source):
    """An asset with these values; lists go into its metadata."""

    def make(slug: str, **values) -> Asset:
        lists = {key.replace("_", "-"): values.pop(key) for key in list(values) if isinstance(values[key], list)}
        defaults = {"title": slug, "kind": Kind.MODULE, "source": source, "origin": slug, "metadata": lists}
        return Asset.objects.create(slug=slug, **{**defaults, **values})

    return make
