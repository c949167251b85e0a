"""The docs name every setting and every command, and no link in them is dead."""

import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "marketplace", "datacenters", "jobs", "dashboard")
# Variables that are read by our own helpers, or by name; those of tasks are no settings.
READ = re.compile(
    r"\benv\.(?:text|number|flag|path|words|url|rate)\(\s*\"([A-Z_]+)\"|environ(?:\.get\(|\[)\s*\"((?:SERAI|MLFLOW)_[A-Z_]+)\""
)
OF_TASKS = {
    "SERAI_MODULE",
    "SERAI_MODULE_ENVIRONMENT",
    "SERAI_MOUNTS",
    "SERAI_OUTPUT_DIR",
    "SERAI_RCLONE",
    "SERAI_STORAGES_DIR",
    "SERAI_STORAGE_DIR",
    "SERAI_TASK_GID",
    "SERAI_TASK_UID",
}
LINK = re.compile(r"\]\(([^)\s]+)\)")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def variables() -> set[str]:
    sources = [*(file for app in APPS for file in tracked(f"{app}/*.py")), ROOT / "manage.py"]
    of_tasks = ("marketplace/demo", "jobs/tools/flower/")  # what is read there comes with the job
    ours = [file for file in sources if not any(folder in str(file) for folder in of_tasks)]
    found = {name for file in ours for match in READ.findall(file.read_text()) for name in match if name}
    quotas = {"PERSON": settings.QUOTA_OF_PERSON, "PROJECT": settings.QUOTA_OF_PROJECT}
    named = {f"SERAI_QUOTA_{holder}_{name.upper()}" for holder, most in quotas.items() for name in most}
    return (found | named | set(re.findall(r"\$\{?(SERAI_[A-Z_]+)", (ROOT / "Procfile").read_text()))) - OF_TASKS


def test_every_setting_is_told():
    assert {"SERAI_PORT", "SERAI_TASKS_DIR", "MLFLOW_URL", "SERAI_SECRET_KEY"} <= variables()
    told = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "reference" / "settings.md").read_text()))
    assert variables() - told == set()


def test_no_setting_is_told_that_nobody_reads():
    rows = re.findall(r"^\| (`[A-Z].*?) \|", (ROOT / "docs" / "reference" / "settings.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert told - variables() == {"PYTHON", "PARALLEL"}


def test_every_command_is_told():
    text = (ROOT / "docs" / "reference" / "commands.md").read_text()
    commands = [file.stem for app in APPS for file in tracked(f"{app}/management/commands/*.py")]
    assert [name for name in commands if name != "__init__" and not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("page", tracked("*.md", "docs/**/*.md"), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_of_ours_is_dead(page):
    targets = [target.partition("#")[0] for target in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_every_page_is_found_from_the_first():
    front = (ROOT / "README.md").read_text()
    assert [str(page.relative_to(ROOT)) for page in tracked("docs/**/*.md") if page.name not in front] == []
