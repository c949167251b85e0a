"""From an address or a folder to a report."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from jobs.deepaas.document import DocumentUnusable, Model, Operation, parse

from . import checks, local, samples
from .asking import Caller
from .bench import Bench, Place
from .report import NotKept, Outcome, Report, Result, Silent, run
from .samples import Sample

Say = Callable[[Result], Any]
Step = tuple[str, Callable[[Bench], str]]

# DEEPaaS 2 has the first alone.
DOCUMENTS = ("/swagger.json", "/openapi.json")
SERVICE: Sequence[Step] = (
    ("metadata", checks.metadata),
    ("arguments", checks.arguments),
    ("samples", checks.samples),
    ("content types", checks.media_types),
    ("accepts anything", checks.anything),
    ("strict JSON", checks.strict_json),
    ("wrong arguments", checks.wrong_arguments),
    ("broken input", checks.broken_input),
    ("uploads", checks.uploads),
    ("wrong training", checks.wrong_training),
    ("training", checks.training),
    ("predict while training, cancel", checks.meanwhile),
)
FOLDER: Sequence[Step] = (
    ("recorded document", local.document_file),
    ("command line", local.command_line),
)


def check_address(
    address: str,
    *,
    sample_folder: Path | None = None,
    train: bool = False,
    patience_seconds: float = 60,
    say: Say = lambda _result: None,
) -> Report:
    """Ask a service that runs. It is trained only when that is asked for, since that replaces its weights."""
    caller = Caller(address, patience_seconds)
    try:
        results = _heard(_of_service(caller, sample_folder, None, train=train), say)
    finally:
        caller.close()
    return Report(address, results)


def check_folder(
    module: Path,
    *,
    train: bool = True,
    write_document: bool = False,
    environment: Path | None = None,
    say: Say = lambda _result: None,
) -> Report:
    """Install, start, ask and stop a module. ``environment`` has it already, and nothing is installed then."""
    with tempfile.TemporaryDirectory(prefix="serai-check-", ignore_cleanup_errors=True) as work:
        folder = module.resolve()
        put = partial(local.prepare, environment=environment) if environment else local.install
        results = _heard(_of_folder(partial(put, folder, Path(work)), folder, Path(work), train, write_document), say)
    return Report(str(module), results)


def _heard(results: Iterator[Result], say: Say) -> tuple[Result, ...]:
    heard = []
    for result in results:
        say(result)
        heard.append(result)
    return tuple(heard)


def _of_folder(
    put: Callable[[], Place], module: Path, work: Path, train: bool, write_document: bool
) -> Iterator[Result]:
    yield run("metadata file", partial(local.metadata_file, module))
    try:
        place = put()
    except NotKept as reason:
        yield Result("installation", Outcome.FAILED, str(reason))
        return
    yield Result("installation", Outcome.OK, _("It is installed in %s.") % place.programs.parent)
    with local.started(place, work) as service:
        try:
            seconds = service.wait()
        except NotKept as reason:
            yield Result("start", Outcome.FAILED, str(reason))
            return
        yield Result("start", Outcome.OK, _("It answered after %.1f s.") % seconds)
        caller = Caller(service.address)
        yield from _of_service(caller, module / "samples", place, train=train, write_document=write_document)
        caller.close()
        yield run("stop", lambda: _("It stopped %.1f s after SIGINT.") % service.stop())


def _of_service(
    caller: Caller, sample_folder: Path | None, place: Place | None, *, train: bool, write_document: bool = False
) -> Iterator[Result]:
    try:
        bench = open_bench(caller, sample_folder, place, train=train)
    except NotKept as reason:
        yield Result("document", Outcome.FAILED, str(reason))
        return
    if write_document:
        local.write_document(bench)
    yield Result("document", Outcome.OK, _("Its document can be read: DEEPaaS %s.") % parse(bench.document).version)
    steps = [*SERVICE, *(FOLDER if place else ())]
    for number, (name, check) in enumerate(steps):
        try:
            yield run(name, partial(check, bench))
        except Silent as reason:
            yield Result(name, Outcome.FAILED, str(reason))
            silent = _("Not asked: it no longer answers.")
            yield from (Result(later, Outcome.SKIPPED, silent) for later, _check in steps[number + 1 :])
            return


def open_bench(caller: Caller, sample_folder: Path | None, place: Place | None, *, train: bool) -> Bench:
    answer = next((found for path in DOCUMENTS if (found := caller.ask("GET", path)).ok), None)
    if answer is None:
        raise NotKept(_("It has no document at %s.") % ", ".join(DOCUMENTS))
    document = answer.json()
    try:
        models = parse(document).models
    except DocumentUnusable as error:
        raise NotKept(str(error)) from None
    model = next((model for model in models if model.predict), None)
    if model is None:
        raise NotKept(_("Its document offers no prediction."))
    if model.name == local.TEST_MODEL:
        raise NotKept(_("DEEPaaS could not load the module and serves its own test model: look at its log."))
    return _bench(caller, document, model, sample_folder, place, train)


def _bench(
    caller: Caller, document: Any, model: Model, sample_folder: Path | None, place: Place | None, train: bool
) -> Bench:
    def given(method: str, operation: Operation | None, guess: Callable[[Operation], Sample]) -> tuple[Sample, ...]:
        own = samples.read(sample_folder, method) if sample_folder else ()
        return own or ((guess(operation),) if operation else ())

    return Bench(
        caller,
        document,
        model,
        predictions=given("predict", model.predict, samples.guess),
        trainings=given("train", model.train, samples.short_training),
        place=place,
        may_train=train,
    )
