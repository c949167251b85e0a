"""Tiny modules that behave like DEEPaaS ones, well or badly; they install in a second and fetch nothing."""

import textwrap
from pathlib import Path

# Writes the wheel by hand: no build backend has to be fetched.
BACKEND = """
import pathlib, time, zipfile

WHEEL = "Wheel-Version: 1.0\\nGenerator: us\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    here, name = pathlib.Path(__file__).parent, "tiny-1.0-py3-none-any.whl"
    if (here / "slow").exists():
        time.sleep(2)
    if (here / "broken").exists():
        raise SystemExit("this module cannot be built: its author forgot a file")
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        for program in ("deepaas-run", "deepaas-cli"):
            wheel.write(here / program, f"tiny-1.0.data/scripts/{program}")
        wheel.writestr("tiny_module.py", "")
        wheel.writestr("tiny-1.0.dist-info/entry_points.txt", "[deepaas.v2.model]\\ntiny = tiny_module\\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", WHEEL)
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1.0"
"""
ANSWERS = """
import http.server, os, pathlib, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print("storage", os.environ["SERAI_STORAGE_DIR"], "model", given["--model-name"], flush=True)
pathlib.Path(os.environ["SERAI_STORAGE_DIR"], "was-here").write_text(os.environ["SERAI_DEPLOYMENT_ID"])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/swagger.json" else 404)
        self.end_headers()
        self.wfile.write(b"{}")

http.server.HTTPServer((given["--listen-ip"], int(given["--listen-port"])), Handler).serve_forever()
"""
TRAINS = """
import json, os, sys
output, train, *arguments = sys.argv[1:]
print("training with", arguments, flush=True)
with open(output.removeprefix("--deepaas_method_output="), "w") as file:
    json.dump({"status": "done", "result": {"output": {"arguments": arguments}}}, file)
"""
CRASHES = """
import sys
print("loading", flush=True)
raise ModuleNotFoundError("No module named 'nosuchlib'")
"""
SILENT = "import time\ntime.sleep(600)\n"


def make_module(
    folder: Path, *, serve: str = ANSWERS, train: str = TRAINS, broken: bool = False, slow: bool = False
) -> Path:
    """A module's folder; ``serve`` and ``train`` are the programs behind ``deepaas-run`` and ``deepaas-cli``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(textwrap.dedent(BACKEND))
    (folder / "deepaas-run").write_text("#!python" + serve)
    (folder / "deepaas-cli").write_text("#!python" + train)
    for name in ["broken"] * broken + ["slow"] * slow:
        (folder / name).touch()
    return folder
