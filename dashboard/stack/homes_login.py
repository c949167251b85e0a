"""What ``rclone serve --auth-proxy`` runs: who comes with this password, and which folder is theirs.

A JSON object in, one out. It compares with a digest that Serai wrote (jobs/storages.py): no database, no Django.
"""

import json
import os
import sys
from hashlib import sha256
from hmac import compare_digest
from typing import Any


def main() -> int:
    found = place_of(json.load(sys.stdin), os.environ["SERAI_DATA"])
    if found is None:
        return 1
    json.dump(found, sys.stdout)
    return 0


def place_of(login: dict[str, Any], data: str) -> dict[str, str] | None:
    """The folder of this project as a backend of rclone, if that is its password."""
    user, password = str(login.get("user", "")), str(login.get("pass", ""))
    if not (user.isascii() and user.isdecimal()):  # the project's number: so no path leads elsewhere
        return None
    try:
        with open(os.path.join(data, "home-logins", user)) as file:
            wanted = file.read().strip()
    except OSError:
        return None
    # 256 random bits need no slow hash.
    if not compare_digest(sha256(password.encode(errors="replace")).hexdigest(), wanted):
        return None
    # Links in a home, which only this machine's root could put there, lead nowhere.
    return {"type": "local", "_root": os.path.join(data, "homes", user), "skip_links": "true"}


if __name__ == "__main__":
    sys.exit(main())
