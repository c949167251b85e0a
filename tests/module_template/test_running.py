"""Modules really run: baked ones and those that ship, installed, tested, and asked by the contract kit."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.deepaas.kit import Outcome, Report, check_folder, local
from tests.module_template.baking import ROOT, UV, bake, installed, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DEMO = ROOT / "marketplace" / "demo"
NOBODY = 65534
PYTHON = Path("/usr/bin/python3")
CURRENT = "openapi.json is what the service says."


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README of a module says, once for all of them: they share one lock."""
    module = bake(tmp_path_factory.mktemp("baked"), slug="first")
    folder = module / ".venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder, cwd=module)
    packages = ("--group", "test", ".", "-c", "requirements.txt")
    run(UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *packages, cwd=module)
    run(UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python", "-r", "requirements.txt", cwd=module)
    run(UV, "pip", "uninstall", "--quiet", "--python", folder / "bin" / "python", "first", cwd=module)
    return folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that others may pass through; pytest keeps its own to its user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("task", ["tabular", "image", "text"])
def test_a_baked_module_passes_its_own_tests_and_keeps_the_contract(
    tmp_path: Path, environment: Path, task: str
) -> None:
    module = bake(tmp_path, title=f"My {task}", task=task, licence="MIT", gpu="yes")
    with installed(module, environment):
        run(environment / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=module)
        assert_kept(check_folder(module, environment=environment))


@pytest.mark.parametrize("slug", ["image-stylist", "trend-forecaster"])
def test_a_module_that_ships_keeps_the_contract_and_its_document_is_current(environment: Path, slug: str) -> None:
    with installed(DEMO / slug, environment):
        report = check_folder(DEMO / slug, environment=environment)
    assert_kept(report)
    assert CURRENT in [result.sentence for result in report.results]


def test_a_module_that_ships_installs_from_its_folder_and_lock_alone() -> None:
    report = check_folder(DEMO / "digits-classifier")
    assert_kept(report)
    assert CURRENT in [result.sentence for result in report.results]


def assert_kept(report: Report) -> None:
    wrong = [str(result) for result in report.results if result.outcome is Outcome.FAILED]
    assert not wrong, "\n".join(wrong)
    done = {result.check for result in report.results if result.outcome is Outcome.OK}
    assert {"training", "predict while training, cancel", "command line", "stop"} <= done


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a program as somebody else")
@pytest.mark.skipif(not PYTHON.exists(), reason="there is no /usr/bin/python3 that everybody may run")
def test_it_trains_as_an_unprivileged_user_with_hardly_an_environment(open_folder: Path) -> None:
    place = local.install(DEMO / "digits-classifier", open_folder, str(PYTHON))
    for folder in (place.storage, place.uploads, Path(place.environment["HOME"])):
        os.chown(folder, NOBODY, NOBODY)
    environment = {name: place.environment[name] for name in ("PATH", "HOME", "LANG", "SERAI_STORAGE_DIR")}
    output = place.storage / "out.json"
    command = [str(place.programs / "deepaas-cli"), f"--deepaas_method_output={output}", "train", "--epochs=3"]
    subprocess.run(
        command,
        env=environment,
        cwd=place.environment["HOME"],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        check=True,
        capture_output=True,
    )
    assert json.loads(output.read_text())["result"]["output"]["epochs"] == 3
    weights = place.storage / "models" / "digits.joblib"
    # A service of the same project runs as another user of the same group.
    assert weights.stat().st_mode & 0o777 == 0o660
    assert weights.parent.stat().st_mode & 0o7777 == 0o2770
