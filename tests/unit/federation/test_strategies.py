"""Each option of the federated server's form has an effect, seen in whole federations played within one process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
UV = Path(sys.executable).with_name("uv")
FORM = yaml.safe_load((ROOT / "jobs" / "tools" / "flower.yml").read_text())
# These act outside of the app: the steward reads them.
OF_THE_STEWARD = {"start_clients", "app"}
# Seen by other values than the model's.
SEEN_OTHERWISE = {"strategy", "min_evaluate", "min_available", "fraction_evaluate", "round_seconds", "go_on"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> dict:
    """What effects.py found, in an environment of the lock that federated servers run with."""
    environment = tmp_path_factory.mktemp("flower") / "venv"
    python = environment / "bin" / "python"
    run(UV, "venv", "--quiet", "--python", sys.executable, environment)
    lock = ROOT / "requirements" / "flower.txt"
    run(UV, "pip", "install", "--quiet", "--require-hashes", "--python", python, "--requirement", lock)
    said = run(python, Path(__file__).with_name("effects.py"))
    line = next(line for line in said.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_no_option_of_the_form_is_without_a_test_of_its_effect(played):
    names = {option["name"] for option in FORM["options"]}
    tested = {name.replace("-", "_") for name in played["effects"]}
    assert names - OF_THE_STEWARD - SEEN_OTHERWISE == tested


def test_every_option_changes_the_joint_model_and_nothing_else_does(played):
    assert [name for name, seen in played["effects"].items() if not seen["repeats"]] == []
    assert [name for name, seen in played["effects"].items() if seen["changes"] < 1e-4] == []


def test_every_strategy_of_the_form_joins_in_its_own_way(played):
    offered = next(option for option in FORM["options"] if option["name"] == "strategy")["choices"]
    joined = played["strategies"]
    assert set(joined) == set(offered)
    assert len({round(value, 6) for value in joined.values()}) == len(joined)


def asked(rounds: list, kind: str) -> list[int]:
    return [count for what, count in rounds if what == kind]


def test_as_many_clients_train_as_the_form_says(played):
    few, all_of_them = played["effects"]["fraction-train"]["asked"]
    assert (asked(few, "train"), asked(all_of_them, "train")) == ([3, 3], [5, 5])
    few, many = played["effects"]["min-train"]["asked"]
    assert (asked(few, "train"), asked(many, "train")) == ([2, 2], [5, 5])


def test_as_many_clients_evaluate_as_the_form_says(played):
    assert [asked(rounds, "evaluate") for rounds in played["evaluated"]] == [[], [2, 2], [4, 4], [5, 5]]


def test_a_round_waits_for_the_clients_that_must_be_there(played):
    early, late = played["available"]
    assert early < 4 <= late


def test_clients_have_as_long_as_the_form_says(played):
    assert played["timeouts"] == [77.0]


def test_a_new_start_may_go_on_from_the_last_model(played):
    assert played["gone on"] > 1e-3


def test_each_round_is_told_and_the_joint_model_beats_each_alone(played):
    first, second = played["two rounds"]
    assert (first["round"], second["round"]) == (1, 2)
    assert second["joint"]["accuracy"] > 2 * second["train"]["best alone"]
    assert (first["asked"], first["answered"]) == (5, 5)


def test_a_client_that_is_lost_ends_no_round(played):
    assert [(told["asked"], told["answered"]) for told in played["with one lost"]] == [(5, 4), (5, 4)]
