"""How much a home may hold: told beside its files, and kept for whoever uploads or attaches it."""

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import AuditEvent, Project, create_person
from datacenters import storage
from datacenters.jobspec import JobKind
from jobs import attaching, home_sizes, homes, quotas, services
from jobs.models import Deployment
from jobs.refusals import RequestRefused
from jobs.requests import StorageRequest
from jobs.storages import home_of
from tests.unit.api.conftest import api, digits  # noqa: F401
from tests.unit.jobs.conftest import ask, site  # noqa: F401
from tests.unit.storage.test_homes import put, store  # noqa: F401
from tests.unit.storage.test_homes import remote as home  # noqa: F401
from tests.unit.storage.test_homes import site as homes_served  # noqa: F401

pytestmark = pytest.mark.django_db
NONE = {"deployments": None, "cpu_cores": None, "memory_mb": None, "gpus": None, "home_mb": None}


@pytest.fixture
def grace(ada):
    """An administrator."""
    return create_person("grace", is_superuser=True)


@pytest.fixture
def adas(ada) -> Project:
    return ada.personal_project


@pytest.fixture(autouse=True)
def _an_empty_home(homes_served, home):  # noqa: F811
    """Each test's Ada has the same number, and so the same folder."""
    cache.clear()
    for entry in storage.listing(home).entries:
        storage.delete(home, entry.path)


@pytest.fixture
def one_megabyte(ada, grace):
    quotas.set_limits(ada, grace, {**NONE, "home_mb": 1})


@pytest.fixture
def browser(client, ada):
    client.force_login(ada)
    return client


def send(browser, project, *files: SimpleUploadedFile, **more: str) -> str:
    address = reverse("storage-upload", args=[home_of(project).pk])
    return browser.post(address, {"files": list(files), **more}, follow=True).content.decode()


def file(name: str, size_bytes: int) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"x" * size_bytes)


def test_an_upload_that_does_not_fit_is_refused_in_a_sentence(browser, adas, one_megabyte):
    assert "1 file is there" in send(browser, adas, file("first", 700_000))
    page = send(browser, adas, file("second", 400_000))
    assert "second: It has 0.4 MB, and the home has room for 0.3 MB more: 0.7 MB of 1 MB are used." in page
    assert "Delete what is no longer needed" in page
    assert not (home_sizes.folder_of(adas) / "second").exists()
    assert "1 file is there" in send(browser, adas, file("second", 300_000))


def test_a_smaller_file_may_take_the_place_of_a_larger_one_in_a_full_home(browser, adas, one_megabyte):
    send(browser, adas, file("data", 1_000_000))
    assert "1 file is there" in send(browser, adas, file("data", 900_000), replace="1")
    assert "has room for 0.1 MB more" in send(browser, adas, file("data", 1_100_000), replace="1")


def test_by_rest_it_is_a_conflict_with_the_same_sentence(client, bearer, ada, adas, one_megabyte):
    where = f"/api/v1/storages/{home_of(adas).pk}/files/content?path=big"
    answer = client.put(where, b"x" * 1_100_000, content_type="application/octet-stream", headers=bearer(ada))
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("quota-exceeded")
    assert "the home has room for 1 MB more" in answer.json()["detail"]


def test_the_files_and_the_profile_show_how_full_it_is(browser, adas, one_megabyte, home):  # noqa: F811
    put(home, "deep/below/data", b"x" * 500_000)
    for page in (reverse("storage", args=[home_of(adas).pk]), reverse("profile")):
        assert "500 kB of 1 MB" in " ".join(browser.get(page).content.decode().split())


def test_a_full_home_is_attached_to_read_and_not_to_write(digits, ask, site, ada, adas, one_megabyte, home):  # noqa: F811
    put(home, "data", b"x" * 1_000_000)
    writes = StorageRequest(str(home_of(adas).pk), target="home", mode="copy")
    with pytest.raises(RequestRefused, match="The home is full: 1 MB of 1 MB") as refused:
        services.deploy(ask(kind=JobKind.BATCH, storages=(writes,)), owner=ada)
    assert refused.value.errors[0].pointer == "#/storages/0/storage"
    reads = StorageRequest(writes.storage, target="home", mode="copy", read_only=True)
    assert not list(attaching.errors(ask(kind=JobKind.BATCH, storages=(reads,)), adas, ada))
    assert not Deployment.objects.exists()


def test_who_says_what_holds(ada, adas, grace, settings):
    assert quotas.home_limit_mb(adas) == settings.QUOTA_OF_PERSON["home_mb"]
    quotas.set_limits(ada, grace, {**NONE, "home_mb": 7})
    assert quotas.home_limit_mb(adas) == 7
    quotas.set_limits(adas, grace, {**NONE, "home_mb": 9})
    assert quotas.home_limit_mb(adas) == 9
    shared = Project.objects.create(slug="shared", name="Shared")
    assert quotas.home_limit_mb(shared) == settings.QUOTA_OF_PROJECT["home_mb"]
    assert AuditEvent.objects.filter(action="quota.changed").count() == 2


def test_administrators_set_it_by_page_and_by_rest_and_others_do_not(client, bearer, adas, ada, grace):
    address = f"/api/v1/projects/{adas.slug}/quotas"
    put_to = {"content_type": "application/json"}
    assert client.put(address, {"home_mb": 3}, headers=bearer(ada), **put_to).status_code == 403
    client.force_login(grace)
    assert client.post(reverse("person-quota", args=["ada"]), {"home_mb": "5"}).status_code == 302
    assert quotas.home_limit_mb(adas) == 5
    assert client.post(reverse("person-quota", args=["ada"]), {"home_mb": "-5"}).status_code == 422
    items = client.get("/api/v1/people/ada/quotas", headers=bearer(ada)).json()["items"]
    assert next(item["limit"] for item in items if item["name"] == "home_mb") == 5


def test_a_lower_limit_deletes_nothing_and_lets_people_delete(browser, adas, ada, grace, home):  # noqa: F811
    put(home, "data", b"x" * 2_000_000)
    quotas.set_limits(ada, grace, {**NONE, "home_mb": 1})
    assert "has room for 0 MB more" in send(browser, adas, file("more", 1))
    browser.post(reverse("storage-delete", args=[home_of(adas).pk]) + "?path=data")
    assert "1 file is there" in send(browser, adas, file("more", 1))


def test_linked_storages_have_limits_of_their_own(adas, tmp_path):
    other = home_of(adas)
    other.kind = "webdav"
    homes.must_have_room(other, 10**15)
    assert homes.why_not_write(other) == ""
