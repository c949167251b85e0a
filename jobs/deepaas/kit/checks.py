"""What a running module is asked, in this order. Each check returns its sentence, or raises what is wrong."""

import time
from collections.abc import Callable

from django.utils.translation import gettext as _

from jobs.deepaas.document import ANYTHING, JSON, Operation

from .asking import Answer
from .bench import Bench
from .report import NotAsked, NotKept
from .samples import NO_FILE, Sample, long_training, wrong_values

Check = Callable[[Bench], str]

WORKERS = 2
SOON_SECONDS = 10  # a prediction beside a training
# How files of these types begin.
BEGINNINGS = {
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8",
    "image/gif": b"GIF8",
    "application/pdf": b"%PDF",
    "application/zip": b"PK",
}


def metadata(bench: Bench) -> str:
    path = bench.predict.path.rpartition("/models/")[0] + "/models/"
    answer = bench.caller.ask("GET", path)
    models = answer.json().get("models", []) if answer.ok else []
    if not models:
        raise NotKept(_("%(path)s lists no model (status %(status)d).") % {"path": path, "status": answer.status})
    said: dict[str, str] = models[0]
    empty = [name for name in ("name", "version", "description", "license", "author") if not said.get(name)]
    if empty:
        raise NotKept(_("It says nothing of its %s: get_metadata should.") % ", ".join(empty))
    return _("It is “%(name)s”, version %(version)s, under %(license)s.") % said


def arguments(bench: Bench) -> str:
    operations = [operation for operation in (bench.model.predict, bench.model.train) if operation]
    found = [argument for operation in operations for argument in operation.arguments]
    mute = [argument.name for argument in found if not argument.help]
    if mute:
        raise NotKept(
            _("These arguments have no description, so that forms cannot explain them: %s.") % ", ".join(mute)
        )
    return _("Each of its %d arguments has a description.") % len(found)


def samples(bench: Bench) -> str:
    answers = [_predicted(bench, sample) for sample in bench.predictions]
    slowest = max(answer.seconds for answer in answers)
    told = {"count": len(answers), "seconds": slowest}
    return _("%(count)d predictions were answered, the slowest after %(seconds).2f s.") % told


def media_types(bench: Bench) -> str:
    types = bench.media_types()
    for media_type in types:
        answer = bench.predict_once(media_type)
        _as_declared(answer, media_type)
    return _("Each declared content type came back as declared: %s.") % ", ".join(types)


def anything(bench: Bench) -> str:
    answer = bench.predict_once(ANYTHING)
    if "*" in answer.content_type:
        raise NotKept(_("A call that accepts anything is answered with the content type %s.") % answer.content_type)
    return _("A call that accepts anything gets %s.") % answer.content_type


def strict_json(bench: Bench) -> str:
    if JSON not in bench.media_types():
        raise NotAsked(_("It does not answer in JSON."))
    bench.predict_once(JSON).json()
    return _("The answer is JSON that every language reads, without NaN.")


def wrong_arguments(bench: Bench) -> str:
    sample = bench.predictions[0]
    refused = [_refusal(bench, bench.predict, sample, name, value) for name, value in _wrong(bench.predict)]
    for name in [n for n in (*sample.arguments, *sample.files) if _is_required(bench.predict, n)]:
        left = Sample(
            {key: value for key, value in sample.arguments.items() if key != name},
            {key: content for key, content in sample.files.items() if key != name},
        )
        refused.append(_refused(bench.caller.call(bench.predict, left), name, _("nothing")))
    if not refused:
        raise NotAsked(_("None of its arguments can be given wrongly."))
    return _("Wrong values were refused by name: %s.") % ", ".join(dict.fromkeys(refused))


def wrong_training(bench: Bench) -> str:
    operation = bench.train
    refused = [_refusal(bench, operation, bench.trainings[0], name, value) for name, value in _wrong(operation)]
    if not refused:
        raise NotAsked(_("None of the arguments of a training can be given wrongly."))
    return _("Wrong values were refused by name: %s.") % ", ".join(refused)


def broken_input(bench: Bench) -> str:
    sample = bench.predictions[0]
    if not sample.files:
        raise NotAsked(_("It takes no file, and its arguments were checked above."))
    broken = Sample(sample.arguments, dict.fromkeys(sample.files, NO_FILE))
    answer = bench.caller.call(bench.predict, broken)
    for _again in range(WORKERS + 1):
        bench.predict_once()
    if answer.ok:
        return _("A file of the wrong kind was taken nevertheless; the service goes on.")
    if answer.status >= 500 and "got itself in trouble" in answer.start:
        return _("A file of the wrong kind was answered %d without a reason; the service goes on.") % answer.status
    told = {"status": answer.status, "start": answer.start}
    return _("A file of the wrong kind was answered %(status)d (%(start)s); the service goes on.") % told


