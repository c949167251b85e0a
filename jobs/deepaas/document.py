"""A module's own OpenAPI document, read into what forms and calls need. Pure.

Modules freeze at the version of DEEPaaS they were born with: Swagger 2.0 from 1.3 to 2.6, OpenAPI 3 in the line
after it. Paths and places of arguments come from the document alone, never from what we know of one version.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

JSON = "application/json"
ANYTHING = "*/*"
# A path and nothing more: the module says what is asked, never who. "http://…#/predict" would be another host.
PLAIN_PATH = re.compile(r"/(?!/)[^\s?#\\{}]*")
# RFC 9110's token; how a request is framed and whom it is for is not a module's to say.
HEADER_NAME = re.compile(
    r"(?!(?:host|connection|content-length|transfer-encoding)$)[!#$%&'*+.^_`|~0-9a-z-]+", re.IGNORECASE
)
METHOD_OF_MODEL = re.compile(r"(?:.*/models/(?P<model>[^/{}]+)|[^{}]*)/(?P<method>predict|train)/?")
FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded", JSON)
REFERENCES_DEEP = 20


class DocumentUnusable(ValueError):
    """This is not the document of a module's API; the text is for people."""


class Type(StrEnum):
    TEXT = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    OBJECT = "object"
    FILE = "file"


class Location(StrEnum):
    """Where the module wants an argument."""

    QUERY = "query"
    FORM = "form"
    JSON = "json"
    HEADER = "header"


class Media(StrEnum):
    """What kind of file an argument is."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"


@dataclass(frozen=True)
class Argument:
    """One thing that ``predict`` or ``train`` takes."""

    name: str
    type: Type = Type.TEXT
    title: str = ""
    help: str = ""
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    required: bool = False
    multiple: bool = False  # a list of values of this type
    location: Location = Location.QUERY
    media: Media | None = None  # of a file
    secret: bool = False

    @property
    def is_accept(self) -> bool:
        """Whether this chooses the media type of the answer."""
        return self.name.lower() == "accept"

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of its value."""
        item = self._item_schema()
        schema: dict[str, Any] = {"type": "array", "items": item} if self.multiple else item
        schema["title"] = self.title
        if self.help:
            schema["description"] = self.help
        if self.default is not None and not self.secret:
            schema["default"] = self.default
        return schema

    def _item_schema(self) -> dict[str, Any]:
        if self.type is Type.FILE:
            media = "application/octet-stream" if self.media in (None, Media.FILE) else f"{self.media}/*"
            return {"type": "string", "format": "binary", "contentMediaType": media}
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        schema: dict[str, Any] = {"type": str(self.type)}
        schema |= {name: value for name, value in bounds.items() if value is not None}
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.secret:
            schema |= {"format": "password", "writeOnly": True}
        return schema


@dataclass(frozen=True)
class Operation:
    """``predict`` or ``train`` of one model, as the module offers it."""

    path: str
    arguments: tuple[Argument, ...] = ()
    produces: tuple[str, ...] = (JSON,)
    summary: str = ""

    @property
    def accept(self) -> Argument | None:
        return next((argument for argument in self.arguments if argument.is_accept), None)

    @property
    def files(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.type is Type.FILE)

    @property
    def needs_input(self) -> bool:
        """Whether it refuses a call without any argument, instead of computing something."""
        return any(argument.required and not argument.is_accept for argument in self.arguments)

    def argument(self, name: str) -> Argument | None:
        return next((argument for argument in self.arguments if argument.name == name), None)


@dataclass(frozen=True)
class Model:
    name: str
    predict: Operation | None = None
    train: Operation | None = None


@dataclass(frozen=True)
class ModuleApi:
    """What one module's document says, the first model first."""

    models: tuple[Model, ...] = ()
    version: str = ""  # of DEEPaaS

    @property
    def predict(self) -> Operation | None:
        return next((model.predict for model in self.models if model.predict), None)

    @property
    def train(self) -> Operation | None:
        return next((model.train for model in self.models if model.train), None)


