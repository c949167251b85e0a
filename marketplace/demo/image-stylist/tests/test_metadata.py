"""What the marketplace reads is valid and says the same as the package."""

import tomllib
from pathlib import Path

import pytest
import yaml
from ai4_metadata.metadata import get_schema_from_metadata
from ai4_metadata.validate import validate_json

from image_stylist import api

ROOT = Path(__file__).parent.parent
METADATA = yaml.safe_load((ROOT / "ai4-metadata.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_metadata_file_is_valid() -> None:
    validate_json(METADATA, get_schema_from_metadata(METADATA))


def test_package_and_metadata_file_say_the_same() -> None:
    assert METADATA["summary"] == PROJECT["description"]


def test_the_service_says_who_it_is() -> None:
    about = api.get_metadata()
    assert about["id"] == about["name"] == PROJECT["name"]
    assert about["version"] == PROJECT["version"]
    assert about["license"] == PROJECT["license"]
    assert all(about.values())


@pytest.mark.parametrize("arguments", [api.get_predict_args, api.get_train_args])
def test_every_argument_is_explained(arguments) -> None:
    assert all(field.metadata["description"].endswith(".") for field in arguments().values())
