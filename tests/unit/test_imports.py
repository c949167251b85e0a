"""The order of apps (ARCHITECTURE.md), read from the imports themselves."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAY_IMPORT = {
    "dashboard": {"jobs", "marketplace", "datacenters", "accounts"},
    "jobs": {"marketplace", "datacenters", "accounts"},
    "marketplace": {"accounts"},
    "datacenters": {"accounts"},
    "accounts": set(),
}


def imports_of(file: Path) -> set[str]:
    """Every module this file imports, by its full name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files_of(app: str) -> list[Path]:
    return [file for file in (ROOT / app).rglob("*.py") if "cookiecutter" not in str(file)]


@pytest.mark.parametrize("app", MAY_IMPORT)
def test_no_app_imports_one_above_or_beside_it(app):
    forbidden = set(MAY_IMPORT) - MAY_IMPORT[app] - {app}
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files_of(app)
        for name in imports_of(file)
        if name.split(".")[0] in forbidden
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", ["dashboard/stack", "datacenters/local"])
def test_what_stays_small_in_memory_imports_no_django(folder):
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in (ROOT / folder).rglob("*.py")
        for name in imports_of(file)
        if name.split(".")[0] == "django"
    ]
    assert wrong == []


def test_imports_are_found_in_every_form(tmp_path):
    file = tmp_path / "example.py"
    file.write_text(
        "import jobs.models\nfrom accounts import models as m\ndef f():\n    from dashboard.views import home\n"
    )
    assert imports_of(file) == {"jobs.models", "accounts.models", "dashboard.views.home"}
