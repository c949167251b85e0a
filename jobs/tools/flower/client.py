"""One client of a federation: Flower's SuperNode with the key that Serai made for it. Runs in the task.

This process only starts the other and reads what it says: why Flower left is told here in one sentence.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

# What Flower writes when the server refuses the key: at the beginning, and later when it was taken away. After that it
# would go on saying good-bye to a server that does not listen.
REFUSED = ("401 Unauthorized", "Invalid SuperNode authentication", "[code: 2004]", "SuperNode terminated gracefully")
NO_ENTRY = (
    "The federated server does not accept this client's key: it was taken away there, or belongs to another server."
)
UNREACHABLE = "The federated server does not answer at {address}. Start the client again once it runs."
LEFT = "Flower's client ended. The lines before say why."
# The server hears of a new client within some seconds; one that was quicker than that knocks again.
KNOWN_AFTER_SECONDS, KNOCK_AGAIN_SECONDS = 20, 3


def main() -> int:
    address, environment = os.environ["FEDERATION_ADDRESS"], surroundings()
    program = [sys.executable, str(Path(__file__).with_name("supernode.py")), *arguments(address)]
    begun = time.monotonic()
    while (reason := why_it_ended(program, environment)) == NO_ENTRY:
        if time.monotonic() > begun + KNOWN_AFTER_SECONDS:
            break
        time.sleep(KNOCK_AGAIN_SECONDS)
    sys.stderr.write(reason.format(address=address) + "\n")
    return 1


def why_it_ended(program: list[str], environment: dict[str, str]) -> str:
    node = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    refused = unreachable = False
    assert node.stdout is not None
    for line in node.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        unreachable = "ConnectError" in line or "Connection refused" in line
        if any(words in line for words in REFUSED):
            refused = True
            node.kill()
            break
    node.wait()
    return NO_ENTRY if refused else UNREACHABLE if unreachable else LEFT


def surroundings() -> dict[str, str]:
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    home = str(Path(os.environ["NOMAD_TASK_DIR"]) / ".flwr")
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    # Whoever asks is who the connection says, not who a header says.
    ours = {"PATH": path, "FLWR_HOME": home, "FORWARDED_ALLOW_IPS": "", **quiet}
    return {**{name: value for name, value in os.environ.items() if name not in ("NODE_KEY", "FLEET_CA")}, **ours}


def arguments(address: str) -> list[str]:
    secrets = Path(os.environ["NOMAD_SECRETS_DIR"])
    write_for_us(secrets / "node", os.environ["NODE_KEY"])
    authority = []
    if os.environ.get("FLEET_CA"):  # none where an address of the web is certified by the system's authorities
        write_for_us(secrets / "ca.pem", os.environ["FLEET_CA"])
        authority = ["--root-certificates", str(secrets / "ca.pem")]
    mine = f"part={int(os.environ['OPTION_PART']) - 1} parts={int(os.environ['OPTION_PARTS'])}"
    return [
        *("--superlink", address, *authority, "--auth-supernode-private-key", str(secrets / "node")),
        *("--host", os.environ["NODE_ADDRESS"], "--port", os.environ["NODE_PORT"], "--node-config", mine),
    ]


def write_for_us(file: Path, content: str) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(content.rstrip("\n") + "\n")


if __name__ == "__main__":
    sys.exit(main())
