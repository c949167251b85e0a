"""The database is busy, full or gone: quotas hold, nobody waits for ever, and the page says what it is."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.db import connection, transaction

from accounts.models import ApiToken
from jobs.models import Deployment, Status

from .conftest import fill, mounted

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
sqlite_only = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="about SQLite's one file and its one writer")
ASK = {"module": "digits", "resources": {"memory_mb": 150, "cpu_cores": 0.1, "disk_mb": 150}}


@pytest.fixture
def digits(module, cluster):
    return module("digits")


def test_of_fifty_requests_to_several_processes_exactly_two_find_room(site, digits, ada):
    site.variables["SERAI_QUOTA_PERSON_DEPLOYMENTS"] = "2"
    site.web(workers=3)
    token = {"Authorization": f"Bearer {ApiToken.issue(ada, 'test')[1]}"}
    together = threading.Barrier(50)

    def one(number):
        with httpx.Client(base_url=f"http://127.0.0.1:{site.port}/api/v1/", headers=token, timeout=100) as script:
            together.wait()
            return script.post("deployments", json={**ASK, "title": str(number)})

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(one, range(50)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(409)) == (2, 48), site.said()
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert refused["type"].endswith("quota-exceeded")
    assert refused["detail"].startswith("You hold 2 of 2 deployments and ask for 1 more.")
    assert Deployment.objects.count() == 2
    assert Deployment.objects.filter(status=Status.QUEUED).count() == 2


@sqlite_only
def test_a_database_that_others_write_to_is_waited_for(site, digits, ada):
    site.web()
    script = site.client_of(ada)
    with transaction.atomic():  # SQLite's write lock
        answers = []
        asking = threading.Thread(target=lambda: answers.append(script.post("deployments", json=ASK)))
        asking.start()
        time.sleep(2)
        assert answers == []
    asking.join(20)
    assert answers[0].status_code == 201


@sqlite_only
def test_one_that_stays_busy_is_said_to_be(site, digits, ada):
    site.variables["SERAI_TEST_PATIENCE"] = "1"
    site.web()
    script = site.client_of(ada)
    with transaction.atomic():
        answer = script.post("deployments", json=ASK)
        looked = script.get("deployments")
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["title"] == "Serai is very busy."
    assert answer.json()["detail"] == "Nothing was changed. Try again in a moment; what runs goes on."
    assert looked.status_code == 200  # reading waits for nobody
    assert not Deployment.objects.exists()
    assert script.post("deployments", json=ASK).status_code == 201


@sqlite_only
def test_a_page_says_so_too(site, digits, ada, client):
    site.variables["SERAI_TEST_PATIENCE"] = "1"
    site.web()
    client.force_login(ada)
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    with httpx.Client(base_url=f"http://127.0.0.1:{site.port}", cookies=cookies, timeout=30) as browser:
        form = browser.get("/modules/digits/deploy/")
        token = {"csrfmiddlewaretoken": browser.cookies["serai_csrf"]}
        with transaction.atomic():
            answer = browser.post("/modules/digits/deploy/", data=token)
    assert form.status_code == 200
    assert answer.status_code == 503
    assert "Serai is very busy." in answer.text
    assert "Traceback" not in answer.text


@sqlite_only
def test_a_full_disk_under_the_database_is_said_and_loses_nothing(site, digits, ada):
    """On a copy of the test's own database, which cannot move."""
    disk = site.data / "disk"
    disk.mkdir()
    with mounted(disk, megabytes=8):
        headers = site.client_of(ada).headers
        with sqlite3.connect(disk / "db.sqlite3") as copy:
            connection.connection.backup(copy)
        site.variables["SERAI_TEST_DATABASE"] = str(disk / "db.sqlite3")
        site.web()
        with httpx.Client(base_url=f"http://127.0.0.1:{site.port}/api/v1/", headers=headers, timeout=60) as script:
            assert script.post("deployments", json=ASK).status_code == 201
            fill(disk / "filler")
            answers = [script.post("deployments", json=ASK) for _ in range(5)]
            told = answers[-1].json()
            assert [answer.status_code for answer in answers[1:]] == [503] * 4
            assert told["title"] == "The disk of Serai's server is full or broken."
            assert told["detail"] == "Nothing was changed. An operator must look after it; what runs goes on meanwhile."
            taken = sum(answer.status_code == 201 for answer in answers)
            (disk / "filler").unlink()
            assert script.post("deployments", json=ASK).status_code == 201
            assert script.get("deployments").json()["count"] == 1 + taken + 1
        site.end()
