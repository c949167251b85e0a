"""What an author is told about a metadata file, in words that say what to do."""

from datetime import date

import pytest
import yaml
from ai4_metadata.metadata import get_latest_schema

from marketplace import schema
from marketplace.findings import Level
from marketplace.validation import Examined, examine

GOOD = {
    "metadata_version": "2.3.0",
    "title": "Seed classifier",
    "summary": "Names seeds.",
    "description": "Text.",
    "links": {"source_code": "https://git.example-institute.eu/seeds", "docker_image": "seeds/classifier:1.2"},
    "libraries": ["Keras"],
    "tasks": ["Classification"],
    "categories": ["AI4 inference"],
    "tags": ["seeds"],
    "data-type": ["Image"],
    "resources": {"inference": {"cpu": 1, "memory_MB": 1000}},
}


def file(**changes) -> bytes:
    return yaml.safe_dump({**GOOD, **changes}, sort_keys=False).encode()


def found(examined: Examined, field: str) -> list[tuple[Level, str]]:
    return [(finding.level, finding.sentence) for finding in examined.findings if finding.field == field]


def the_one(data: bytes, field: str) -> tuple[Level, str]:
    [finding] = found(examine(data, "seeds"), field)
    return finding


def test_a_good_file_has_nothing_to_say():
    assert examine(file(), "seeds").findings == ()


def test_a_missing_summary_breaks_the_file():
    changed = {key: value for key, value in GOOD.items() if key != "summary"}
    examined = examine(yaml.safe_dump(changed).encode(), "seeds")
    assert examined.broken
    assert found(examined, "summary") == [(Level.ERROR, "“summary” is missing.")]


def test_one_library_as_text_is_read_as_a_list_and_breaks_nothing():
    level, sentence = the_one(file(libraries="Keras, pytorch"), "libraries")
    assert level is Level.WARNING
    assert sentence == "“libraries” is a text, it should be a list. Serai reads it as “Keras, PyTorch”."
    assert examine(file(libraries="Keras, pytorch"), "seeds").metadata.document["libraries"] == ["Keras", "PyTorch"]


def test_a_library_that_ai4os_does_not_know_is_kept():
    level, sentence = the_one(file(libraries=["JAX"]), "libraries")
    assert level is Level.WARNING
    assert "“JAX” is none of the values" in sentence
    assert examine(file(libraries=["JAX"]), "seeds").metadata.document["libraries"] == ["JAX"]


def test_links_as_a_list_break_the_file():
    assert examine(file(links=["https://x.org"]), "seeds").broken


def test_a_misspelt_key_is_hinted():
    changed = {**GOOD, "sata-type": GOOD["data-type"]}
    del changed["data-type"]
    assert the_one(yaml.safe_dump(changed).encode(), "sata-type") == (
        Level.WARNING,
        "“sata-type”: did you mean “data-type”?",
    )


def test_the_old_format_is_named_with_the_way_out():
    examined = examine(file(date_creation="2019-01-01"), "seeds")
    assert examined.broken
    assert any("ai4-metadata migrate" in finding.sentence for finding in examined.findings)


def test_unquoted_dates_are_read_with_a_remark():
    data = file() + b"dates:\n  created: 2024-05-02\n  updated: '2026-01-15'\n"
    examined = examine(data, "seeds")
    assert (examined.metadata.created, examined.metadata.updated) == (date(2024, 5, 2), date(2026, 1, 15))
    [(level, sentence)] = found(examined, "dates.created")
    assert level is Level.WARNING
    assert "write '2024-05-02'" in sentence


def test_updated_before_created_is_noticed():
    data = file(dates={"created": "2024-05-02", "updated": "2023-05-02"})
    assert the_one(data, "dates.updated")[0] is Level.WARNING


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("ai4oshub/seeds:1", "ai4oshub/seeds:1"),
        ("https://hub.docker.com/r/ai4oshub/seeds", "ai4oshub/seeds"),
        ("docker://ghcr.io/lab/seeds:2", "ghcr.io/lab/seeds:2"),
        ("registry.lab.eu:5000/a/b/c", "registry.lab.eu:5000/a/b/c"),
        ("localhost:5000/x", "localhost:5000/x"),
        ("python", "python"),
        (f"lab/x@sha256:{'a' * 64}", f"lab/x@sha256:{'a' * 64}"),
        ("Not An Image", ""),
        ("lab/x; rm -rf /", ""),
        ("${NOMAD_SECRETS_DIR}/x", ""),
        ("-v/x:/y", ""),
    ],
)
def test_images_are_read_in_every_form_people_write(given, read):
    examined = examine(file(links={**GOOD["links"], "docker_image": given}), "seeds")
    assert examined.metadata.docker_image == read
    assert bool(found(examined, "links.docker_image")) == (
        given not in ("ai4oshub/seeds:1", f"lab/x@sha256:{'a' * 64}")
    )


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("10.5281/zenodo.1", "10.5281/zenodo.1"),
        ("https://doi.org/10.5281/zenodo.1", "10.5281/zenodo.1"),
        ("doi:10.5281/zenodo.1", "10.5281/zenodo.1"),
        ("see the paper", ""),
    ],
)
def test_a_doi_is_read_bare_or_as_address(given, read):
    assert examine(file(doi=given), "seeds").metadata.doi == read


def test_placeholders_and_script_links_are_not_shown():
    links = {**GOOD["links"], "dataset": "http://add-some-dataset.com", "weights": "javascript:alert(1)"}
    examined = examine(file(links=links), "seeds")
    assert [link.key for link in examined.metadata.links] == ["source_code", "docker_image"]
    assert "placeholder" in found(examined, "links.dataset")[0][1]
    assert "no web address" in found(examined, "links.weights")[0][1]


def test_an_impossible_gpu_is_noticed():
    resources = {"inference": {"gpu_compute_capability": 100.0}}
    level, sentence = the_one(file(resources=resources), "resources.inference.gpu_compute_capability")
    assert level is Level.WARNING
    assert "no GPU has that" in sentence


def test_a_resource_in_words_is_left_out():
    data = file(resources={"inference": {"cpu": "two", "memory_MB": "8000"}})
    examined = examine(data, "seeds")
    assert examined.metadata.document["resources"] == {"inference": {"memory_MB": 8000}}
    assert not examined.broken
    assert "Serai leaves it out" in found(examined, "resources.inference.cpu")[0][1]


def test_malformed_html_is_shown_to_its_author():
    malformed, pictures = found(
        examine(file(description="<img class='fit', src='https://x.org/a.png'/>"), "x"), "description"
    )
    assert malformed[0] is Level.WARNING
    assert "malformed HTML" in malformed[1]
    assert "shown as links" in pictures[1]


def test_an_empty_list_says_what_it_costs():
    assert the_one(file(**{"data-type": []}), "data-type")[1].startswith("“data-type” names none")


def test_a_file_without_title_takes_its_name():
    assert examine(b"summary: x", "dogs_breed_det").metadata.title == "Dogs breed det"


def test_the_schema_is_the_one_that_its_package_calls_the_latest():
    assert schema.schema() == get_latest_schema()
