"""Agents of a test's own, which it may crash."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agents import Agent, start_local_agent
from tests.contract.cluster import Cluster

root_only = pytest.mark.skipif(os.getuid() != 0, reason="tasks get uids of their own only when the agent runs as root")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other uids may pass through (pytest's own are closed to them)."""
    folder = Path(tempfile.mkdtemp(prefix="serai-local-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start(place) -> Iterator[Callable[..., Agent]]:
    """Start an agent over the test's own folder; it is ended with all its tasks."""
    agents: list[Agent] = []

    def start(**settings) -> Agent:
        agents.append(start_local_agent(place, **settings))
        return agents[-1]

    yield start
    for agent in agents:
        agent.stop_tasks_and_end()


@pytest.fixture
def own_agent(start) -> Agent:
    return start()


@pytest.fixture
def own_cluster(own_agent) -> Iterator[Cluster]:
    with own_agent.client() as http:
        yield Cluster(own_agent, http)


@pytest.fixture
def shared_cluster(local_agent) -> Iterator[Cluster]:
    """The run's one agent, for tests that do it no harm."""
    with local_agent.client() as http:
        cluster = Cluster(local_agent, http)
        yield cluster
        cluster.purge_all()


@pytest.fixture
def job_id() -> str:
    return f"serai-{uuid.uuid4()}"
