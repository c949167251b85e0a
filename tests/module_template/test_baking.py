"""What the template makes of each choice, without installing it."""

import re
import subprocess
import sys
import tomllib
from itertools import product
from pathlib import Path

import pytest
import yaml
from cookiecutter.exceptions import FailedHookException

from marketplace.validation import examine
from tests.module_template.baking import ROOT, bake

pytestmark = pytest.mark.slow

TASKS, LICENCES, GPUS = ("tabular", "image", "text"), ("Apache-2.0", "MIT", "BSD-3-Clause"), ("no", "yes")
DEMO = ROOT / "marketplace" / "demo"
# What a demo module has exactly as the template makes it; the rest is its own.
SHARED = (
    *(f"src/{{package}}/{name}.py" for name in ("about", "guard", "health", "storage", "tracking", "weights")),
    *(f"tests/{name}.py" for name in ("conftest", "test_metadata", "test_service", "test_tracking")),
    "requirements.txt",
    "Dockerfile",
    ".dockerignore",
    ".gitignore",
)


@pytest.mark.parametrize(("task", "licence", "gpu"), list(product(TASKS, LICENCES, GPUS)))
def test_each_choice_gives_a_complete_module_without_traces_of_the_template(
    tmp_path: Path, task: str, licence: str, gpu: str
) -> None:
    module = bake(tmp_path, title="Über Äpfel & Birnen", task=task, licence=licence, gpu=gpu)
    assert module.name == "uber-apfel-birnen"
    for path in (path for path in module.rglob("*") if path.is_file()):
        text = path.read_bytes()
        assert not re.search(rb"\{\{|\{%|cookiecutter|PACKAGE", text), path
    assert not list(module.glob("_*"))
    assert licence_starts(licence) in (module / "LICENSE").read_text()
    project = tomllib.loads((module / "pyproject.toml").read_text())["project"]
    assert project["license"] == licence
    assert ("pillow>=11" in project["dependencies"]) == (task == "image")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(module)], check=True)


def licence_starts(licence: str) -> str:
    return {"Apache-2.0": "Apache License", "MIT": "MIT License", "BSD-3-Clause": "BSD 3-Clause License"}[licence]


@pytest.mark.parametrize(("task", "gpu"), list(product(TASKS, GPUS)))
def test_its_metadata_is_valid_and_asks_for_what_was_chosen(tmp_path: Path, task: str, gpu: str) -> None:
    module = bake(tmp_path, task=task, gpu=gpu)
    data = (module / "ai4-metadata.yml").read_bytes()
    assert not examine(data, module.name).broken
    metadata = yaml.safe_load(data)
    assert metadata["metadata_version"] == "2.3.0"
    assert metadata["data-type"] == [task.capitalize()]
    assert metadata["resources"]["training"]["gpu"] == (gpu == "yes")
    assert ("NVIDIA_VISIBLE_DEVICES" in (module / "Dockerfile").read_text()) == (gpu == "yes")


def test_its_container_is_small_unprivileged_and_proves_its_health_by_predicting(tmp_path: Path) -> None:
    lines = (bake(tmp_path) / "Dockerfile").read_text().splitlines()
    words = [line.split()[0] for line in lines if line and line[0].isupper()]
    assert words.count("FROM") == 2
    assert words.index("USER") < words.index("CMD")
    assert "ADD" not in words
    assert any("my_first_module.health" in line for line in lines)


def test_its_files_for_continuous_integration_are_yaml_and_run_its_tests(tmp_path: Path) -> None:
    module = bake(tmp_path)
    for name in (".gitlab-ci.yml", ".github/workflows/ci.yml"):
        text = (module / name).read_text()
        assert yaml.safe_load(text)
        assert ".venv/bin/pytest" in text


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"title": 'A "quoted" one', "slug": "quoted"}, "without quotes"),
        ({"title": "it''' + evil", "slug": "evil"}, "without quotes"),
        ({"slug": "Not-For-DNS"}, "becomes part of addresses"),
        ({"slug": "-dash"}, "becomes part of addresses"),
        ({"slug": "a" * 41}, "becomes part of addresses"),
        ({"slug": "class"}, "no name for Python"),
        ({"slug": "numpy"}, "exists already"),
        ({"email": "nobody"}, "no e-mail address"),
        ({"source_url": "javascript:alert(1)"}, "starts with https://"),
    ],
)
def test_what_would_not_work_is_refused_in_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], answers: dict[str, str], sentence: str
) -> None:
    with pytest.raises(FailedHookException):
        bake(tmp_path, **answers)
    assert sentence in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("slug", ["digits-classifier", "image-stylist", "trend-forecaster"])
def test_demo_modules_have_the_shared_parts_as_the_template_makes_them(tmp_path: Path, slug: str) -> None:
    baked = bake(tmp_path, slug=slug)
    for name in (pattern.format(package=slug.replace("-", "_")) for pattern in SHARED):
        assert (DEMO / slug / name).read_text() == (baked / name).read_text(), name
