"""Deleting never leaves the folder: no mount is entered, no link followed."""

import os
import subprocess

import pytest

from datacenters.local.removal import remove
from tests.contract.cluster import job, shell

from .conftest import root_only


@pytest.fixture
def mounted(place):
    """A function that mounts over a folder; everything is unmounted at the end."""
    points = []

    def mount(point, *arguments):
        point.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", *arguments, str(point)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
        points.append(point)

    yield mount
    for point in reversed(points):
        subprocess.run(["umount", "-l", str(point)], check=False)


def test_a_folder_goes_with_all_in_it(place):
    folder = place / "job"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "file").write_text("x")
    os.mkfifo(folder / "pipe")
    assert remove(folder) == []
    assert not folder.exists()


def test_what_is_not_there_is_no_error(place):
    assert remove(place / "nothing") == []


def test_a_link_goes_and_its_target_stays(place):
    target, folder = place / "target", place / "job"
    target.mkdir()
    (target / "precious").write_text("x")
    folder.mkdir()
    (folder / "link").symlink_to(target)
    (folder / "file-link").symlink_to(target / "precious")
    assert remove(folder) == []
    assert (target / "precious").read_text() == "x"


@root_only
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_a_mount_is_not_entered(place, mounted, kind):
    folder, store = place / "job", place / "store"
    store.mkdir()
    point = folder / "data" / "storage"
    mounted(point, *(("-t", "tmpfs", "none") if kind == "tmpfs" else ("--bind", str(store))))
    (point / "precious").write_text("x")
    (folder / "data" / "other").write_text("y")
    assert remove(folder) == [str(point)]
    assert (point / "precious").read_text() == "x"
    assert not (folder / "data" / "other").exists()


@root_only
def test_a_mount_over_the_folder_itself_is_not_entered(place, mounted):
    store, folder = place / "store", place / "job"
    store.mkdir()
    (store / "precious").write_text("x")
    mounted(folder, "--bind", str(store))
    assert remove(folder) == [str(folder)]
    assert (store / "precious").exists()


@root_only
def test_a_purge_leaves_what_is_mounted_in_the_allocation(shared_cluster, job_id, place, mounted):
    store = place / "store"
    store.mkdir()
    (store / "precious").write_text("x")
    shared_cluster.register(job(job_id, shell("true")))
    allocation = shared_cluster.ended(job_id)
    folder = shared_cluster.agent.tasks / "alloc" / allocation["ID"]
    mounted(folder / "alloc" / "data" / "storage", "--bind", str(store))
    shared_cluster.stop(job_id, purge=True)
    while shared_cluster.allocations(job_id):
        pass
    assert (store / "precious").read_text() == "x"
    assert not (folder / "main").exists()
