"""Attaching by copies."""

# ruff: noqa: T201
import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

from .attachment import Attachment
from .plan import USER, Trouble
from .status import read_json, write_json

Files = dict[str, list[int]]  # name: size and time


class Copy(Attachment):
    """Copied here before the start, and back at intervals and at the end, where no file system can be mounted.
    What a task deletes here stays on the storage."""

    def prepare(self, *, again: bool) -> None:
        self.tell(state="preparing", error="")
        self.own.mkdir(mode=0o700, exist_ok=True)
        if again:
            return
        self.check()
        if self.changed():
            self.bring()  # what an earlier start could not
        self.clear()
        self.own.mkdir(mode=0o700)
        # Whoever waits for the folder sees it when all is in it.
        draft = self.folder.with_name(f".{self.storage.target}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if USER:
            os.chown(draft, USER["user"], USER["group"])
        fetch = self.rclone("copy", self.storage.source, str(draft), "--stats=2s", as_task=True)
        fetch.finish(self.ending, self.progress)
        self.remember(self.scan(draft))
        draft.rename(self.folder)

    def progress(self, text: str) -> None:
        print(f"progress: copying {self.storage.target}: {text}", flush=True)

    def run(self) -> None:
        self.tell(state="attached")
        while not self.ending.wait(self.plan.copy_seconds):
            try:
                self.bring()
            except (Trouble, OSError) as error:
                self.tell(error=str(error))

    def bring(self) -> None:
        changed = self.changed()
        if not changed or self.storage.read_only:
            return
        self.tell(pending=len(changed))
        # Bytes of a list end at a new line: such names go one by one.
        plain = {name for name in changed if not {"\n", "\r"} & set(name)}
        if plain:
            listed = os.fsencode("".join(f"{name}\n" for name in sorted(plain)))
            self.upload(
                "copy", str(self.folder), self.storage.source, "--files-from-raw=-", "--no-traverse", said=listed
            )
        for name in changed.keys() - plain:
            self.upload("copyto", f"{self.folder}/{name}", f"{self.storage.source.rstrip('/')}/{name}")
        self.remember(self.known() | changed)
        self.tell(pending=0, error="")

    def upload(self, *arguments: str, said: bytes = b"") -> None:
        # Storages without times and sums would take a changed file of the same size for the same.
        self.rclone(*arguments, "--ignore-times", as_task=True, said=said).finish(self.ending)

    def changed(self) -> Files:
        known = self.known()
        return {name: facts for name, facts in self.scan(self.folder).items() if known.get(name) != facts}

    def scan(self, folder: Path) -> Files:
        """Size and time of each file; links are nobody's files."""
        found: Files = {}
        if not folder.exists():
            return found
        for path, _folders, files, here in os.fwalk(folder, follow_symlinks=False):
            for name in files:
                with suppress(FileNotFoundError):
                    facts = os.stat(name, dir_fd=here, follow_symlinks=False)
                    if stat.S_ISREG(facts.st_mode):
                        found[os.path.relpath(f"{path}/{name}", folder)] = [facts.st_size, facts.st_mtime_ns]
        return found

    def known(self) -> Files:
        return read_json(self.own / "known.json")

    def remember(self, files: Files) -> None:
        write_json(self.own / "known.json", files)

    def settled(self, until: float) -> bool:
        while self.pending() and time.monotonic() < until:
            try:
                self.bring()
            except (Trouble, OSError) as error:
                self.tell(error=str(error))
                time.sleep(1)
        self.tell(state="detached", pending=self.pending())
        return not self.pending()

    def pending(self) -> int:
        return 0 if self.storage.read_only else len(self.changed())

    def clear(self) -> None:
        for folder in (self.folder, self.folder.with_name(f".{self.storage.target}"), self.own):
            shutil.rmtree(folder, ignore_errors=True)
