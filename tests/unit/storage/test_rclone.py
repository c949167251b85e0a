"""Files of real servers with passwords: WebDAV, S3 and SFTP, as ``rclone serve`` has them."""

import asyncio
import hashlib
import io
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from datacenters import storage
from tests import storages

ODD_NAMES = [
    " at its ends ", "it's \"quoted\"", "smile 😀", "$(touch pwned)", "`id`", "a;b|c&d", "*?[x]", "-rf", "--config=x",
    "back\\slash", "per%20cent", "colon: x", "C:", "#hash?q=1", "trailing.", "ümläut", "{a,b}",
]  # fmt: skip
# `rclone serve s3` gives these other names in its lists; the client is not to blame.
NOT_BY_S3 = ["new\nline", "tab\tand\x01control"]


def put(remote, path: str, data: bytes = b"x") -> None:
    storage.write(remote, path, io.BytesIO(data), len(data))


def names(remote, path: str = "") -> list[str]:
    return sorted(entry.name for entry in storage.listing(remote, path).entries)


def whole(remote, path: str) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in storage.stream(remote, path)])

    return asyncio.run(read())


def test_the_right_password_opens_it(remote):
    storage.check(remote)


def test_a_wrong_password_is_named(server):
    with pytest.raises(storage.WrongCredentials, match="does not take this user name, password or key"):
        storage.check(server.remote("guess"))


def test_files_of_odd_names_come_back_as_they_were(remote, server):
    for name in ODD_NAMES:
        put(remote, f"odd/{name}", name.encode())
        assert (server.files / "odd" / name).read_bytes() == name.encode()
        assert storage.read(remote, f"odd/{name}", most_bytes=1_000) == name.encode(), name
    assert names(remote, "odd") == sorted(ODD_NAMES)
    assert not Path("pwned").exists()


@pytest.mark.parametrize("name", ["-rf", "$(touch pwned)", 'it\'s "quoted" 😀'])
def test_a_file_of_an_odd_name_is_moved_and_deleted(remote, server, name):
    put(remote, f"moves/{name}")
    storage.move(remote, f"moves/{name}", f"moves/{name}{name}")
    assert storage.stat(remote, f"moves/{name}{name}").name == name + name
    storage.delete(remote, f"moves/{name}{name}")
    assert not (server.files / "moves" / f"{name}{name}").exists()


@pytest.mark.parametrize("name", NOT_BY_S3)
@pytest.mark.parametrize("kind", ["webdav", "sftp"])
def test_a_name_may_hold_what_ends_a_line(servers, kind, name):
    remote = servers(kind).remote()
    put(remote, f"lines/{name}", b"x")
    assert names(remote, "lines") == [name]
    assert whole(remote, f"lines/{name}") == b"x"
    storage.delete(remote, "lines")


def test_what_goes_up_comes_down_with_the_same_hash(remote, tmp_path):
    data = os.urandom(3_000_001)
    (tmp_path / "weights").write_bytes(data)
    with (tmp_path / "weights").open("rb") as file:
        storage.write(remote, "models/weights.bin", file, len(data))
    assert hashlib.sha256(whole(remote, "models/weights.bin")).digest() == hashlib.sha256(data).digest()
    assert storage.read(remote, "models/weights.bin", most_bytes=10) == data[:10]


def test_an_empty_file_is_a_file(remote):
    put(remote, "nothing-in-it", b"")
    assert storage.stat(remote, "nothing-in-it").size_bytes == 0
    assert whole(remote, "nothing-in-it") == b""


def test_writing_again_replaces(remote):
    put(remote, "twice", b"first, and longer")
    put(remote, "twice", b"second")
    assert whole(remote, "twice") == b"second"


def test_folders_are_made_listed_moved_and_deleted_with_what_they_hold(remote, server):
    storage.mkdir(remote, "new/inner")
    put(remote, "new/inner/file")
    assert storage.stat(remote, "new").is_folder
    assert "inner" in names(remote, "new")
    storage.move(remote, "new", "other name")
    assert not storage.exists(remote, "new")
    assert storage.exists(remote, "other name/inner/file")
    storage.delete(remote, "other name")
    assert not storage.exists(remote, "other name")


def test_a_move_takes_nothing_elses_place(remote):
    put(remote, "here", b"mine")
    put(remote, "there", b"yours")
    with pytest.raises(storage.AlreadyThere):
        storage.move(remote, "here", "there")
    assert whole(remote, "there") == b"yours"
    with pytest.raises(storage.BadPath, match="into itself"):
        storage.move(remote, "here", "here/below")


def test_a_folder_is_copied_to_another_storage(servers):
    source, target = servers("webdav").remote(), servers("sftp").remote()
    put(source, "from/a $b", b"1")
    put(source, "from/deep/c", b"2")
    storage.copy(source, "from", target, "to")
    assert whole(target, "to/a $b") == b"1"
    assert whole(target, "to/deep/c") == b"2"


