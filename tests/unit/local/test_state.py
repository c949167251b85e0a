"""What is written down, and what happens when it cannot be."""

import pytest

from datacenters.local.agent import Agent
from datacenters.local.errors import Refused
from datacenters.local.node import Settings
from datacenters.local.state import Change, Run, State
from datacenters.local.users import forget_user, job_user
from tests.contract.cluster import job, shell

from .conftest import root_only


def namespace(name: str, **members) -> Change:
    return Change("Namespace", {"Name": name, **members})


def fill_disk(state: State, *, full: bool) -> None:
    """SQLite may take no page more, as on a disk without room; or as many as it likes again."""
    pages = state.database.execute("PRAGMA page_count").fetchone()[0]
    state.database.execute(f"PRAGMA max_page_count={pages if full else 1_000_000}")


LARGE = {"Description": "x" * 100_000}


def test_what_is_committed_is_there_again(place):
    state = State(place / "state.sqlite")
    state.commit(namespace("ada"), namespace("bob"))
    state.save(Run("r", {"ID": "j"}, uid=5))
    state.commit(Change("Namespace", {"Name": "bob"}, gone=True))
    again = State(place / "state.sqlite")
    assert set(again.documents["Namespace"]) == {"ada"}
    assert again.index == state.index == 2
    assert again.runs["r"].uid == 5


def test_a_full_disk_loses_nothing_once_there_is_room_again(place, caplog):
    state = State(place / "state.sqlite")
    state.commit(namespace("ada"))
    fill_disk(state, full=True)
    state.commit(namespace("bob", **LARGE))
    state.commit(namespace("eve", **LARGE))
    assert state.unsaved
    assert "could not be written" in caplog.text
    assert set(State(place / "state.sqlite").documents["Namespace"]) == {"ada"}
    fill_disk(state, full=False)
    state.commit(Change("Namespace", {"Name": "ada"}, gone=True))
    assert not state.unsaved
    assert set(State(place / "state.sqlite").documents["Namespace"]) == {"bob", "eve"}


def test_nothing_new_starts_while_the_disk_is_full(place):
    agent = Agent.opened(Settings(place, place / "tasks", 0, "t"))
    fill_disk(agent.state, full=True)
    agent.save_namespace({"Name": "large", **LARGE})
    with pytest.raises(Refused, match="disk of the local datacenter is full"):
        agent.register(job("j", shell("true")), "")
    assert agent.state.jobs() == []


def test_events_are_kept_up_to_a_number(place):
    state = State(place / "state.sqlite")
    for number in range(120):
        state.commit(Change("Job", {"ID": f"j{number}", "Namespace": "default"}, "JobRegistered"))
    assert len(state.events) == 100
    assert state.events[-1].index == state.index


def test_a_deleted_variable_leaves_no_trace_in_memory(place):
    state = State(place / "state.sqlite")
    variable = {"Namespace": "n", "Path": "p", "Items": {"a": "b"}}
    state.commit(Change("Variable", variable))
    assert state.events == type(state.events)(maxlen=100)  # secrets are never told
    state.commit(Change("Variable", variable, gone=True))
    assert state.variable("n", "p") is None


@root_only
def test_users_are_given_once_and_kept(place):
    state = State(place / "state.sqlite")
    first, second = job_user(state, ("ada", "one")), job_user(state, ("ada", "two"))
    third = job_user(state, ("bob", "one"))
    assert len({first.uid, second.uid, third.uid}) == 3
    assert first.gid == second.gid != third.gid
    again = State(place / "state.sqlite")
    assert job_user(again, ("ada", "one")) == first
    assert job_user(again, ("eve", "new")).uid > third.uid
    forget_user(again, ("ada", "one"))
    assert job_user(again, ("ada", "one")).uid > third.uid + 1
