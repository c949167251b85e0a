"""Modules that break in every way: which sentence a person reads, and that a mended one starts again."""

import socket

import pytest
from django.utils.html import escape

from datacenters.models import Cluster
from datacenters.services import refresh
from jobs import services
from jobs.models import Status
from tests.agents import start_local_agent
from tests.fake_modules import ANSWERS, PYPROJECT, SILENT, make_module
from tests.unit.jobs.conftest import World, _own_data, ask, asset_of, world

from .conftest import fill, mounted

__all__ = ["_own_data", "ask", "world"]

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ENDED = "The program ended with exit code 1: "
LOG = "Its log says more."
NOT_INSTALLED = "The module's packages could not be installed: "
AUTHOR = "The log of the task “packages” has the whole story. The module's author can mend it."
MORE_MEMORY = "Start it again with more memory."
MAKE_ROOM = "Tell the operator of the datacenter, and start it again once there is room."
BUSY_PORT = "error while attempting to bind on address ('127.0.0.1', 24533): address already in use"


def program(*lines: str) -> str:
    return "\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("serve", "reason", "advice"),
    [
        (
            program("raise ModuleNotFoundError(\"No module named 'torch'\")"),
            f"{ENDED}ModuleNotFoundError: No module named 'torch'.",
            LOG,
        ),
        (program("def (:"), f"{ENDED}SyntaxError: invalid syntax.", LOG),
        (program("raise MemoryError"), f"{ENDED}it ran out of memory.", MORE_MEMORY),
        (
            program("raise ValueError('<script>alert(1)</script>')"),
            f"{ENDED}ValueError: <script>alert(1)</script>.",
            LOG,
        ),
        (
            program("import sys", "sys.exit('\\x1b[31mmy.OwnError: no weights\\x1b[0m')"),
            f"{ENDED}OwnError: no weights.",
            LOG,
        ),
        (program("open('/dev/full', 'w').write('x' * 10**5)"), f"{ENDED}the disk of the machine is full.", MAKE_ROOM),
        (
            program(f'raise OSError(98, "{BUSY_PORT}")'),
            f"{ENDED}another program of the machine took its port just before.",
            "Start it again: it gets another port.",
        ),
        (
            program("import sys", "print('I give up.', file=sys.stderr)", "sys.exit(3)"),
            "The program ended with exit code 3. It said last: “I give up”.",
            LOG,
        ),
        (
            program("import sys", "print('x' * 5000, file=sys.stderr)", "sys.exit(1)"),
            "The program ended with exit code 1.",
            LOG,
        ),
        (
            program("import sys", "sys.stderr.buffer.write(bytes(range(256)) * 9)", "sys.exit(1)"),
            "The program ended with exit code 1.",
            LOG,
        ),
        (program("print('done')"), "The program ended, although a service should go on (exit code 0).", LOG),
        (program("import os", "os.kill(os.getpid(), 11)"), "The program crashed in compiled code (SIGSEGV).", LOG),
        (
            program("import time", "x = bytearray(900 * 2**20)", "time.sleep(60)"),
            "The program was ended because it needed more than its 300 MB of memory.",
            MORE_MEMORY,
        ),
    ],
)
def test_a_program_that_breaks_says_why(world, client, ada, serve, reason, advice):
    service = world.until(world.deploy(serve=serve), Status.FAILED)
    assert (service.reason, service.advice) == (reason, advice)
    assert service.evidence["task"] == "main"
    assert service.endpoints == []
    client.force_login(ada)
    page = client.get(f"/deployments/{service.pk}/").content.decode()
    assert escape(reason) in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("pyproject", "reason"),
    [
        (PYPROJECT + 'requires-python = ">=4"\n', "does not satisfy Python>=4 and tiny==1.0 depends on Python>=4."),
        (
            PYPROJECT + 'dependencies = ["gone @ file:///nowhere/gone"]\n',
            "Distribution not found at: file:///nowhere/gone.",
        ),
        (
            PYPROJECT + 'dependencies = ["tiny>=2"]\n',
            "No solution found when resolving dependencies: Because only tiny==1.0 is available and tiny==1.0 has an "
            "incompatible dependency on itself.",
        ),
        (
            "[project\nname=",
            "Failed to parse metadata from built wheel: Invalid `pyproject.toml`: TOML parse error at line 1, column "
            "9: unclosed table, expected `]`.",
        ),
        (
            PYPROJECT.replace('"backend"', '"missing_backend"'),
            "Failed to build `tiny`: ModuleNotFoundError: No module named 'missing_backend'.",
        ),
        (PYPROJECT.replace('"tiny"', '"ti ny!"'), 'Not a valid package or extra name: "ti ny!".'),
        (
            "",
            "does not appear to be a Python project, as neither `pyproject.toml` nor `setup.py` are present in the "
            "directory.",
        ),
    ],
)
def test_a_package_that_does_not_install_says_why_without_the_installers_noise(world, pyproject, reason):
    folder = make_module(world.folder / "odd")
    (folder / "pyproject.toml").write_text(pyproject) if pyproject else (folder / "pyproject.toml").unlink()
    asset_of("odd", str(folder))
    service = world.until(world.again("odd"), Status.FAILED)
    assert service.reason.startswith(NOT_INSTALLED)
    assert reason in service.reason
    for noise in ("Using Python", "/tmp", "hint", "we can conclude", "│", "  |"):
        assert noise not in service.reason
    assert service.advice == AUTHOR
    assert service.stage == "packages"


