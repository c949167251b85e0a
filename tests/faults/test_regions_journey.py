"""Two real regions with access control, brought by an operator's script; Ada's script deploys, predicts and stops in each.

All of Serai's own processes run. The module is a package, which these test clusters run by raw_exec.
"""

import shutil
import tempfile
from pathlib import Path

import httpx
import pytest

from accounts.models import create_person
from datacenters.clusters import POLICY
from tests.agents import nomad_binary
from tests.fake_modules import make_module
from tests.federation import federation
from tests.unit.jobs.conftest import asset_of

from .site import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
PREDICTS = """
import http.server, json, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
text = {"in": "query", "name": "text", "required": True, "type": "string"}
predict = {"post": {"parameters": [text], "produces": ["application/json"], "responses": {"200": {}}}}
document = {"swagger": "2.0", "info": {"title": "tiny", "version": "1"}, "paths": {"/v2/models/tiny/predict/": predict}}

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
    def do_GET(self):
        self.answer(document)
    def do_POST(self):
        self.answer({"status": "OK", "predictions": self.path.partition("text=")[2][::-1]})

http.server.HTTPServer((given["--listen-ip"], int(given["--listen-port"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def regions():
    if nomad_binary() is None:
        pytest.skip("no nomad on PATH: the journey on real regions is left out")
    folder = Path(tempfile.mkdtemp(prefix="serai-regions-"))
    folder.chmod(0o711)
    with federation(folder) as found:
        yield found
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def serai(site, place, regions, ada):
    """All of Serai; scripts of Olga, who runs datacenters, and of Ada."""
    asset_of("tiny", f"file://{make_module(place / 'tiny', serve=PREDICTS)}")
    for start in (site.worker, site.watcher, site.web):
        start()
    with site.client_of(create_person("olga", is_staff=True)) as olga, site.client_of(ada) as script:
        yield site, olga, script


def test_an_operator_brings_two_regions_and_ada_works_in_both(serai, regions, ada):
    site, olga, script = serai
    token = regions.token("serai", POLICY)
    for region in ("west", "east"):
        body = {"name": region, "address": regions.west, "region": region, "token": token, "trusted_for_tests": True}
        brought = olga.post("clusters", json=body)
        assert brought.status_code == 201, brought.text
        assert all(check["ok"] is not False for check in brought.json()["checks"])
        given = olga.put(f"clusters/{region}/tokens/ada", json={"management_token": regions.management})
        assert given.status_code == 200, given.text
    places = {item["name"] for item in script.get("datacenters").json()["items"]}
    assert places == {"alps", "coast", "docks"}

    for place in ("coast", "docks"):
        small = {"cpu_cores": 0.2, "memory_mb": 150, "disk_mb": 200}
        asked = {"module": "tiny", "resources": small, "datacenter": place, "title": f"Tiny in {place}"}
        answer = script.post("deployments", json=asked)
        assert answer.status_code == 201, answer.text
        pk = answer.json()["id"]
        told = wait_for(lambda pk=pk: until(script, pk, "running"), 90, site.said)
        assert told["datacenter"] == place
        where = f"http://127.0.0.1:{site.port}/d/{pk}/api/v2/models/tiny/predict/"
        predicted = httpx.post(where, params={"text": "abc"}, headers=script.headers)
        assert predicted.json() == {"status": "OK", "predictions": "cba"}, predicted.text
        assert script.post(f"deployments/{pk}/stop").status_code == 202
        wait_for(lambda pk=pk: until(script, pk, "stopped"), 60, site.said)


def until(script, pk, status):
    told = script.get(f"deployments/{pk}").json()
    assert told["status"] != "failed", told
    return told if told["status"] == status else None
