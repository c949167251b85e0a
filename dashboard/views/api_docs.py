"""The page for the REST API's document: every operation, what it takes and answers, and how to call it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from dashboard.api.v1 import api


@dataclass(frozen=True)
class Parameter:
    name: str
    where: str
    kind: str
    required: bool
    help: str


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    parameters: tuple[Parameter, ...]
    body: str  # the name of its schema
    answers: tuple[str, ...]
    curl: str


@dataclass(frozen=True)
class Group:
    name: str
    operations: tuple[Operation, ...]


@login_required
@require_GET
def api_docs(request: HttpRequest) -> HttpResponse:
    document = api.get_openapi_schema()
    groups = tuple(_groups(document))
    schemas = sorted(_schemas(document["components"]["schemas"]))
    return render(request, "api_docs/index.html", {"groups": groups, "schemas": schemas})


def _groups(document: Mapping[str, Any]) -> Iterator[Group]:
    found: dict[str, list[Operation]] = {}
    for place, methods in document["paths"].items():
        for method, operation in methods.items():
            found.setdefault(operation["tags"][0], []).append(_operation(method.upper(), place, operation))
    for name, operations in found.items():
        yield Group(name, tuple(operations))


def _operation(method: str, place: str, operation: Mapping[str, Any]) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return Operation(
        id=operation["operationId"],
        method=method,
        path=place,
        summary=operation["summary"],
        parameters=tuple(_parameter(item) for item in operation.get("parameters", [])),
        body=_type(body) if body else "",
        answers=tuple(str(status) for status in operation["responses"]),
        curl=_curl(method, place, bool(body)),
    )


def _parameter(item: Mapping[str, Any]) -> Parameter:
    schema = item["schema"]
    return Parameter(item["name"], item["in"], _type(schema), bool(item.get("required")), schema.get("description", ""))


def _schemas(schemas: Mapping[str, Any]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for name, schema in schemas.items():
        yield name, tuple((member, _type(part)) for member, part in schema.get("properties", {}).items())


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words: ``integer``, ``list of EventOut``, ``text or null``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " | ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    return str(schema.get("format") or schema.get("type") or "any")


def _curl(method: str, place: str, has_body: bool) -> str:
    verb = "" if method == "GET" else f"-X {method} "
    body = " \\\n  -H 'Content-Type: application/json' -d @request.json" if has_body else ""
    return f'curl {verb}{settings.SERAI_URL}{place} \\\n  -H "Authorization: Bearer $SERAI_TOKEN"{body}'


urlpatterns = [path("api/v1/docs", api_docs, name="api-docs")]
