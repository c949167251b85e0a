"""What lies in the folders of the demo modules fits together. That they run: tests/module_template."""

import ast
import json
import tomllib
from pathlib import Path

import pytest

from jobs.deepaas.document import ModuleApi, parse
from jobs.deepaas.kit import samples
from marketplace.validation import examine

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "marketplace" / "demo"
MODULES = sorted(path for path in DEMO.iterdir() if (path / "pyproject.toml").is_file())
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)


def project(module: Path) -> dict:
    return tomllib.loads((module / "pyproject.toml").read_text())["project"]


def api(module: Path) -> ModuleApi:
    return parse(json.loads((module / "openapi.json").read_text()))


def test_three_modules_ship() -> None:
    assert [path.name for path in MODULES] == ["digits-classifier", "image-stylist", "trend-forecaster"]


@each_module
def test_its_metadata_file_is_without_findings(module: Path) -> None:
    examined = examine((module / "ai4-metadata.yml").read_bytes(), module.name)
    assert examined.findings == ()
    assert examined.metadata.summary == project(module)["description"]


@each_module
def test_folder_package_and_model_have_one_name(module: Path) -> None:
    declared = project(module)
    assert declared["name"] == module.name
    assert list(declared["entry-points"]["deepaas.v2.model"]) == [module.name]
    assert [model.name for model in api(module).models] == [module.name]


@each_module
def test_its_document_offers_predictions_and_training_with_every_argument_explained(module: Path) -> None:
    found = api(module)
    assert found.predict is not None
    assert found.train is not None
    assert found.train.argument("epochs")
    assert all(argument.help for argument in (*found.predict.arguments, *found.train.arguments))


@each_module
@pytest.mark.parametrize("method", ["predict", "train"])
def test_its_samples_name_arguments_of_its_document(module: Path, method: str) -> None:
    operation = getattr(api(module), method)
    own = samples.read(module / "samples", method)
    assert len(own) >= 2
    for sample in own:
        assert all(operation.argument(name) for name in (*sample.arguments, *sample.files))


@each_module
def test_one_lock_serves_all_modules(module: Path) -> None:
    assert (module / "requirements.txt").read_text() == (ROOT / "requirements" / "module.txt").read_text()


@each_module
def test_it_asks_for_nothing_that_the_lock_lacks(module: Path) -> None:
    locked = {
        line.partition("==")[0] for line in (module / "requirements.txt").read_text().splitlines() if "==" in line
    }
    asked = {requirement.partition(">=")[0].lower() for requirement in project(module)["dependencies"]}
    assert asked <= locked


@each_module
def test_mlflow_is_imported_nowhere_when_it_starts(module: Path) -> None:
    for path in module.glob("src/*/*.py"):
        imported = [
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        ]
        assert "mlflow" not in imported