def uploads(bench: Bench) -> str:
    if not any(sample.files for sample in bench.predictions):
        raise NotAsked(_("It takes no file."))
    left = [path for path in bench.here.uploads.iterdir() if path.is_file()]
    if left:
        raise NotKept(_("%d uploaded files were left behind; predict should remove them.") % len(left))
    return _("No uploaded file was left behind.")


def training(bench: Bench) -> str:
    """Trains, and looks whether predictions change with it: in every worker, not only in the one that trained."""
    before = [bench.predict_once().body for _each in range(WORKERS)]
    uuid = bench.start_training(bench.trainings[0])
    state = bench.end_of_training(uuid)
    if state.get("status") not in ("done", "completed"):
        raise NotKept(_("A training ended as “%(status)s”: %(message)s") % {"message": "", **state})
    _is_listed(bench, uuid)
    after = [bench.predict_once().body for _each in range(2 * WORKERS)]
    done = _("A training ended well after %s.") % str(state.get("result", {}).get("duration", "?"))
    if len(set(before)) > 1:
        return done + " " + _("Its predictions differ from call to call, so newer weights cannot be told.")
    if len(set(after)) > 1:
        raise NotKept(_("After a training some workers still answer from the old weights."))
    if before[0] == after[0]:
        return done + " " + _("The prediction is the same as before.")
    return done + " " + _("Every worker predicts with the newer weights.")


def meanwhile(bench: Bench) -> str:
    """Predicts while it trains, then cancels."""
    bench.predict_once()
    uuid = bench.start_training(long_training(bench.train, bench.trainings[-1]))
    answer = bench.predict_once()
    state = bench.training(uuid)
    if not state.ok or state.json().get("status") != "running":
        raise NotAsked(_("Even its longest training was over before anybody could ask."))
    cancelled = bench.cancel(uuid)
    if answer.seconds > SOON_SECONDS:
        raise NotKept(_("A prediction beside a training took %.0f s: it waits for the training.") % answer.seconds)
    _is_gone(bench, uuid)
    bench.predict_once()
    told = {"seconds": answer.seconds, "status": cancelled.status}
    # Cancelling works and says 500 in DEEPaaS 2.
    text = _("A prediction beside a training took %(seconds).2f s; the training could be cancelled (%(status)d).")
    return text % told


# ── Parts ────────────────────────────────────────────────────────────────────────────────────────
def _predicted(bench: Bench, sample: Sample) -> Answer:
    accept = str(sample.arguments.get("accept", ""))
    answer = bench.caller.call(bench.predict, sample, accept)
    if not answer.ok and answer.status < 500 and not sample.guessed:
        told = {"status": answer.status, "start": answer.start}
        raise NotKept(_("One of its own samples was refused with %(status)d: %(start)s") % told)
    if not answer.ok:
        return bench.predict_once()
    return answer


def _as_declared(answer: Answer, media_type: str) -> None:
    if media_type.endswith("/*"):
        raise NotKept(_("It offers %s, which is no type that an answer can have.") % media_type)
    told = {"asked": media_type, "came": answer.content_type}
    if answer.content_type != media_type:
        raise NotKept(_("Asked for %(asked)s it answers %(came)s.") % told)
    if media_type == JSON:
        answer.json()
    if not answer.body.startswith(BEGINNINGS.get(media_type, b"")):
        raise NotKept(_("What it gives as %(asked)s does not begin as such a file does.") % told)


def _wrong(operation: Operation) -> list[tuple[str, object]]:
    return list(wrong_values(operation).items())


def _is_required(operation: Operation, name: str) -> bool:
    argument = operation.argument(name)
    return argument is not None and argument.required and argument.default is None


def _refusal(bench: Bench, operation: Operation, sample: Sample, name: str, value: object) -> str:
    answer = bench.caller.call(operation, sample.with_argument(name, value))
    if answer.ok and operation is bench.model.train:
        bench.cancel(str(answer.json().get("uuid", "")))
    return _refused(answer, name, value)


def _refused(answer: Answer, name: str, value: object) -> str:
    told = {"name": name, "value": value, "status": answer.status, "start": answer.start}
    if answer.ok:
        raise NotKept(_("%(value)s was taken for %(name)s, which its document excludes.") % told)
    if answer.status not in (400, 422) or name not in answer.start:
        text = _("%(value)s for %(name)s was answered %(status)d without naming it: %(start)s")
        raise NotKept(text % told)
    return name


def _is_listed(bench: Bench, uuid: str) -> None:
    listed = bench.caller.ask("GET", bench.train.path).json()
    # A bare list in DEEPaaS 2, in spite of its document.
    rows = listed.get("trainings", []) if isinstance(listed, dict) else listed
    if uuid not in [row.get("uuid") for row in rows]:
        raise NotKept(_("The list of trainings does not know one that was just made."))


def _is_gone(bench: Bench, uuid: str) -> None:
    until = time.monotonic() + SOON_SECONDS
    while time.monotonic() < until:
        state = bench.training(uuid)
        if not state.ok or state.json().get("status") != "running":
            return
        time.sleep(0.2)
    raise NotKept(_("A cancelled training goes on."))