def test_a_port_that_somebody_took_meanwhile_is_said_and_another_start_gets_another(world, ada):
    service = world.until(world.deploy(slow=True), lambda row: row.stage == "packages")
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", service.endpoints[0]["port"]))
        stranger.listen()
        world.until(service, Status.FAILED)
        assert service.reason == f"{ENDED}another program of the machine took its port just before."
        assert service.advice == "Start it again: it gets another port."
        services.start(service, ada)
        world.until(service, Status.RUNNING)


def test_a_module_that_dies_after_it_answered_says_so(world):
    dies = ANSWERS.replace(
        "http.server.HTTPServer",
        "import threading, os\nthreading.Timer(4, os._exit, [9]).start()\nhttp.server.HTTPServer",
        1,
    )
    service = world.until(world.deploy(serve=dies), Status.RUNNING)
    world.until(service, Status.FAILED)
    assert service.reason.startswith("The program ended with exit code 9.")
    assert service.healthy is None


def test_a_module_that_never_answers_can_be_stopped_and_holds_no_quota_then(world, ada):
    service = world.until(world.deploy(serve="\n" + SILENT), lambda row: row.stage == "health")
    assert service.status == Status.STARTING
    services.stop(service, ada)
    world.until(service, Status.STOPPED)
    assert not type(service).objects.holding_quota().exists()


# ── A full disk ──────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def small_world(transactional_db, ada, ask, tmp_path, place):
    """A local datacenter whose tasks lie on a disk of 300 MB, and the file that fills it."""
    tasks = place / "agent" / "tasks"
    tasks.mkdir(parents=True, mode=0o711)
    with mounted(tasks, megabytes=300):
        agent = start_local_agent(place / "agent")
        cluster = Cluster.objects.create(name="local", address=agent.address, token=agent.token, local=True)
        assert refresh(cluster)
        yield World(cluster, ada, ask, tmp_path / "modules"), tasks / "filler"
        (tasks / "filler").unlink(missing_ok=True)
        agent.stop_tasks_and_end()


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (0, "It could not be started, since the disk of the machine is full."),
        (64_000, f"{NOT_INSTALLED}the disk of the machine is full."),
    ],
)
def test_a_full_disk_in_the_datacenter_is_said_and_with_room_it_starts_again(small_world, ada, left, reason):
    world, filler = small_world
    fill(filler, left)
    service = world.until(world.deploy(), Status.FAILED)
    assert (service.reason, service.advice) == (reason, MAKE_ROOM)
    filler.unlink()
    services.start(service, ada)
    world.until(service, Status.RUNNING)
