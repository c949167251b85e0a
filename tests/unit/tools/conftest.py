"""A toy tool in a folder of its own: a page server of one line, as an operator might add it."""

from pathlib import Path

import pytest

from jobs.tools import mirror
from marketplace.models import Asset
from tests.unit.jobs.conftest import _own_data, ask, site, world  # noqa: F401 the same places to deploy to

TOY = """
id: toy
title: Page server
summary: Shows the project's files as pages.
description: It serves **one folder**.
licence: Apache-2.0
options:
  - {name: greeting, type: text, title: Greeting, default: hello}
  - {name: pages, type: integer, title: Pages, default: 3, minimum: 1, maximum: 9}
  - {name: colour, type: choice, title: Colour, choices: {red: Red, blue: Blue}, default: blue}
  - {name: loud, type: boolean, title: Loud, default: false}
resources: {cpu_cores: 0.2, memory_mb: 200, disk_mb: 200}
least: {memory_mb: 150}
secrets: [PAGE_KEY]
ports:
  - {label: page, health_path: /index.txt}
runtimes:
  package:
    tasks:
      - name: main
        command: ${meta.serai_python}
        args: ["${NOMAD_TASK_DIR}/serve.py", "${OPTION_GREETING}"]
        env: {PAGE_PORT: "${NOMAD_PORT_page}", PAGE_ADDRESS: "${NOMAD_IP_page}"}
        files: {local/serve.py: toy/serve.py}
        secrets: [PAGE_KEY]
"""
SERVE = """
import functools, http.server, os, pathlib, sys
folder = pathlib.Path(os.environ["NOMAD_TASK_DIR"], "pages")
folder.mkdir()
names = ("OPTION_PAGES", "OPTION_COLOUR", "OPTION_LOUD", "SERAI_STORAGE_DIR")
said = [sys.argv[1], str(len(os.environ["PAGE_KEY"])), *(os.environ[name] for name in names)]
(folder / "index.txt").write_text("|".join(said))
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
where = (os.environ["PAGE_ADDRESS"], int(os.environ["PAGE_PORT"]))
http.server.ThreadingHTTPServer(where, handler).serve_forever()
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the toy lies, before anybody knows of it."""
    folder = tmp_path / "tools"
    (folder / "toy").mkdir(parents=True)
    (folder / "toy.yml").write_text(TOY)
    (folder / "toy" / "serve.py").write_text(SERVE)
    return folder


@pytest.fixture
def toy(db, settings, folder) -> Asset:
    """The toy in the marketplace."""
    settings.SERAI_TOOL_FOLDERS = [*settings.SERAI_TOOL_FOLDERS, folder]
    mirror.ensure()
    return Asset.objects.get(slug="toy")


@pytest.fixture
def ide(db) -> Asset:
    mirror.ensure()
    return Asset.objects.get(slug="ide")


@pytest.fixture
def vscode(db) -> Asset:
    mirror.ensure()
    return Asset.objects.get(slug="vscode")
