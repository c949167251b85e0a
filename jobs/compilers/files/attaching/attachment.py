"""What both ways of attaching a storage have in common."""

import threading
from typing import Any

from .plan import Place, Plan, Storage
from .rclone import NoFolder, Rclone
from .status import Status


class Attachment:
    def __init__(self, storage: Storage, place: Place, plan: Plan, status: Status, ending: threading.Event) -> None:
        self.storage, self.place, self.plan, self.status, self.ending = storage, place, plan, status, ending
        self.folder, self.own = place.folder / storage.target, place.state / storage.target

    def prepare(self, *, again: bool) -> None:
        """Attach it. ``again``: the tasks run already, and whoever held it before was killed."""
        raise NotImplementedError

    def run(self) -> None:
        """Keep it attached until the end of the tasks."""
        raise NotImplementedError

    def settled(self, until: float) -> bool:
        """Bring what is pending to the storage; whether nothing is left. Nothing is attached afterwards."""
        raise NotImplementedError

    def pending(self) -> int:
        """How many files are not on the storage yet."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget all that is here of it."""
        raise NotImplementedError

    def tell(self, **values: Any) -> None:
        self.status.tell(self.storage.target, **values)

    def rclone(self, *arguments: str, **how: Any) -> Rclone:
        return Rclone(self.storage, arguments, timeout=self.plan.timeout_seconds, **how)

    def check(self) -> None:
        """Whether it answers and takes the login; its folder is made where that may be."""
        try:
            self.rclone("lsf", "--max-depth=1", self.storage.source).finish()
        except NoFolder:
            if self.storage.read_only:
                raise
            self.rclone("mkdir", self.storage.source).finish()

    def what_is_left(self) -> str:
        count = self.pending()
        files = "1 file" if count == 1 else f"{count} files"
        why = self.status.values["storages"].get(self.storage.target, {}).get("error", "")
        return (
            f"{files} could not be written to the storage “{self.storage.target}”. {why} "
            "They are kept on the machine, and written when this is started there again."
        )
