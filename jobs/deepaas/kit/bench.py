"""A module on the bench: how it is asked, what it says of itself, and what is sent to it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from jobs.deepaas.document import ANYTHING, JSON, Model, Operation

from .asking import Answer, Caller
from .report import NotAsked, NotKept
from .samples import Sample

FOREVER_SECONDS = 180
ENDED = frozenset({"done", "completed", "error", "cancelled"})


@dataclass(frozen=True)
class Place:
    """A module that the kit itself installed and started: its folders, and the programs of its environment."""

    module: Path
    programs: Path
    storage: Path
    uploads: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Bench:
    caller: Caller
    document: Mapping[str, Any]
    model: Model
    predictions: tuple[Sample, ...]
    trainings: tuple[Sample, ...]
    place: Place | None = None
    may_train: bool = True

    @property
    def predict(self) -> Operation:
        if self.model.predict is None:
            raise NotAsked(_("The module offers no predictions."))
        return self.model.predict

    @property
    def train(self) -> Operation:
        if self.model.train is None:
            raise NotAsked(_("The module cannot be trained."))
        if not self.may_train:
            raise NotAsked(_("A training would replace the weights of this service; ask for it with --train."))
        return self.model.train

    @property
    def here(self) -> Place:
        if self.place is None:
            raise NotAsked(_("Only seen where the kit starts the module itself: give its folder."))
        return self.place

    def media_types(self) -> tuple[str, ...]:
        """What predictions can be had in, anything (*/*) aside."""
        choices = self.predict.accept.choices if self.predict.accept else ()
        return tuple(str(choice) for choice in choices or self.predict.produces if choice != ANYTHING)

    def predict_once(self, accept: str = "") -> Answer:
        """One good prediction; anything but a 200 is not."""
        answer = self.caller.call(self.predict, self.predictions[0], accept or self._json_if_offered())
        return good(answer, _("A prediction"), self.predictions[0])

    def _json_if_offered(self) -> str:
        types = self.media_types()
        return JSON if JSON in types or not types else types[0]

    # ── Trainings ────────────────────────────────────────────────────────────────────────────────
    def start_training(self, sample: Sample) -> str:
        answer = good(self.caller.call(self.train, sample), _("The start of a training"), sample)
        started = answer.json()
        if not isinstance(started, dict) or not started.get("uuid"):
            raise NotKept(_("The start of a training gives no uuid to ask for it: %s") % answer.start)
        return str(started["uuid"])

    def training(self, uuid: str) -> Answer:
        # With a slash at its end DEEPaaS 2 knows no training.
        return self.caller.ask("GET", f"{self.train.path.rstrip('/')}/{uuid}")

    def end_of_training(self, uuid: str) -> dict[str, Any]:
        until = time.monotonic() + FOREVER_SECONDS
        while time.monotonic() < until:
            answer = self.training(uuid)
            if not answer.ok:
                told = {"status": answer.status, "start": answer.start}
                raise NotKept(_("Asked for its training it answered %(status)d: %(start)s") % told)
            state = answer.json()
            if state.get("status") in ENDED:
                return dict(state)
            time.sleep(0.2)
        raise NotKept(_("A short training did not end within %d seconds.") % FOREVER_SECONDS)

    def cancel(self, uuid: str) -> Answer:
        return self.caller.ask("DELETE", f"{self.train.path.rstrip('/')}/{uuid}")


def good(answer: Answer, what: str, sample: Sample) -> Answer:
    """The answer if it is a 200; else in words, or nothing to be asked if we merely guessed wrongly."""
    if answer.ok:
        return answer
    told = {"what": what, "status": answer.status, "start": answer.start}
    if sample.guessed and answer.status in (400, 422):
        text = _("The kit found no arguments that the module takes (%(start)s). Add samples/predict.json to it.")
        raise NotAsked(text % told)
    if answer.status in (402, 501):
        raise NotAsked(_("%(what)s was answered %(status)d: switched off, or not implemented.") % told)
    raise NotKept(_("%(what)s was answered %(status)d: %(start)s") % told)
