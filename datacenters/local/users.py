"""Who a task runs as: as root, each job has an uid of its own and each namespace a gid; else all is one user's."""

import os
from dataclasses import dataclass

from .state import JobKey, State

FIRST = 200_000


@dataclass(frozen=True)
class User:
    uid: int
    gid: int


def separate() -> bool:
    """Whether tasks can be kept from each other, and from us."""
    return os.getuid() == 0


def job_user(state: State, key: JobKey) -> User:
    """Stable for a job: what an earlier allocation wrote, a later one can read."""
    if not separate():
        return User(os.getuid(), os.getgid())
    namespace, job = key
    return User(_number(state, "uids", f"{namespace}/{job}"), _number(state, "gids", namespace))


def forget_user(state: State, key: JobKey) -> None:
    """The job is gone for good; its number is not given to another."""
    known = state.fact("uids")
    if known.get("numbers", {}).pop("/".join(key), None):
        state.remember("uids", numbers=known["numbers"])


def _number(state: State, fact: str, name: str) -> int:
    known = state.fact(fact)
    if name not in known.setdefault("numbers", {}):
        # Never given twice: files of a job that is gone may still be about.
        known["numbers"][name] = known["next"] = known.get("next", FIRST - 1) + 1
        state.remember(fact, **{key: value for key, value in known.items() if key != "ID"})
    return int(known["numbers"][name])