@pytest.mark.parametrize("path", ["nothing", "nothing/below", "deep/er/still"])
def test_what_is_not_there_is_said_to_be_so(remote, path):
    for act in (storage.stat, storage.listing, storage.delete):
        with pytest.raises(storage.NotThere):
            act(remote, path)


def test_a_file_is_no_folder(remote):
    put(remote, "file")
    with pytest.raises(storage.NotThere):
        storage.listing(remote, "file")


@pytest.mark.parametrize(
    "path", ["..", "../x", "a/../../x", "a/..", "./x", "a//b", "a/./b", "nul\0l", "\ud800", "x" * 300, "a/" * 1500]
)
def test_no_path_leads_out_or_into_the_void(remote, path, server, tmp_path):
    (server.files.parent / "x").write_text("outside")
    for act in (storage.listing, storage.stat, storage.mkdir, storage.delete):
        with pytest.raises(storage.BadPath):
            act(remote, path)
    with pytest.raises(storage.BadPath):
        put(remote, path)
    with pytest.raises(storage.BadPath):
        storage.move(remote, "a", path)


@pytest.mark.parametrize("act", [storage.delete, storage.mkdir])
@pytest.mark.parametrize("path", ["", "/", "//"])
def test_the_storage_itself_is_not_touched(remote, act, path):
    with pytest.raises(storage.BadPath, match="the storage itself"):
        act(remote, path)


def test_a_storage_may_begin_at_a_folder(remote, server):
    put(remote, "team/data/file", b"x")
    team = replace(remote, root=f"{remote.root}/team".strip("/"))
    assert names(team) == ["data"]
    assert whole(team, "data/file") == b"x"
    with pytest.raises(storage.BadPath):
        storage.listing(team, "../")


def test_of_very_many_files_the_first_are_listed(servers, monkeypatch):
    remote = servers("webdav").remote()
    for number in range(5):
        put(remote, f"many/{number}")
    monkeypatch.setattr("datacenters.storage.files.MOST_ENTRIES", 3)
    listing = storage.listing(remote, "many")
    assert len(listing.entries) == 3
    assert not listing.complete


def test_a_server_that_went_away_is_unreachable_and_works_again_when_it_is_back(tmp_path):
    server = storages.serve("webdav", tmp_path)
    remote = server.remote()
    put(remote, "kept", b"x")
    server.stop()
    for act in (storage.check, storage.listing):
        with pytest.raises(storage.StorageUnreachable, match="does not answer"):
            act(remote)
    with pytest.raises(storage.StorageUnreachable):
        put(remote, "new")
    server.start()
    assert whole(remote, "kept") == b"x"
    server.stop()


def test_a_server_that_breaks_off_breaks_the_download_off_too(servers):
    remote = servers("webdav").remote()
    with pytest.raises(OSError, match="broke off"):
        whole(remote, "was-deleted-meanwhile")


def test_an_sftp_server_is_known_by_its_key(tmp_path, servers):
    met = storage.meet(servers("sftp").remote())
    storage.check(met)
    impostor = storages.serve("sftp", tmp_path)
    other = replace(met, options={**met.options, "port": str(impostor.port)})
    with pytest.raises(storage.StorageUnreachable, match="the key that it had when it was linked"):
        storage.check(other)
    impostor.stop()


def test_a_remote_shows_no_secret(server):
    remote = server.remote()
    assert not any(secret in repr(remote) for secret in remote.secrets.values())
    assert set(remote.secrets.values()) < set(storage.environment(remote, "ANY").values())


def test_no_secret_stands_on_a_command_line(server):
    """While rclone waits for the file that it is to write."""
    remote = server.remote()
    readable, writable = os.pipe()
    with open(readable, "rb") as source, ThreadPoolExecutor() as pool:
        writing = pool.submit(storage.write, remote, "slowly", source, 4)
        try:
            until = time.monotonic() + 20
            while not (lines := [line for line in command_lines() if b"rcat" in line and b"slowly" in line]):
                assert time.monotonic() < until, "rclone does not start"
                time.sleep(0.02)
        finally:
            os.write(writable, b"done")
            os.close(writable)
        writing.result(30)
    assert not any(secret.encode() in line for line in lines for secret in remote.secrets.values())
    assert whole(remote, "slowly") == b"done"


def command_lines() -> list[bytes]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(process.read_bytes())
    return found


def test_a_password_is_written_as_rclone_takes_it_and_never_twice_the_same_word():
    assert "secret" not in storage.obscured("a secret")
    assert storage.obscured("a secret") != storage.obscured("another")


def test_a_storage_that_takes_calls_and_never_answers_is_given_up(servers, monkeypatch):
    monkeypatch.setattr("datacenters.storage.files.CHECK_SECONDS", 1.5)
    remote = servers("webdav").remote()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(storage.StorageUnreachable):
            storage.check(replace(remote, options={**remote.options, "url": url}))
    assert time.monotonic() - began < 10
