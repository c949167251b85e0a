"""The one node: what this machine has, as Nomad would tell it."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .state import Document
from .users import separate

VERSION = "2.0.6"
VERSION_METADATA = "serai-local"
FULL_VERSION = f"{VERSION}+{VERSION_METADATA}"
MIN_PORT, MAX_PORT = 20_000, 32_000
OLDEST_PYTHON = (3, 11)
CAP_SYS_ADMIN = 21


@dataclass(frozen=True)
class Settings:
    """How this agent was started."""

    data: Path
    tasks: Path
    port: int
    token: str
    devices: Path | None = None
    datacenter: str = "local"
    region: str = "global"


def node_document(node_id: str, settings: Settings) -> Document:
    """What GET node/:id answers."""
    attributes, meta = node_attributes(settings), node_meta(settings)
    disk = shutil.disk_usage(settings.tasks).free // 2**20
    memory = int(attributes["memory.totalbytes"]) // 2**20
    cores = int(attributes["cpu.numcores"])
    driver = {"Attributes": {"driver.raw_exec": "true"}, "Detected": True, "HealthDescription": "Healthy"}
    now = time.time()
    return {
        "Attributes": attributes,
        "Datacenter": settings.datacenter,
        "Drain": False,
        "DrainStrategy": None,
        "Drivers": {"raw_exec": {**driver, "Healthy": True, "UpdateTime": rfc3339(time.time_ns())}},
        "Events": [
            {
                "CreateIndex": 0,
                "Details": None,
                "Message": "Node registered",
                "Subsystem": "Cluster",
                "Timestamp": rfc3339(time.time_ns()),
            }
        ],
        "HTTPAddr": f"127.0.0.1:{settings.port}",
        "HostNetworks": None,
        "HostVolumes": {},
        "ID": node_id,
        "LastDrain": None,
        "Links": {},
        "Meta": meta,
        "Name": f"{settings.datacenter}-1",
        "NodeClass": "",
        "NodePool": "default",
        "NodeResources": {
            "Cpu": {
                "CpuShares": int(attributes["cpu.totalcompute"]),
                "ReservableCpuCores": list(range(cores)),
                "TotalCpuCores": cores,
            },
            "Devices": devices(settings.devices) or None,
            "Disk": {"DiskMB": disk},
            "MaxDynamicPort": MAX_PORT,
            "Memory": {"MemoryMB": memory},
            "MinDynamicPort": MIN_PORT,
            "Networks": [{"CIDR": "127.0.0.1/32", "Device": "lo", "IP": "127.0.0.1", "MBits": 1000, "Mode": "host"}],
        },
        "ReservedResources": {
            "Cpu": {"CpuShares": 0, "ReservedCpuCores": None},
            "Disk": {"DiskMB": 0},
            "Memory": {"MemoryMB": 0},
            "Networks": {"ReservedHostPorts": ""},
        },
        "SchedulingEligibility": "eligible",
        "SecretID": "",
        "Status": "ready",
        "StatusDescription": "",
        "StatusUpdatedAt": int(now),
        "TLSEnabled": False,
    }


def node_attributes(settings: Settings) -> dict[str, str]:
    cores = os.cpu_count() or 1
    megahertz = cpu_megahertz()
    system = _os_release()
    disk = shutil.disk_usage(settings.tasks)
    return {
        "cpu.arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "cpu.frequency": str(megahertz),
        "cpu.modelname": _cpuinfo("model name") or platform.machine(),
        "cpu.numcores": str(cores),
        "cpu.reservablecores": str(cores),
        "cpu.totalcompute": str(megahertz * cores),
        "cpu.usablecompute": str(megahertz * cores),
        "driver.raw_exec": "1",
        "kernel.arch": platform.machine(),
        "kernel.name": platform.system().lower(),
        "kernel.version": platform.release(),
        "memory.totalbytes": str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "nomad.version": FULL_VERSION,
        "os.name": system.get("ID", platform.system().lower()),
        "os.version": system.get("VERSION_ID", ""),
        "unique.hostname": platform.node(),
        "unique.network.ip-address": "127.0.0.1",
        "unique.storage.bytesfree": str(disk.free),
        "unique.storage.bytestotal": str(disk.total),
        "unique.storage.volume": str(settings.tasks),
    }


def node_meta(settings: Settings) -> dict[str, str]:
    """What jobs may count on; without a Python that tasks can run, no package job fits here."""
    rclone = _beside_python("rclone")
    meta = {
        "serai_packages_root": str(settings.tasks / "packages"),
        "serai_storage_root": str(settings.tasks / "storage"),
        "serai_python": next(task_pythons(), ""),
        "serai_uv": _beside_python("uv"),
        "serai_rclone": rclone,
        "serai_mounts_root": str(settings.tasks / "mounts") if rclone else "",
        "serai_fuse": "true" if rclone and may_mount() else "",
        "serai_simulated_devices": "true" if settings.devices else "",
        "serai_one_person": "" if separate() else "true",
    }
    return {name: value for name, value in meta.items() if value}


def task_pythons() -> Iterator[str]:
    """Pythons that tasks may run: any user's tasks when they run under uids of their own."""
    mine = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    named = [f"/usr/{where}bin/python3{minor}" for minor in ("", ".13", ".12", ".11") for where in ("local/", "")]
    for python in (mine, *named):
        if Path(python).exists() and (os.getuid() != 0 or open_to_all(Path(python))) and _version(python):
            yield python


