"""The same request as a script: what pages offer to copy. No secret is in one, only the name of a variable."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from django.conf import settings


def posted(route: str, body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """``POST <route>`` with this body as curl, Python and JSON."""
    url = f"{settings.SERAI_URL}/api/v1/{route}"
    return [("curl", _curl(url, body)), ("Python", _python(url, body)), ("JSON", pretty(body))]


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _curl(url: str, body: Mapping[str, Any]) -> str:
    return (
        f"curl -X POST {url} \\\n"
        '  -H "Authorization: Bearer $SERAI_TOKEN" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(pretty(body))}"
    )


def _python(url: str, body: Mapping[str, Any]) -> str:
    literal = "\n".join("    " + line for line in pretty_python(body).splitlines()).strip()
    return (
        "import os\n\nimport requests\n\n"
        "answer = requests.post(\n"
        f'    "{url}",\n'
        """    headers={"Authorization": f"Bearer {os.environ['SERAI_TOKEN']}"},\n"""
        f"    json={literal},\n"
        "    timeout=30,\n)\n"
        "answer.raise_for_status()\n"
        'print(answer.json()["id"], answer.json()["status"])'
    )


def pretty_python(value: Any, indent: int = 0) -> str:
    """A literal of Python, one member a line."""
    pad, inner = "    " * indent, "    " * (indent + 1)
    if isinstance(value, Mapping) and value:
        members = (f"{inner}{name!r}: {pretty_python(item, indent + 1)},\n" for name, item in value.items())
        return "{\n" + "".join(members) + pad + "}"
    if isinstance(value, list | tuple) and value:
        return "[\n" + "".join(f"{inner}{pretty_python(item, indent + 1)},\n" for item in value) + pad + "]"
    return repr(value)
