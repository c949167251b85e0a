"""People that the tests speak of: Ada, Bob in her project, Eve outside."""

import shutil
import tempfile
from pathlib import Path

import pytest
from django.core.cache import cache

from accounts.models import ApiToken, Membership, User, create_person
from tests.agents import start_local_agent
from tests.system.stack import Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browsers last: Playwright leaves an event loop in its thread, in which nothing asynchronous can be called."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(autouse=True)
def _empty_cache():
    """Counters of the rate limits start anew for each test."""
    cache.clear()


@pytest.fixture
def ada(db) -> User:
    return create_person("ada", password="difference-engine", full_name="Ada")


@pytest.fixture
def bob(db, ada) -> User:
    """Bob works in Ada's project."""
    bob = create_person("bob", password="pipes-and-pipes", full_name="Bob")
    Membership.objects.create(project=ada.personal_project, user=bob)
    return bob


@pytest.fixture
def eve(db) -> User:
    """Eve shares no project with anybody."""
    return create_person("eve", password="wants-to-know", full_name="Eve")


@pytest.fixture
def bearer():
    """The headers by which a person's script calls the API: ``client.get(url, headers=bearer(ada))``."""

    def headers(user: User, *scopes: str) -> dict[str, str]:
        _token, plain = ApiToken.issue(user, "test", scopes=list(scopes) or None)
        return {"Authorization": f"Bearer {plain}"}

    return headers


@pytest.fixture(scope="session")
def _local_agent():
    """One embedded local datacenter for the whole run; its folder is one that other uids may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="serai-agent-"))
    folder.chmod(0o711)
    agent = start_local_agent(folder)
    yield agent
    agent.stop_tasks_and_end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def local_agent(_local_agent):
    """The embedded local datacenter (see ``tests/agents.py``); use job ids of your own, others run there too."""
    return _local_agent


@pytest.fixture(scope="session")
def whole_stack(tmp_path_factory):
    """All of Serai with MLflow, as ``make run`` starts it; one for the whole run, so clean up what you deploy."""
    folder = tmp_path_factory.mktemp("whole")
    token_file = folder / "token"
    variables = {"SERAI_MLFLOW": "1", "SERAI_STOP_TASKS": "1", "SERAI_ADMIN_TOKEN_FILE": str(token_file)}
    # Storages of tests are servers of this machine.
    with Stack(folder / "data", SERAI_TRUSTED_HOSTS="127.0.0.1", **variables) as stack:
        stack.wait_until_ready(180)
        stack.token = token_file.read_text().strip()
        yield stack
