"""What many clusters cost: ``python -m benchmarks.clusters [clusters]`` (50). Reported, never a gate.

A real watcher over light clusters (``tests/light_clusters.py``) in a process of their own: how long pages and lists
take with the good clusters alone, and beside a tenth that is dead and a tenth that hangs, as a ratio; how soon the
good ones are reached in both cases; and what the watcher holds.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
os.environ["SERAI_DATA"] = tempfile.mkdtemp(prefix="serai-benchmark-")
os.environ["SERAI_API_RATE"] = "1000000/m"
os.environ["SERAI_LOCAL"] = "0"

import django
import psutil
from django.conf import settings
from django.core.management import call_command
from django.test import Client

django.setup()

from accounts.models import ApiToken, User, create_person  # noqa: E402 (Django first)
from datacenters.models import Cluster  # noqa: E402

ROUNDS = 30
PAGES = ("/datacenters/", "/clusters/", "/deployments/", "/")
ROUTES = ("/api/v1/datacenters", "/api/v1/clusters", "/api/v1/deployments", "/api/v1/nodes")
WITHIN = 90  # seconds


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    bad = count // 10
    call_command("migrate", verbosity=0)
    settings.ALLOWED_HOSTS.append("testserver")
    settings.DEBUG = True  # no static files were collected here
    olga = create_person("olga", is_staff=True)
    with lights(count - bad, hanging=range(count - 2 * bad, count - bad)) as addresses:
        good = count - 2 * bad
        add(addresses[:good], 0)
        with a_watcher():
            began = time.monotonic()
            reached(good)
            print(f"{good} good clusters alone: all reached after {time.monotonic() - began:.1f} s")
            alone = measured(olga)
        Cluster.objects.update(reached=None)
        add([*addresses[good:], *(f"http://127.0.0.1:{port}" for port in range(1, bad + 1))], good)
        with a_watcher() as watcher:
            began = time.monotonic()
            reached(good)
            print(f"with {bad} that hang and {bad} that are dead: after {time.monotonic() - began:.1f} s")
            time.sleep(20)
            together = measured(olga)
            report_watcher(watcher, count)
    for name, took in together.items():
        print(f"{name:24} {took:6.1f} ms with the bad ones, {alone[name]:6.1f} ms without: x{took / alone[name]:.2f}")


def add(addresses: list[str], first: int) -> None:
    Cluster.objects.bulk_create(
        Cluster(name=f"garden-{number}", address=address) for number, address in enumerate(addresses, first)
    )


@contextmanager
def lights(count: int, hanging: range) -> Iterator[list[str]]:
    command = [sys.executable, "-m", "tests.light_clusters", str(count), *map(str, hanging)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()
        finally:
            process.terminate()


@contextmanager
def a_watcher() -> Iterator[psutil.Process]:
    command = [sys.executable, "manage.py", "watch"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def reached(count: int) -> None:
    deadline = time.monotonic() + WITHIN
    while Cluster.objects.exclude(reached=None).count() < count:
        assert time.monotonic() < deadline, f"only {Cluster.objects.exclude(reached=None).count()} of {count} reached"
        time.sleep(0.1)


def measured(person: User) -> dict[str, float]:
    """The middle of what each page and list takes, in milliseconds."""
    pages = Client()
    pages.force_login(person)
    api = Client(headers={"Authorization": f"Bearer {ApiToken.issue(person, 'benchmark')[1]}"})
    took = {path: median(lambda path=path: pages.get(path)) for path in PAGES}  # type: ignore[misc]
    return took | {path: median(lambda path=path: api.get(path)) for path in ROUTES}  # type: ignore[misc]


def median(call: Callable[[], object]) -> float:
    took = []
    for _round in range(ROUNDS):
        began = time.perf_counter()
        answer = call()
        took.append((time.perf_counter() - began) * 1000)
        assert getattr(answer, "status_code", 0) == 200, answer
    return statistics.median(took)


def report_watcher(watcher: psutil.Process, count: int) -> None:
    before = watcher.cpu_times()
    time.sleep(10)
    after = watcher.cpu_times()
    memory = watcher.memory_full_info()
    busy = (after.user + after.system - before.user - before.system) / 10
    print(
        f"the watcher of {count}: {watcher.num_threads()} threads, {memory.uss / 1e6:.0f} MB of its own "
        f"({memory.rss / 1e6:.0f} MB resident), {watcher.num_fds()} open files, {busy:.0%} of a core"
    )


if __name__ == "__main__":
    main()