def open_to_all(path: Path) -> bool:
    """Whether every account may reach and run it (each folder on the way, links followed)."""
    real = path.resolve()
    folders = [*path.absolute().parents, *real.parents]
    return all(folder.stat().st_mode & 0o001 for folder in folders) and real.stat().st_mode & 0o005 == 0o005


def _version(python: str) -> bool:
    """Whether it answers, is new enough, and can see its own standard library."""
    program = f"import sys, ssl, venv; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    try:
        # -I: neither the folder we stand in nor the environment may speak for it.
        answer = subprocess.run([python, "-I", "-c", program], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def _beside_python(program: str) -> str:
    beside = Path(sys.executable).parent / program
    return str(beside) if beside.exists() else shutil.which(program) or ""


def may_mount() -> bool:
    """Whether a file system of a program's own (FUSE) can be mounted here; containers seldom may."""
    if not shutil.which("fusermount3") or (os.getuid() == 0 and not _has_capability(CAP_SYS_ADMIN)):
        return False
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError:
        return False
    return True


def _has_capability(number: int) -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    held = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(held >> number & 1)


def cpu_megahertz() -> int:
    highest = Path("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency")
    if highest.exists():
        return int(highest.read_text()) // 1000
    return int(float(_cpuinfo("cpu MHz") or 1000))


def _cpuinfo(name: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def devices(file: Path | None) -> list[Document]:
    """Simulated devices in Nomad's own shape (a node's ``NodeResources.Devices``, or a whole node)."""
    if file is None:
        return []
    found = json.loads(file.read_text())
    if isinstance(found, dict):
        found = found["NodeResources"]["Devices"]
    for device in found:
        if not isinstance(device, dict) or not {"Vendor", "Type", "Name", "Instances"} <= device.keys():
            raise ValueError(f"{file}: each device needs Vendor, Type, Name and Instances, as Nomad's nodes show them.")
    return list(found)


def rfc3339(nanoseconds: int) -> str:
    """A time as Nomad writes it, to the nanosecond."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") + "Z"


def node_targets(node: Document) -> dict[str, str]:
    """What ``${…}`` may name of the node."""
    return {
        **{f"attr.{name}": value for name, value in node["Attributes"].items()},
        **{f"meta.{name}": value for name, value in node["Meta"].items()},
        "node.datacenter": node["Datacenter"],
        "node.class": node["NodeClass"],
        "node.pool": node["NodePool"],
        "node.unique.id": node["ID"],
        "node.unique.name": node["Name"],
    }
