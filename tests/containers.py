"""Containers for tests: an engine and a real Nomad beside it, and an image made of this machine's own files.

Nothing is pulled: no test needs a registry. Skipped, saying why, where an engine or ``nomad`` is missing.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.agents import Agent, _nomad_config, free_port, nomad_binary

PYTHON = Path("/usr/bin/python3")
IMAGE, PAUSE = "serai-test/python:1", "serai-test/pause:1"
PROGRAMS = ("/usr/bin/sh", "/usr/bin/sleep", "/usr/bin/cat", "/usr/bin/id")
# What scripts of a stand-in need besides.
TOOLS = tuple(
    f"/usr/bin/{name}"
    for name in [
        "bash",
        "chmod",
        "chown",
        "cp",
        "cut",
        "date",
        "du",
        "grep",
        "gzip",
        "ls",
        "mkdir",
        "mv",
        "rm",
        "sed",
        "sort",
        "tail",
        "touch",
    ]
)
USER = 1000  # who the image's programs run as
NOT_NEEDED = ("test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "__pycache__", "turtledemo")
CNI = (Path("/opt/cni/bin"), Path("/usr/lib/cni"))


def why_not() -> str:
    """Why no container can run here; empty if they can."""
    if nomad_binary() is None:
        return "no nomad on PATH: containers are not tried"
    if shutil.which("docker") is None or not _docker_answers():
        return "no container engine answers here: containers are not tried"
    if os.geteuid() != 0:
        return "Nomad runs containers as root alone: they are not tried"
    return "" if PYTHON.exists() else f"no {PYTHON} to make an image of: containers are not tried"


def why_no_own_network() -> str:
    """Why containers can have no network of their own here."""
    return "" if _cni() else "no CNI plugins here: networks of their own are not tried"


def docker(*arguments: str, given: bytes = b"") -> str:
    run = subprocess.run(["docker", *arguments], input=given, capture_output=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode()


def start_nomad_with_containers(folder: Path) -> Agent:
    """A dev agent that runs containers of images that are already here."""
    binary, ports = nomad_binary(), [free_port() for _ in range(3)]
    assert binary is not None
    folder.mkdir(parents=True, exist_ok=True)
    tasks, config = folder / "tasks", folder / "agent.json"
    config.write_text(json.dumps(_with_containers(_nomad_config(*ports, tasks), folder)))
    agent = Agent(
        address=f"http://127.0.0.1:{ports[0]}",
        token="",
        region="global",
        datacenter="local",
        driver="docker",
        tasks=tasks,
        kind="nomad",
        command=(binary, "agent", "-dev", "-config", str(config)),
        log=folder / "agent.log",
    )
    agent.start()
    return agent


def _with_containers(config: dict, folder: Path) -> dict:
    client = config["client"]
    denied = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault"
    client["options"] = {"fingerprint.denylist": denied, "driver.allowlist": "docker,raw_exec"}
    client["cni_path"] = str(_cni() or "")
    client["meta"]["serai_mounts_root"] = str(folder / "mounts")
    settings = {
        "volumes": {"enabled": True},
        "infra_image": PAUSE,
        # What is not pulled does not come back; and other agents' containers are not ours to remove.
        "gc": {"image": False, "container": True, "dangling_containers": {"enabled": False}},
    }
    config["plugin"].append({"docker": [{"config": [settings]}]})
    return config


def _cni() -> Path | None:
    return next((folder for folder in CNI if (folder / "bridge").exists() and (folder / "portmap").exists()), None)


def _docker_answers() -> bool:
    try:
        return subprocess.run(["docker", "version"], capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


# ── Images ───────────────────────────────────────────────────────────────────────────────────────
def make_images(**files: str) -> None:
    """Python, a shell and these files (path without the first slash → text); and what holds a network open."""
    changes = [f"USER {USER}", "ENV PATH=/usr/local/bin:/usr/bin PYTHONPATH=/module", "WORKDIR /home/user"]
    _import(IMAGE, files, changes)
    _import(PAUSE, {}, ['ENTRYPOINT ["/usr/bin/sleep", "infinity"]'])


def make_stand_ins(tags: Mapping[str, str], **files: str) -> None:
    """Images under the names of others (tag → who they run as), whose programs are these files; ``entry`` is begun."""
    for tag, user in tags.items():
        changes = [f"USER {user}", "ENV PATH=/usr/local/bin:/usr/bin HOME=/home/django", "WORKDIR /home/django"]
        _import(tag, files, [*changes, 'ENTRYPOINT ["/entry"]'], TOOLS)


def have_image(tag: str) -> bool:
    return bool(docker("images", "--quiet", tag).strip())


def remove_images(*others: str) -> None:
    """With what an agent that ended at once left of them."""
    for image in (IMAGE, PAUSE, *others):
        left = docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}").split()
        if left:
            docker("rm", "--force", *left)
    docker("image", "rm", "--force", IMAGE, PAUSE, *others)


def _import(tag: str, files: Mapping[str, str], changes: list[str], tools: tuple[str, ...] = ()) -> None:
    options = [option for change in changes for option in ("--change", change)]
    docker("import", *options, "-", tag, given=_tar(files, tools))


def _tar(files: Mapping[str, str], tools: tuple[str, ...]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("bin", "sbin", "lib", "lib64"):
            _add_link(tar, name, f"usr/{name}")
        for path in sorted(set(_system(tools))):
            tar.add(path, arcname=str(path).lstrip("/"), filter=_wanted)
        _add_text(tar, "etc/passwd", f"root:x:0:0::/root:/bin/sh\nuser:x:{USER}:{USER}::/home/user:/bin/sh\n")
        for name in ("tmp", "home/user", "home/django", "docker-entrypoint-initdb.d"):
            _add_folder(tar, name)
        for name, text in files.items():
            _add_text(tar, name, text)
    return packed.getvalue()


def _system(tools: tuple[str, ...]) -> Iterator[Path]:
    library = subprocess.run(
        [PYTHON, "-Ic", "import sysconfig; print(sysconfig.get_path('stdlib'))"], capture_output=True, check=True
    )
    stdlib = Path(library.stdout.decode().strip())
    programs = [PYTHON, *map(Path, (*PROGRAMS, *tools))]
    yield from (*programs, *(program.resolve() for program in programs), stdlib)
    for program in (*programs, *stdlib.glob("lib-dynload/*.so")):
        yield from _libraries(program)


def _libraries(program: Path) -> Iterator[Path]:
    found = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    for word in found.split():
        if word.startswith("/"):
            real = Path(word).resolve()
            yield real
            yield Path("/usr", *Path(word).parts[1:]) if not word.startswith("/usr") else Path(word)


def _wanted(item: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if item.name.rpartition("/")[2] in NOT_NEEDED else item


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    item = tarfile.TarInfo(name)
    item.type, item.linkname = tarfile.SYMTYPE, target
    tar.addfile(item)


def _add_folder(tar: tarfile.TarFile, name: str) -> None:
    item = tarfile.TarInfo(name)
    item.type, item.mode = tarfile.DIRTYPE, 0o1777
    tar.addfile(item)


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    item = tarfile.TarInfo(name)
    item.size, item.mode = len(text.encode()), 0o755
    tar.addfile(item, io.BytesIO(text.encode()))
