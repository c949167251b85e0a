"""Writes one task or project of CVAT as a dataset: asked of its server, unpacked, then put in the old one's place.

Runs in the deployment, with CVAT's own client.
"""

import os
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from cvat_sdk import Client
from cvat_sdk.api_client.exceptions import ApiException, NotFoundException
from cvat_sdk.core.client import Config
from cvat_sdk.core.proxies.types import Location
from urllib3.exceptions import HTTPError

USER = "serai"
PERIOD_SECONDS = 2


def main() -> int:
    what, number, style = os.environ["OPTION_WHAT"], int(os.environ["OPTION_NUMBER"]), os.environ["OPTION_FORMAT"]
    target = place() / "annotations" / f"{what}-{number}-{re.sub('[^a-z0-9]+', '-', style.lower()).strip('-')}"
    try:
        with Client(os.environ["CVAT_URL"], config=Config(status_check_period=PERIOD_SECONDS)) as client:
            if not signed_in(client):
                return fail(
                    "The annotation server does not take this deployment's password. Restart it, then try again."
                )
            unpack(client, what, number, style, target)
    except NotFoundException:
        return fail(f"The annotation server has no {what} {number}.")
    except ApiException as error:
        return fail(f"The annotation server refused: {error.status} {error.reason}. {(error.body or '')[:300]}")
    except (HTTPError, OSError) as error:
        return fail(f"The annotation server could not be read: {error}")
    say(f"{count(target)} files in {target}")
    return 0


def signed_in(client: Client) -> bool:
    try:
        client.login((USER, os.environ["CVAT_PASSWORD"]))
    except ApiException as error:
        if error.status in (400, 401, 403):
            return False
        raise
    return True


def place() -> Path:
    """The storage that is attached, of several the first by name; else the project's folder of this tool."""
    attached = Path(os.environ.get("SERAI_STORAGES_DIR") or "/nowhere")
    folders = sorted(folder for folder in attached.glob("*/") if os.access(folder, os.W_OK))
    return folders[0] if folders else Path(os.environ["SERAI_STORAGE_DIR"])


def unpack(client: Client, what: str, number: int, style: str, target: Path) -> None:
    """A draft beside the target becomes it when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    kind = {"task": client.tasks, "project": client.projects}[what]
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
    try:
        with tempfile.TemporaryDirectory() as folder:
            packed = Path(folder) / "dataset.zip"
            say(f"Asking for {what} {number} as {style}.")
            images = os.environ["OPTION_IMAGES"] == "true"
            kind.retrieve(number).export_dataset(style, packed, include_images=images, location=Location.LOCAL)
            say(f"Got {packed.stat().st_size / 1e6:.1f} MB.")
            zipfile.ZipFile(packed).extractall(draft)
        draft.chmod(0o2775)  # as readable as what the project's other tasks write
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def count(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 a task speaks through its log


def fail(text: str) -> int:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
