"""Real servers of each kind, one a module; each test has a folder of its own there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from datacenters.storage import Remote
from tests import storages

KINDS = ("webdav", "s3", "sftp")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these ask real servers."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="package")
def servers(tmp_path_factory) -> Iterator:
    """``servers("webdav")``: one that runs."""
    running: dict[str, storages.Server] = {}

    def of(kind: str) -> storages.Server:
        if kind not in running:
            running[kind] = storages.serve(kind, tmp_path_factory.mktemp(kind))
        return running[kind]

    yield of
    for server in running.values():
        server.stop()


@pytest.fixture(autouse=True)
def _loopback_is_trusted(settings):
    settings.SERAI_TRUSTED_HOSTS = ["127.0.0.1"]


@pytest.fixture(params=KINDS)
def server(request, servers) -> storages.Server:
    return servers(request.param)


@pytest.fixture
def remote(server) -> Remote:
    return server.remote()
