"""The trained model on disk, shared by the service and its trainings."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import joblib

from . import storage

Model = TypeVar("Model")
Stamp = tuple[int, int] | None


class UnreadableWeights(Exception):
    """The file of weights is there and cannot be used."""


class Weights(Generic[Model]):
    """The newest trained model, or the built-in one as long as nobody has trained.

    ``current`` looks at the file each time, so that every worker answers with newer weights at its next prediction.
    """

    def __init__(self, file_name: str, build: Callable[[], Model]) -> None:
        self.file_name, self._build = file_name, build
        self._model: Model | None = None
        self._stamp: Stamp = None

    @property
    def path(self) -> Path:
        return storage.place("models") / self.file_name

    def current(self) -> Model:
        stamp = self._stamp_now()
        if self._model is None or stamp != self._stamp:
            self._model = self._load() if stamp else self._build()
            self._stamp = stamp
        return self._model

    def save(self, model: Model) -> Path:
        """All or nothing: a reader sees the old weights or the new ones, also when the disk is full."""
        path = storage.folder("models") / self.file_name
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                joblib.dump(model, file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o660)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
        return path

    def _load(self) -> Model:
        try:
            model: Model = joblib.load(self.path)
        except Exception as error:  # unpickling can raise anything
            raise UnreadableWeights(
                f"The weights in {self.path} cannot be read ({error}). Train again, or remove the file."
            ) from error
        return model

    def _stamp_now(self) -> Stamp:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino
