"""``python -m attaching hold|end``"""

# ruff: noqa: T201
import fcntl
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .attachment import Attachment
from .copying import Copy
from .mounting import Mount
from .mounts import sweep
from .plan import Place, Plan, Storage, Trouble
from .status import Status

KINDS: dict[str, type[Attachment]] = {"mount": Mount, "copy": Copy}


def main(what: str) -> int:
    os.umask(0o022)
    place = Place(Path(os.environ["SERAI_MOUNTS"]), os.environ["NOMAD_JOB_ID"], os.environ["NOMAD_ALLOC_ID"])
    values = json.loads(Path(os.environ["NOMAD_TASK_DIR"], "storages.json").read_text())
    plan = Plan(**{**values, "storages": tuple(Storage(**one) for one in values["storages"])})
    try:
        return {"hold": hold, "end": end}[what](place, plan)
    except (Trouble, OSError) as error:
        print(f"failed: {error}", file=sys.stderr, flush=True)
        return 1


def hold(place: Place, plan: Plan) -> int:
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    place.make()
    with alone(place):
        sweep(place.root)
        status = Status(place)
        attached = [KINDS[one.mode](one, place, plan, status, ending) for one in plan.storages]
        try:
            prepare(attached, place)
        except (Trouble, OSError) as error:
            # ``wait`` fails the job, whose other tasks are ended then. Ending here would only begin anew.
            status.fail(str(error))
            ending.wait()
            return 0
        threads = [threading.Thread(target=one.run) for one in attached]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return 0


def prepare(attached: list[Attachment], place: Place) -> None:
    """Once for each life of the job; a ``hold`` that was killed goes on where it was."""
    marker = place.state / "prepared"
    again = marker.exists() and marker.read_text() == place.allocation
    for one in attached:
        one.prepare(again=again)
    marker.write_text(place.allocation)


def end(place: Place, plan: Plan) -> int:
    """What could not be brought to a storage stays on the node, for the next start of the same job."""
    if not place.state.exists():
        return 0
    with alone(place):
        status, never = Status(place), threading.Event()
        attached = [KINDS[one.mode](one, place, plan, status, never) for one in plan.storages]
        until = time.monotonic() + plan.flush_seconds
        left = [one for one in attached if not one.settled(until)]
        for one in set(attached) - set(left):
            one.clear()
        if left:
            raise Trouble(" ".join(one.what_is_left() for one in left))
    shutil.rmtree(place.state)
    place.folder.rmdir()
    return 0


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """Held as long as somebody looks after the job's storages: whoever finds it free knows that nobody does."""
    with open(place.state / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
