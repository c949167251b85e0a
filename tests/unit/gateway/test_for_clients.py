"""Endpoints for programs elsewhere, which show them keys of their own: some paths for everybody, all else for nobody."""

import ssl
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from django.test import Client

from dashboard.gateway.app import Gateway
from jobs import health
from jobs.federation.keys import new_certificates
from jobs.models import Deployment, DeploymentSecret, Status
from jobs.tools import mirror
from marketplace.models import Asset

from . import MAIN, Echo, call, pages

pytestmark = pytest.mark.django_db

HUB = """
id: hub
title: Hub
summary: Programs elsewhere come here.
description: For them.
resources: {cpu_cores: 0.1, memory_mb: 100, disk_mb: 100}
secrets: [HUB_AUTHORITY]
ports:
  - {label: hub, health_path: /health, certificate: HUB_AUTHORITY, open: [/v1/fleet/, /health]}
runtimes:
  package:
    tasks:
      - {name: main, command: "${meta.serai_python}"}
"""
CERTIFICATES = new_certificates(["127.0.0.1"])


@pytest.fixture(scope="module")
def hub_port(tmp_path_factory):
    """An echo that speaks TLS, with a certificate that one authority alone vouches for."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "both.pem").write_text(CERTIFICATES.certificate + CERTIFICATES.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(ada, hub_port, settings, tmp_path: Path) -> Deployment:
    (tmp_path / "hub.yml").write_text(HUB)
    settings.SERAI_TOOL_FOLDERS = [tmp_path]
    mirror.ensure()
    deployment = Deployment.objects.create(
        project=ada.personal_project,
        owner=ada,
        asset=Asset.objects.get(slug="hub"),
        asset_slug="hub",
        asset_kind="tool",
        title="Hub",
        request={},
        status=Status.RUNNING,
        endpoints=[{"label": "hub", "host": "127.0.0.1", "port": hub_port, "healthy": True}],
    )
    DeploymentSecret.objects.create(deployment=deployment, name="HUB_AUTHORITY", value=CERTIFICATES.authority)
    return deployment


def host_of(deployment: Deployment) -> str:
    return f"hub-{deployment.pk}.apps.localhost:8000"


@pytest.mark.parametrize("path", ["/health", "/v1/fleet/pull-messages", "/v1/fleet/activate-node"])
def test_clients_pass_without_any_cookie_or_token(hub, path):
    answer = call(path, host_of(hub), method="POST", body=b"signed")
    assert answer.status == 200
    assert answer.json["line"] == f"POST {path} HTTP/1.1"
    assert answer.json["body"] == "signed"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/healthy",
        "/v1/fleet/",
        "/v1/fleet",
        "/v1/control/register-node",
        "/v1/runtime/acquire-task",
        "/v1/fleet/../control/register-node",
        "/v1/fleet/%2e%2e/control/register-node",
        "/v1/fleet/..%2fcontrol",
        "//v1/fleet/pull-messages",
        "/v1/fleet/a/../../control/x",
        "/V1/fleet/pull-messages",
    ],
)
def test_all_else_is_nobodys(hub, ada, bearer, path):
    assert call(path, host_of(hub), method="POST", body=b"x").status == 404
    token = bearer(ada)["Authorization"]
    assert call(path, host_of(hub), method="POST", body=b"x", headers=[("authorization", token)]).status == 404


def test_on_the_main_host_there_is_no_such_door(hub, ada, bearer):
    token = bearer(ada)["Authorization"]
    for headers in ([], [("authorization", token)]):
        assert call(f"/d/{hub.pk}/hub/health", MAIN, headers=headers).status == 404


def test_no_door_opens_to_another_server_at_its_place(hub, client: Client):
    """A port may be another program's by now: that one has not the key of the certificate."""
    other = new_certificates(["127.0.0.1"]).authority
    DeploymentSecret.objects.filter(deployment=hub).delete()
    DeploymentSecret.objects.create(deployment=hub, name="HUB_AUTHORITY", value=other)
    assert call("/health", host_of(hub), gateway=Gateway(pages)).status in (502, 503)
    assert not health.probe(hub).ok


def test_it_is_well_when_it_answers_by_tls(hub):
    assert health.probe(hub).ok


def test_once_it_stopped_nobody_passes(hub):
    Deployment.objects.filter(pk=hub.pk).update(status=Status.STOPPED)
    assert call("/health", host_of(hub), gateway=Gateway(pages)).status == 401
