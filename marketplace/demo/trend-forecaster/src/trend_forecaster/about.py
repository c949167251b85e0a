"""What this module says of itself, taken from its installed package."""

from importlib import metadata

DISTRIBUTION = "trend-forecaster"


def get_metadata() -> dict[str, str]:
    package = metadata.metadata(DISTRIBUTION)
    return {
        # DEEPaaS puts these over its own "id" and "name": the same as in its paths, so that nobody is misled.
        "id": DISTRIBUTION,
        "name": package["Name"],
        "version": package["Version"],
        "description": package["Summary"],
        # Build tools write the licence under the first name (PEP 639), older ones under the second.
        "license": package.get("License-Expression") or package.get("License") or "",
        "author": package.get("Author") or package.get("Author-email") or "",
    }
