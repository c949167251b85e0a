"""``python -m image_stylist.health http://127.0.0.1:5000 samples``: exit code 0 if the service there predicts."""

import json
import sys
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from .about import DISTRIBUTION

SECONDS = 25


def predicts(server: str, sample: dict[str, Any], folder: Path) -> bool:
    headers, body = multipart(sample, folder)
    address = f"{server}/v2/models/{DISTRIBUTION}/predict/"
    request = urllib.request.Request(address, body, {"Accept": "*/*", **headers})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError as error:
        print(f"{address}: {error}", file=sys.stderr)
        return False


def multipart(sample: dict[str, Any], folder: Path) -> tuple[dict[str, str], bytes]:
    """A sample's arguments and files as a browser sends them."""
    boundary = uuid.uuid4().hex
    parts = [
        (f'name="{name}"', str(item).encode())
        for name, value in sample.get("arguments", {}).items()
        if name != "accept"
        for item in (value if isinstance(value, list) else [value])
    ]
    parts += [
        (f'name="{name}"; filename="{file}"\r\nContent-Type: application/octet-stream', (folder / file).read_bytes())
        for name, file in sample.get("files", {}).items()
    ]
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, body + f"--{boundary}--\r\n".encode()


def main(server: str, folder: Path) -> bool:
    return predicts(server, json.loads((folder / "predict.json").read_text())[0], folder)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1], Path(sys.argv[2])) else 1)