def parse(document: Any) -> ModuleApi:
    """Read a module's document; DocumentUnusable if it is none."""
    if not isinstance(document, Mapping) or not isinstance(document.get("paths"), Mapping):
        raise DocumentUnusable("This is no OpenAPI document: it has no paths.")
    models: dict[str, Model] = {}
    for path, item in document["paths"].items():
        found = METHOD_OF_MODEL.fullmatch(str(path))
        offered = found and PLAIN_PATH.fullmatch(str(path))
        if found and offered and isinstance(item, Mapping) and isinstance(item.get("post"), Mapping):
            name = found["model"] or ""
            operation = _operation(document, str(path), item)
            model = models.get(name, Model(name))
            train = found["method"] == "train"
            models[name] = replace(model, train=operation) if train else replace(model, predict=operation)
    info = document.get("info")
    version = str(info.get("version", "")) if isinstance(info, Mapping) else ""
    return ModuleApi(tuple(models.values()), version)


def json_schema(operation: Operation) -> dict[str, Any]:
    """JSON Schema (2020-12) of all arguments of an operation."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {argument.name: argument.json_schema() for argument in operation.arguments},
        "required": [argument.name for argument in operation.arguments if argument.required],
    }


# ── Operations ───────────────────────────────────────────────────────────────────────────────────
def _operation(document: Mapping[str, Any], path: str, item: Mapping[str, Any]) -> Operation:
    post = item["post"]
    found = [*_parameters(document, item), *_parameters(document, post), *_body_arguments(document, post)]
    by_name = {argument.name: argument for argument in found}
    return Operation(
        path=_base_path(document, path) + path,
        arguments=tuple(by_name.values()),
        produces=_produces(document, post) or (JSON,),
        summary=str(post.get("summary", "")),
    )


def _base_path(document: Mapping[str, Any], path: str) -> str:
    servers = document.get("servers")
    url = document.get("basePath", "")
    if isinstance(servers, Sequence) and servers and isinstance(servers[0], Mapping):
        url = urlsplit(str(servers[0].get("url", ""))).path
    base = str(url or "").rstrip("/")
    return "" if not PLAIN_PATH.fullmatch(base) or path.startswith(base + "/") else base


def _produces(document: Mapping[str, Any], post: Mapping[str, Any]) -> tuple[str, ...]:
    if "produces" in post:
        return _texts(post["produces"])
    answers = post.get("responses")
    answer = answers.get("200") if isinstance(answers, Mapping) else None
    content = _resolve(document, answer).get("content", {})
    return tuple(str(name) for name in content) or _texts(document.get("produces", ()))


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values) if isinstance(values, list | tuple) else ()


# ── Arguments ────────────────────────────────────────────────────────────────────────────────────
PLACES = {"query": Location.QUERY, "formData": Location.FORM, "header": Location.HEADER}


def _parameters(document: Mapping[str, Any], holder: Mapping[str, Any]) -> Iterator[Argument]:
    for raw in holder.get("parameters") or ():
        parameter = _resolve(document, raw)
        name, place = str(parameter.get("name", "")), parameter.get("in")
        if place == "body":
            yield from _properties(document, _resolve(document, parameter.get("schema")), Location.JSON)
        elif name and place in PLACES and (place != "header" or HEADER_NAME.fullmatch(name)):
            # Swagger 2.0 says the type beside the name, OpenAPI 3 in a schema.
            schema = {**parameter, **_schema(document, parameter.get("schema"))}
            required = parameter.get("required") is True
            yield _argument(document, name, schema, PLACES[place], required=required)


def _body_arguments(document: Mapping[str, Any], post: Mapping[str, Any]) -> Iterator[Argument]:
    content = _resolve(document, post.get("requestBody")).get("content")
    if not isinstance(content, Mapping):
        return
    kind = next((name for name in FORM_TYPES if name in content), None)
    if kind is not None:
        schema = _schema(document, _resolve(document, content[kind]).get("schema"))
        yield from _properties(document, schema, Location.JSON if kind == JSON else Location.FORM)


def _properties(document: Mapping[str, Any], schema: Mapping[str, Any], location: Location) -> Iterator[Argument]:
    needed = schema.get("required")
    names = needed if isinstance(needed, list | tuple) else ()
    properties = schema.get("properties")
    for name, raw in (properties if isinstance(properties, Mapping) else {}).items():
        yield _argument(document, str(name), _schema(document, raw), location, required=name in names)


def _argument(
    document: Mapping[str, Any], name: str, schema: Mapping[str, Any], location: Location, *, required: bool
) -> Argument:
    multiple = schema.get("type") == "array"
    item = {**_schema(document, schema.get("items"))} if multiple else schema
    kind = _type(item)
    description = str(schema.get("description") or item.get("description") or "")
    return Argument(
        name=name,
        type=kind,
        title=str(item.get("title") or name.replace("_", " ").strip().capitalize() or name),
        help=description,
        default=schema.get("default"),
        minimum=_number(item.get("minimum", item.get("exclusiveMinimum"))),
        maximum=_number(item.get("maximum", item.get("exclusiveMaximum"))),
        choices=_choices(name, item),
        required=required,
        multiple=multiple,
        location=location,
        media=_media(name, description, item) if kind is Type.FILE else None,
        secret=item.get("format") == "password",
    )


def _type(schema: Mapping[str, Any]) -> Type:
    binary = schema.get("format") == "binary" or "contentMediaType" in schema
    if schema.get("type") == "file" or (schema.get("type") == "string" and binary):
        return Type.FILE
    known = {str(kind): kind for kind in Type if kind is not Type.FILE}
    return known.get(str(schema.get("type")), Type.TEXT)


def _media(name: str, description: str, schema: Mapping[str, Any]) -> Media:
    """DEEPaaS has no word for it: the name, the description or the media type may tell."""
    told = f"{schema.get('contentMediaType', '')} {name} {description}".lower()
    kinds = (Media.IMAGE, Media.AUDIO, Media.VIDEO)
    positions = [(told.find(str(kind)), kind) for kind in kinds if str(kind) in told]
    return min(positions)[1] if positions else Media.FILE


def _choices(name: str, schema: Mapping[str, Any]) -> tuple[Any, ...]:
    values = schema.get("enum")
    choices = tuple(values) if isinstance(values, list | tuple) else ()
    if name.lower() == "accept" and len(choices) > 1:
        # "Anything" is no answer to the question which.
        choices = tuple(choice for choice in choices if choice != ANYTHING)
    return choices


def _number(value: Any) -> float | None:
    # OpenAPI 3.0 has a boolean exclusiveMinimum beside the minimum.
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


# ── References ───────────────────────────────────────────────────────────────────────────────────
def _schema(document: Mapping[str, Any], raw: Any) -> Mapping[str, Any]:
    """The schema without references, and without the "or null" of optional values."""
    schema = _resolve(document, raw)
    for several in ("allOf", "anyOf", "oneOf"):
        parts = schema.get(several)
        if isinstance(parts, list | tuple):
            resolved = [_resolve(document, part) for part in parts]
            first = next((part for part in resolved if part.get("type") != "null"), {})
            schema = {**first, **{key: value for key, value in schema.items() if key != several}}
    kind = schema.get("type")
    if isinstance(kind, list | tuple):
        schema = {**schema, "type": next((name for name in kind if name != "null"), "string")}
    return schema


def _resolve(document: Mapping[str, Any], raw: Any) -> Mapping[str, Any]:
    for _ in range(REFERENCES_DEEP):
        if not isinstance(raw, Mapping):
            return {}
        if not isinstance(raw.get("$ref"), str):
            return raw
        raw = _at(document, raw["$ref"])
    return {}  # a circle


def _at(document: Mapping[str, Any], reference: str) -> Any:
    if not reference.startswith("#/"):
        return None
    found: Any = document
    for step in reference[2:].split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found
