"""Baking modules from the template, and installing them in environments of their own."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "module_template"
UV = Path(sys.executable).with_name("uv")


def bake(output: Path, **answers: str) -> Path:
    """A module as the template makes it without anybody's edit."""
    # Cookiecutter never removes the hooks that it fills in.
    with tempfile.TemporaryDirectory(prefix="serai-hooks-") as hooks, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", hooks)
        made = cookiecutter(
            str(TEMPLATE), no_input=True, output_dir=str(output), extra_context=answers, default_config=True
        )
    return Path(made)


@contextmanager
def installed(module: Path, environment: Path) -> Iterator[None]:
    """Into an environment that has its packages, and out of it again: DEEPaaS serves all modules that it finds."""
    python = environment / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, "--no-deps", module, cwd=module)
    try:
        yield
    finally:
        run(UV, "pip", "uninstall", "--quiet", "--python", python, module.name, cwd=module)


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], check=False, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
