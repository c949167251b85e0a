"""How long the lists of deployments take: ``python benchmarks/lists.py [deployments]`` (10,000).

Makes a database of its own in a temporary folder (or uses DATABASE_URL's test twin), fills it with deployments, and
prints p50 and p95 of answers by REST and of the page, with the number of queries. The floor beside them is what
reading the same rows and writing them as JSON takes without Serai; the ratio says what all the rest costs. Reported,
never a gate.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
os.environ["SERAI_DATA"] = tempfile.mkdtemp(prefix="serai-benchmark-")
os.environ["SERAI_API_RATE"] = "1000000/m"

import django
from django.conf import settings
from django.db import connection, connections, reset_queries
from django.test import Client
from django.utils import timezone

django.setup()

from accounts.models import ApiToken, User, create_person  # noqa: E402 (Django first)
from datacenters.models import Cluster, Datacenter  # noqa: E402
from jobs.models import Deployment, Status, as_json  # noqa: E402
from jobs.requests import DeployRequest  # noqa: E402
from marketplace.models import Asset, Kind, Source, SourceKind  # noqa: E402

ROUNDS = 30


def fill(count: int) -> User:
    ada = create_person("ada")
    source = Source.objects.create(slug="demo", title="Demo", kind=SourceKind.FOLDER, location="demo")
    asset = Asset.objects.create(slug="digits", title="Digits", kind=Kind.MODULE, source=source, origin="digits")
    cluster = Cluster.objects.create(name="garden", address="http://127.0.0.1:1", reached=timezone.now())
    place = Datacenter.objects.create(name="greenhouse", cluster=cluster, nomad_name="greenhouse")
    request = as_json(DeployRequest(asset="digits", title="Digits", project=ada.personal_project.slug))
    chance = random.Random(0)
    Deployment.objects.bulk_create(
        Deployment(
            project=ada.personal_project,
            owner=ada,
            asset=asset,
            asset_slug=asset.slug,
            title=f"Digits {number}",
            request=request,
            status=chance.choice(Status.values),
            datacenter=place,
            endpoints=[{"label": "api", "host": "127.0.0.1", "port": 5000, "healthy": True}],
        )
        for number in range(count)
    )
    return ada


def measure(name: str, call: Callable[[], object], floor: float | None = None) -> float:
    reset_queries()
    answer = call()
    assert getattr(answer, "status_code", 200) == 200, answer
    queries = len(connection.queries)
    took = []
    for _round in range(ROUNDS):
        begin = time.perf_counter()
        call()
        took.append((time.perf_counter() - begin) * 1000)
    p50, p95 = statistics.median(took), statistics.quantiles(took, n=20)[-1]
    ratio = f"  x{p50 / floor:.1f} of the floor" if floor else ""
    print(f"{name:38} p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  {queries:2} queries{ratio}")
    return p50


def rows(count: int) -> str:
    found = Deployment.objects.order_by("-created").values()[:count]
    return json.dumps(list(found), default=str)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    settings.DEBUG = True  # so that queries are counted; of templates and errors nothing is measured
    connections["default"].creation.create_test_db(verbosity=0)
    ada = fill(count)
    one = Deployment.objects.latest("created").pk
    settings.ALLOWED_HOSTS.append("testserver")
    api = Client(headers={"Authorization": f"Bearer {ApiToken.issue(ada, 'benchmark')[1]}"})
    pages = Client()
    pages.force_login(ada)
    print(f"{count:,} deployments, {connection.vendor}")
    for size in (100, 1000):
        floor = measure(f"floor: {size} rows as JSON", partial(rows, size))
        measure(f"REST: {size} deployments", partial(api.get, f"/api/v1/deployments?limit={size}"), floor)
    measure("REST: one deployment", lambda: api.get(f"/api/v1/deployments/{one}"))
    measure("page: deployments", lambda: pages.get("/deployments/"))
    measure("page: one deployment", lambda: pages.get(f"/deployments/{one}/"))


if __name__ == "__main__":
    main()
