"""Who a task runs as: as root, each job has an uid of its own and each namespace a gid; else all is one user's."""

import os
import subprocess
from dataclasses import dataclass

from .state import JobKey, State

# Numbers that no distribution gives to people, services or containers. Each agent has a block of its own in
# them: two on one machine would otherwise run their jobs under the same users.
FIRST, LAST, BLOCK = 1_880_000_000, 2_147_000_000, 10_000


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


def packages_user(state: State) -> User:
    """Who builds packages: nobody's job, and in nobody's project."""
    return User(_number(state, "uids", "packages"), _number(state, "gids", "/packages"))


def forget_user(state: State, key: JobKey) -> None:
    """The job is gone for good; its number is not given to another."""
    known = state.fact("uids")
    if known.get("numbers", {}).pop("/".join(key), None):
        state.remember("uids", numbers=known["numbers"])


def _number(state: State, fact: str, name: str) -> int:
    known = state.fact(fact)
    if name not in known.setdefault("numbers", {}):
        # Never given twice: files of a job that is gone may still be about.
        known["numbers"][name] = known["next"] = max(known.get("next", 0), _first(state) - 1) + 1
        state.remember(fact, **{key: value for key, value in known.items() if key != "ID"})
    return int(known["numbers"][name])


def _first(state: State) -> int:
    """Of this agent's block, picked by its node's id, which is random."""
    return FIRST + int(state.fact("node").get("value", "0")[:8], 16) % ((LAST - FIRST) // BLOCK) * BLOCK


def end_all_of(user: User) -> None:
    """End every process of a job's user by one signal, so that none can fork between being seen and being ended."""
    if separate() and user.uid >= FIRST:
        subprocess.run(
            ["/bin/sh", "-c", "kill -s KILL -- -1"],
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
