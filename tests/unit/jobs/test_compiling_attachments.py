"""What attached storages and datasets make of a job: whatever a form is given, a job sees its own folder alone."""

import json
import random
import string

import pytest

from datacenters.jobspec import Lifecycle, Mount
from datacenters.nomad.render import TRUSTED, job_json
from jobs import services
from jobs.compilers import CannotCompile, compile_deployment
from jobs.models import Deployment, Storage, StorageKind
from jobs.refusals import RequestRefused
from jobs.requests import DatasetRequest, StorageRequest

pytestmark = pytest.mark.django_db
HUSH = "hush-hush-password"


@pytest.fixture
def site(site):
    site.copies_storages = site.mounts_storages = True
    site.save()
    return site


@pytest.fixture
def photos(ada) -> Storage:
    return Storage.objects.create(
        project=ada.personal_project,
        kind=StorageKind.WEBDAV,
        name="Photos",
        address={"url": "https://dav.example.org/ada", "vendor": "other", "user": "ada-lovelace"},
        secrets=json.dumps({"pass": HUSH}),
    )


@pytest.fixture
def compiled(site, digits, ask, ada):
    def compiled(**request):
        pk = services.deploy(ask(**request), owner=ada).pk
        return compile_deployment(Deployment.objects.with_parts().get(pk=pk))

    return compiled


@pytest.fixture
def in_containers(site, digits):
    digits.docker_image, digits.package = "ai4oshub/digits", ""
    digits.save()
    site.offers_containers = True
    site.save()
    site.nodes.update(drivers=["docker", "raw_exec"])


def task(spec, name):
    return next(one for one in spec.tasks if one.name == name)


def attached(storage, **how) -> StorageRequest:
    return StorageRequest(**{"storage": str(storage.pk), "path": "in", "target": "photos", **how})


def test_the_operators_tasks_attach_and_the_others_only_find_the_folder(compiled, photos):
    spec, secrets = compiled(storages=(attached(photos),))
    assert [one.name for one in spec.tasks] == [
        "storages",
        "storage-wait",
        "storage",
        "packages",
        "main",
        "storages-end",
    ]
    hold, end, main = task(spec, "storages"), task(spec, "storages-end"), task(spec, "main")
    assert (hold.lifecycle, end.lifecycle) == (Lifecycle.PRESTART_SIDECAR, Lifecycle.POSTSTOP)
    assert all(one.operator for one in spec.tasks if one is not main)
    assert main.env["SERAI_STORAGES_DIR"] == f"${{meta.serai_mounts_root}}/{spec.id}"
    assert set(hold.secrets) == set(end.secrets)
    assert not set(main.secrets) & set(hold.secrets)
    assert HUSH in secrets.values()


def test_neither_login_nor_address_of_a_storage_stands_in_the_job(compiled, photos):
    spec, _secrets = compiled(storages=(attached(photos),))
    rendered = json.dumps(job_json(spec, TRUSTED))
    assert not [word for word in (HUSH, "ada-lovelace", "dav.example.org") if word in rendered]


def test_a_container_sees_the_jobs_own_folder_and_no_other(compiled, photos, in_containers):
    spec, _secrets = compiled(storages=(attached(photos),), datasets=(DatasetRequest("https://a.example/b.csv", "b"),))
    main = task(spec, "main")
    assert main.mounts == (Mount(f"${{meta.serai_mounts_root}}/{spec.id}", "/storages"),)
    assert main.env["SERAI_STORAGES_DIR"] == "/storages"
    rendered = {one["Name"]: one for one in job_json(spec, TRUSTED)["TaskGroups"][0]["Tasks"]}
    (bind,) = rendered["main"]["Config"]["mount"]
    assert bind["bind_options"] == [{"propagation": "rslave"}]


def test_a_job_that_mounts_goes_only_where_nodes_can(compiled, photos):
    def wanted(mode):
        spec, _secrets = compiled(storages=(attached(photos, mode=mode),))
        return {one["LTarget"] for one in job_json(spec, TRUSTED)["Constraints"]}

    assert {"${meta.serai_rclone}", "${meta.serai_mounts_root}"} <= wanted("copy")
    assert wanted("mount") - wanted("copy") == {"${meta.serai_fuse}"}


def test_a_job_without_any_is_as_it_was(compiled):
    spec, _secrets = compiled()
    assert [one.name for one in spec.tasks] == ["storage", "packages", "main"]
    assert "SERAI_STORAGES_DIR" not in task(spec, "main").env


def test_a_storage_that_is_gone_is_named_at_the_next_start(compiled, photos, ada):
    compiled(storages=(attached(photos),))
    row = Deployment.objects.with_parts().get()
    photos.delete()
    with pytest.raises(CannotCompile, match="attached as “photos” is gone"):
        compile_deployment(row)


def test_a_storage_of_a_project_that_its_owner_left_is_not_attached_any_more(compiled, photos, bob, ada):
    compiled(storages=(attached(photos),))
    Deployment.objects.update(owner=bob)
    ada.personal_project.memberships.filter(user=bob).delete()
    with pytest.raises(CannotCompile):
        compile_deployment(Deployment.objects.with_parts().get())


def test_datasets_are_kept_with_the_project_or_in_the_storage_that_their_folder_names(compiled, photos):
    asked = (DatasetRequest("10.5281/zenodo.42", "flowers"), DatasetRequest("https://a.example/b.csv", "photos/b"))
    spec, _secrets = compiled(storages=(attached(photos),), datasets=asked)
    fetching = task(spec, "datasets")
    plan = json.loads(next(file.content for file in fetching.files if file.path.endswith("datasets.json")))
    project, storage = plan["datasets"]
    assert project["folder"].startswith("{SERAI_KEPT}/")
    assert (storage["folder"], storage["waits_for"], storage["is_mount"]) == (
        "{SERAI_MOUNTS}/photos/b",
        "{SERAI_MOUNTS}/photos",
        True,
    )
    assert "${meta.serai_storage_root}/ada/.datasets" in task(spec, "storage").args
    assert task(spec, "main").env["SERAI_DATASETS_DIR"] == "${NOMAD_ALLOC_DIR}/data/datasets"


NASTY = [
    "..",
    "../..",
    "/etc",
    "${meta.x}",
    "${NOMAD_SECRETS_DIR}",
    "%{x}",
    "a/../../b",
    "\0",
    "\n",
    "\ud800",
    ".state",
    ".",
]


def test_whatever_a_form_is_given_mounts_lie_in_the_jobs_own_folder(compiled, photos, in_containers, site):
    dice, accepted = random.Random(4), 0
    letters = string.ascii_letters + string.digits + "/._-${}%\\ \"'`\n"

    def text() -> str:
        return dice.choice([dice.choice(NASTY), "".join(dice.choices(letters, k=dice.randint(0, 12))), "fine"])

    for _turn in range(150):
        row = attached(photos, path=text(), target=text(), mode=dice.choice(["mount", "copy", text()]))
        dataset = DatasetRequest(dice.choice(["10.5281/zenodo.1", "https://x.org/a", text()]), text(), text())
        try:
            spec, _secrets = compiled(storages=(row,), datasets=(dataset,) if dice.random() < 0.5 else ())
        except RequestRefused:
            continue
        accepted += 1
        own = f"${{meta.serai_mounts_root}}/{spec.id}"
        assert {mount.source for one in spec.tasks for mount in one.mounts} == {own}
        assert {mount.target for one in spec.tasks for mount in one.mounts} == {"/storages"}
        assert job_json(spec, TRUSTED)["ID"] == spec.id
        Deployment.objects.all().delete()
    assert accepted > 2
