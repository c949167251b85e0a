"""One set of cases, two agents: the embedded local datacenter, and a real Nomad where there is one."""

import shutil
import tempfile
import uuid
from pathlib import Path

import pytest

from tests.agents import Agent, nomad_binary, start_nomad_agent

from .cluster import Cluster


@pytest.fixture(scope="session", params=["local", pytest.param("nomad", marks=pytest.mark.slow)])
def agent(request) -> Agent:
    """A running agent of each kind; the nomad one is skipped where no ``nomad`` is on PATH."""
    if request.param == "local":
        yield request.getfixturevalue("_local_agent")
        return
    if nomad_binary() is None:
        pytest.skip("no nomad on PATH: the same cases over a real agent are left out")
    folder = Path(tempfile.mkdtemp(prefix="serai-nomad-"))
    agent = start_nomad_agent(folder)
    yield agent
    agent.stop_tasks_and_end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(agent) -> Cluster:
    """The agent with verbs for tests; the jobs registered by it are purged at the end."""
    with agent.client() as http:
        cluster = Cluster(agent, http)
        yield cluster
        cluster.purge_all()


@pytest.fixture
def job_id() -> str:
    return f"serai-{uuid.uuid4()}"
