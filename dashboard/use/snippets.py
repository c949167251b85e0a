"""The call that the form makes, as curl, Python and JavaScript: with the real values, and without a secret."""

import json
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from dashboard.addresses import bearer_url
from dashboard.snippets import pretty_python
from jobs.deepaas.client import Call, arrange
from jobs.deepaas.document import Operation
from jobs.deepaas.services import API_LABEL
from jobs.models import Deployment

INSTEAD_OF_A_SECRET = "YOUR-SECRET"


def call_snippets(
    deployment: Deployment, operation: Operation, values: Mapping[str, Any], files: Mapping[str, str]
) -> list[tuple[str, str]]:
    """``files`` are names of files by argument."""
    secret = {argument.name for argument in operation.arguments if argument.secret}
    shown = {name: INSTEAD_OF_A_SECRET if name in secret else value for name, value in values.items()}
    call = arrange(operation, shown)
    query = f"?{urlencode(call.query)}" if call.query else ""
    url = bearer_url(deployment, _label(deployment)) + operation.path.lstrip("/") + query
    return [
        ("curl", _curl(url, call, files)),
        ("Python", _python(url, call, files)),
        ("JavaScript", _javascript(url, call, files)),
    ]


def _label(deployment: Deployment) -> str:
    labels = [row["label"] for row in deployment.endpoints]
    return labels[0] if labels and API_LABEL not in labels else API_LABEL


def _curl(url: str, call: Call, files: Mapping[str, str]) -> str:
    lines = [f"curl -X POST {shlex.quote(url)}", '-H "Authorization: Bearer $SERAI_TOKEN"']
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()]
    # --form-string: a value that begins with @ or < is a value, not a file.
    lines += [f"--form-string {shlex.quote(f'{name}={text}')}" for name, texts in call.form.items() for text in texts]
    lines += [f"-F {shlex.quote(f'{name}=@{file}')}" for name, file in files.items()]
    if call.body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(call.body))}"]
    if _is_file(call):
        lines.append(f"-o {_file_name(call)}")
    return " \\\n  ".join(lines)


def _python(url: str, call: Call, files: Mapping[str, str]) -> str:
    headers = "".join(f", {name!r}: {value!r}" for name, value in call.headers.items())
    parts = [f"    {url!r},", f"    headers={{'Authorization': f\"Bearer {{os.environ['SERAI_TOKEN']}}\"{headers}}},"]
    if call.form:
        parts.append(f"    data={_literal(call.form)},")
    if files:
        opened = ", ".join(f"{name!r}: open({file!r}, 'rb')" for name, file in files.items())
        parts.append(f"    files={{{opened}}},")
    if call.body is not None:
        parts.append(f"    json={_literal(call.body)},")
    shown = f"open({_file_name(call)!r}, 'wb').write(answer.content)" if _is_file(call) else "print(answer.json())"
    lines = ["import os", "", "import requests", "", "answer = requests.post(", *parts, "    timeout=300,", ")"]
    return "\n".join([*lines, "answer.raise_for_status()", shown])


def _javascript(url: str, call: Call, files: Mapping[str, str]) -> str:
    headers = {"Authorization": "Bearer …", **call.headers}
    lines, body = [], "body"
    if call.body is not None:
        headers["Content-Type"] = "application/json"
        lines.append(f"const body = {json.dumps(json.dumps(call.body))};")
    else:
        lines.append("const body = new FormData();")
        pairs = [(name, text) for name, texts in call.form.items() for text in texts]
        lines += [f"body.append({json.dumps(name)}, {json.dumps(text)});" for name, text in pairs]
        lines += [f'body.append({json.dumps(name)}, file); // of an <input type="file">' for name in files]
    shown = "await answer.blob()" if _is_file(call) else "await answer.json()"
    listed = json.dumps(headers, ensure_ascii=False).replace('"Bearer …"', "`Bearer ${SERAI_TOKEN}`")
    lines.append(f"const answer = await fetch({json.dumps(url)}, {{")
    lines += ['  method: "POST",', f"  headers: {listed},", f"  {body},", "});", f"console.log({shown});"]
    return "\n".join(lines)


def _literal(value: Any) -> str:
    return "\n".join("    " + line for line in pretty_python(value).splitlines()).strip()


def _accepted(call: Call) -> str:
    return call.headers.get("Accept", "*/*")


def _is_file(call: Call) -> bool:
    return not _accepted(call).endswith("json") and _accepted(call) != "*/*"


def _file_name(call: Call) -> str:
    ending = _accepted(call).rpartition("/")[2]
    return f"answer.{ending if ending.isalnum() else 'bin'}"
