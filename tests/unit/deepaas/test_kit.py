"""The contract kit against a module that behaves, and against ones that do not, each in its own way."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.management import CommandError, call_command

from jobs.deepaas.document import Argument, Location, Media, Operation, Type
from jobs.deepaas.kit import Outcome, Report, check_address, local, samples

MODEL = "/v2/models/echo"
TEXT = {"in": "query", "name": "text", "required": True, "type": "string", "description": "What to say."}
TIMES = {
    "in": "query",
    "name": "times",
    "type": "integer",
    "default": 1,
    "minimum": 1,
    "maximum": 5,
    "description": ".",
}
TYPES = ["application/json", "text/csv"]
ACCEPT = {"in": "header", "name": "accept", "type": "string", "enum": [*TYPES, "*/*"], "description": "Form."}
EPOCHS = {"in": "query", "name": "epochs", "type": "integer", "minimum": 1, "maximum": 9, "description": "How long."}

Reply = tuple[int, str, bytes]


class Echo:
    """A module that behaves, in the words of DEEPaaS 2. The others below each do one thing wrong."""

    parameters: tuple[dict[str, Any], ...] = (TEXT, TIMES, ACCEPT)
    name = "echo"

    def __init__(self) -> None:
        self.trained = 0
        self.trainings: dict[str, dict[str, Any]] = {}

    def document(self) -> Any:
        predict = {"parameters": list(self.parameters), "produces": [*TYPES, "*/*"]}
        train = {"parameters": [EPOCHS], "produces": ["application/json"]}
        model = f"/v2/models/{self.name}"
        paths = {f"{model}/predict/": {"post": predict}, f"{model}/train/": {"post": train}}
        return {"swagger": "2.0", "info": {"version": "2.6.0"}, "paths": paths}

    def models(self) -> Any:
        about = {"name": "echo", "version": "1", "description": "Says it again.", "license": "MIT", "author": "Ada"}
        return {"models": [about]}

    def predict(self, arguments: dict[str, str], accept: str) -> Reply:
        if wrong := self.wrong(arguments):
            return 422, "application/json", json.dumps(wrong).encode()
        said = f"{arguments['text']} ({self.trained})"
        if accept == "text/csv":
            return 200, "text/csv", said.encode()
        return 200, "application/json", json.dumps({"status": "OK", "predictions": said}).encode()

    def wrong(self, arguments: dict[str, str]) -> dict[str, list[str]]:
        wrong = {} if arguments.get("text") else {"text": ["Missing data for required field."]}
        return wrong if arguments.get("times", "1") in "12345" else {**wrong, "times": ["Out of range."]}

    def train(self, arguments: dict[str, str]) -> Reply:
        if arguments.get("epochs", "1") not in "123456789":
            return 422, "application/json", b'{"epochs": ["Out of range."]}'
        identity = f"t{len(self.trainings)}"
        long = arguments.get("epochs") == "9"
        self.trained += not long
        done = {"uuid": identity, "status": "done", "result": {"output": {}, "duration": "0:00:01"}}
        self.trainings[identity] = {"uuid": identity, "status": "running"} if long else done
        return self.answer_training(identity)

    def answer_training(self, identity: str) -> Reply:
        if identity not in self.trainings:
            return 404, "text/plain", b"404: Not Found"
        return 200, "application/json", json.dumps(self.trainings[identity]).encode()

    def delete(self, identity: str) -> Reply:
        # Cancelled, and answered so by DEEPaaS 2.
        self.trainings.pop(identity, None)
        return 500, "text/plain", b"500 Internal Server Error"

    def reply(self, method: str, path: str, arguments: dict[str, str], accept: str) -> Reply:
        fixed: dict[str, Callable[[], Any]] = {
            "/swagger.json": self.document,
            "/v2/models/": self.models,
            f"{MODEL}/train/": lambda: list(self.trainings.values()),
        }
        if method == "GET" and path in fixed:
            return 200, "application/json", json.dumps(fixed[path]()).encode()
        if method == "POST":
            return self.predict(arguments, accept) if path.endswith("/predict/") else self.train(arguments)
        identity = path.rpartition("/")[2]
        return self.delete(identity) if method == "DELETE" else self.answer_training(identity)


@contextmanager
def serving(module: Echo) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            arguments = dict(parse_qsl(parts.query))
            status, content_type, body = module.reply(self.command, parts.path, arguments, self.headers["Accept"])
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # who asked lost patience
                self.wfile.write(body)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check(module: Echo, *, train: bool = True) -> Report:
    with serving(module) as address:
        return check_address(address, train=train, patience_seconds=0.5)


def of(report: Report, name: str) -> tuple[Outcome, str]:
    return next((result.outcome, result.sentence) for result in report.results if result.check == name)


def test_a_module_that_behaves_keeps_its_contract() -> None:
    report = check(Echo())
    assert not report.failed, report
    assert of(report, "training") == (
        Outcome.OK,
        "A training ended well after 0:00:01. Every worker predicts with the newer weights.",
    )
    assert "could be cancelled (500)" in of(report, "predict while training, cancel")[1]


def test_a_running_service_is_not_trained_unless_that_is_asked_for() -> None:
    module = Echo()
    report = check(module, train=False)
    assert of(report, "training")[0] is Outcome.SKIPPED
    assert "--train" in of(report, "training")[1]
    assert not module.trainings


class SaysNaN(Echo):
    def predict(self, arguments: dict[str, str], accept: str) -> Reply:
        status, content_type, body = super().predict(arguments, accept)
        return status, content_type, b'{"loss": NaN}' if status == 200 and accept != "text/csv" else body


class IgnoresAccept(Echo):
    def predict(self, arguments: dict[str, str], accept: str) -> Reply:
        return super().predict(arguments, "application/json")


class AnswersAnythingLiterally(Echo):
    def predict(self, arguments: dict[str, str], accept: str) -> Reply:
        status, content_type, body = super().predict(arguments, accept)
        return status, accept if accept == "*/*" else content_type, body


class TakesEverything(Echo):
    def wrong(self, arguments: dict[str, str]) -> dict[str, list[str]]:
        return {} if arguments.get("text") else super().wrong(arguments)


class RefusesWithoutAName(Echo):
    def predict(self, arguments: dict[str, str], accept: str) -> Reply:
        status, content_type, body = super().predict(arguments, accept)
        return status, content_type, b"no" if status == 422 else body


class TrainsOnlyOneWorker(Echo):
    calls = 0

    def predict(self, arguments: dict[str, str], accept: str) -> Reply:
        self.calls += 1
        new, self.trained = self.trained, self.trained if self.calls % 2 else 0
        try:
            return super().predict(arguments, accept)
        finally:
            self.trained = new


class FailsToTrain(Echo):
    def train(self, arguments: dict[str, str]) -> Reply:
        reply = super().train(arguments)
        for training in self.trainings.values():
            training |= {"status": "error", "message": "KeyError: 'label'"}
        return reply


class CannotBeCancelled(Echo):
    def delete(self, identity: str) -> Reply:
        return 500, "text/plain", identity.encode()


class ExplainsNothing(Echo):
    parameters = ({**TEXT, "description": ""}, TIMES, ACCEPT)


class SaysNothingOfItself(Echo):
    def models(self) -> Any:
        return {"models": [{"name": "echo", "version": "1", "license": None}]}


@pytest.mark.parametrize(
    ("module", "name", "sentence"),
    [
        (SaysNaN(), "strict JSON", "NaN"),
        (IgnoresAccept(), "content types", "Asked for text/csv it answers application/json"),
        (AnswersAnythingLiterally(), "accepts anything", "content type */*"),
        (TakesEverything(), "wrong arguments", "6 was taken for times"),
        (RefusesWithoutAName(), "wrong arguments", "without naming it"),
        (TrainsOnlyOneWorker(), "training", "some workers still answer from the old weights"),
        (FailsToTrain(), "training", "“error”: KeyError: 'label'"),
        (ExplainsNothing(), "arguments", "text"),
        (SaysNothingOfItself(), "metadata", "description, license, author"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Echo) else "",
)
def test_what_a_module_does_wrong_is_said(module: Echo, name: str, sentence: str) -> None:
    report = check(module)
    outcome, said = of(report, name)
    assert outcome is Outcome.FAILED, report
    assert sentence in said


def test_a_training_that_cannot_be_cancelled_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.deepaas.kit.checks.SOON_SECONDS", 0.3)
    assert of(check(CannotBeCancelled()), "predict while training, cancel") == (
        Outcome.FAILED,
        "A cancelled training goes on.",
    )


class SwitchedOff(Echo):
    def train(self, arguments: dict[str, str]) -> Reply:
        return 402, "text/plain", b"402: Payment Required"


class Unwritten(Echo):
    def predict(self, arguments: dict[str, str], accept: str) -> Reply:
        return 501, "text/plain", b"501: Not Implemented"


def test_a_method_that_is_switched_off_is_no_failure() -> None:
    outcome, sentence = of(check(SwitchedOff()), "training")
    assert (outcome, "402" in sentence) == (Outcome.SKIPPED, True)


def test_a_method_that_nobody_wrote_is_no_failure() -> None:
    assert of(check(Unwritten()), "samples")[0] is Outcome.SKIPPED


class FallsSilent(Echo):
    """As a DEEPaaS whose worker died: it lists its models and predicts never again."""

    def predict(self, arguments: dict[str, str], accept: str) -> Reply:
        if accept == "*/*":
            time.sleep(1)
        return super().predict(arguments, accept)


def test_after_silence_nothing_more_is_asked() -> None:
    report = check(FallsSilent())
    assert "got no answer within" in of(report, "accepts anything")[1]
    later = [result for result in report.results if result.check in ("strict JSON", "training")]
    assert {result.outcome for result in later} == {Outcome.SKIPPED}
    assert report.failed


class ServesTheTestModel(Echo):
    name = "deepaas-test"


class HasNoDocument(Echo):
    def reply(self, method: str, path: str, arguments: dict[str, str], accept: str) -> Reply:
        return 404, "text/plain", b"404: Not Found"


@pytest.mark.parametrize(
    ("module", "sentence"),
    [(ServesTheTestModel(), "its own test model"), (HasNoDocument(), "no document at /swagger.json")],
)
def test_what_is_no_module_is_said_at_once(module: Echo, sentence: str) -> None:
    (result,) = check(module).results
    assert result.outcome is Outcome.FAILED
    assert sentence in result.sentence


def test_where_nobody_listens_that_is_said() -> None:
    with serving(Echo()) as address:
        pass
    (result,) = check_address(address).results
    assert "found nobody" in result.sentence


def test_the_command_writes_its_report_and_fails_with_the_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(IgnoresAccept()) as address, pytest.raises(CommandError, match="does not keep") as error:
        call_command("check_module", address, report=tmp_path / "report.json")
    assert error.value.returncode == 1
    assert json.loads((tmp_path / "report.json").read_text())["failed"] is True
    assert "failed   content types:" in capsys.readouterr().out


def test_a_folder_that_is_no_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"no pyproject\.toml"):
        call_command("check_module", str(tmp_path))


# ── What is sent ─────────────────────────────────────────────────────────────────────────────────
def test_guesses_respect_types_bounds_and_choices() -> None:
    operation = Operation(
        "/predict/",
        (
            Argument("size", Type.INTEGER, minimum=3, maximum=9, required=True),
            Argument("mode", choices=("a", "b"), required=True),
            Argument("values", Type.NUMBER, multiple=True, required=True),
            Argument("image", Type.FILE, media=Media.IMAGE, required=True, location=Location.FORM),
            Argument("spare", Type.INTEGER),
        ),
    )
    sample = samples.guess(operation)
    assert sample.arguments == {"size": 3, "mode": "a", "values": [1, 1, 1]}
    assert sample.files["image"].startswith(b"\x89PNG")


def test_a_short_training_is_as_short_and_a_long_one_as_long_as_allowed() -> None:
    operation = Operation("/train/", (Argument("n_epochs", Type.INTEGER, minimum=2, maximum=50), Argument("name")))
    short = samples.short_training(operation)
    assert short.arguments == {"n_epochs": 2}
    assert samples.long_training(operation, short).arguments == {"n_epochs": 50}


def test_wrong_values_are_wrong() -> None:
    operation = Operation(
        "/predict/",
        (
            Argument("size", Type.INTEGER, maximum=9),
            Argument("values", Type.NUMBER, multiple=True),
            Argument("mode", choices=("a",)),
            Argument("accept", choices=("application/json",), location=Location.HEADER),
            Argument("text"),
        ),
    )
    assert samples.wrong_values(operation) == {"size": 10, "values": "many", "mode": "none-of-these"}


def test_own_samples_are_read_with_their_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    rows = [{"title": "One", "arguments": {"times": 2}, "files": {"file": "a.txt"}}]
    (tmp_path / "predict.json").write_text(json.dumps(rows))
    (sample,) = samples.read(tmp_path, "predict")
    assert (sample.arguments, sample.files, sample.guessed) == ({"times": 2}, {"file": b"hello"}, False)
    assert samples.read(tmp_path, "train") == ()


def test_a_recorded_document_leaves_out_what_deepaas_says_of_itself() -> None:
    document = {"info": {"description": "<img src=…>", "version": "2"}, "externalDocs": {}, "paths": {}}
    assert local.recorded(document) == {"info": {"version": "2"}, "paths": {}}


def test_a_package_that_cannot_be_installed_is_told_with_the_reason(tmp_path: Path) -> None:
    module, work = tmp_path / "module", tmp_path / "work"
    module.mkdir()
    work.mkdir()
    (module / "pyproject.toml").write_text("this is no toml")
    with pytest.raises(Exception, match="It cannot be installed"):
        local.install(module, work)
