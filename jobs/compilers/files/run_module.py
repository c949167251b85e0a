"""Starts the one model of an environment: ``serve ARGUMENTS…`` or ``train ARGUMENTS…``. Runs in the task.

``script ARGUMENTS…`` runs the script that lies beside this file instead, with the same Python.

The model is always named: without a name, DEEPaaS answers with a test model of its own when the module
cannot be loaded. A training's result is written to standard output between two marks, where Serai reads it.
"""

# ruff: noqa: T201
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from importlib.metadata import entry_points
from types import FrameType

BEGIN, END = "=== result of the training ===", "=== end of the result ==="


def main() -> int:
    what, *arguments = sys.argv[1:]
    os.environ["PATH"] = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    make_output_folder()
    if what == "script":
        return run([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "script.py"), *arguments])
    os.environ["DEEPAAS_V2_MODEL"] = os.environ.get("DEEPAAS_V2_MODEL") or model_name()
    code = {"serve": serve, "train": train}[what](arguments)
    if 0 < code < 128:  # not ended by a signal
        explain()
    return code


def model_name() -> str:
    names = sorted({point.name for point in entry_points(group="deepaas.v2.model")})
    if len(names) != 1:
        sys.exit(
            f"There must be one model (entry point deepaas.v2.model), and there are: {', '.join(names) or 'none'}."
        )
    return names[0]


def make_output_folder() -> None:
    """Ours alone to write to; the one that holds those of all runs is open to the project's other tasks."""
    if folder := os.environ.get("SERAI_OUTPUT_DIR"):
        usual = os.umask(0o007)  # at once, and not afterwards: another run may be about to make its folder there
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        os.umask(usual)
        os.makedirs(folder, exist_ok=True)


def serve(arguments: list[str]) -> int:
    return run(["deepaas-run", *arguments, "--model-name", os.environ["DEEPAAS_V2_MODEL"]])


def train(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "result.json")
        # DEEPaaS wants its own options before the sub-command.
        code = run(["deepaas-cli", f"--deepaas_method_output={output}", "train", *arguments])
        if os.path.exists(output):
            with open(output) as file:
                print(f"\n{BEGIN}\n{file.read()}\n{END}", flush=True)
    return code


def run(command: list[str]) -> int:
    """The command's exit code, as a shell tells it; whoever stops this stops the command."""
    process = subprocess.Popen([shutil.which(command[0]) or command[0], *command[1:]])

    def hand_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hand_on)
    code = process.wait()
    return code if code >= 0 else 128 - code


def explain() -> None:
    """DEEPaaS says only that it found no model when loading it failed: load it again to see why."""
    for point in entry_points(group="deepaas.v2.model"):
        try:
            point.load()
        except Exception:  # noqa: BLE001 a module may raise anything; it is shown, and the task has failed already
            traceback.print_exc()


if __name__ == "__main__":
    sys.exit(main())
