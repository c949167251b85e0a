"""What a tool file may hold, as JSON Schema, and what is wrong with one that does not keep to it, in sentences."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from datacenters.jobspec import JobKind, Lifecycle

Json = dict[str, Any]

TEXT: Json = {"type": "string", "minLength": 1}
TEXTS: Json = {"type": "array", "items": TEXT}
NUMBER: Json = {"type": "number", "minimum": 0}
VARIABLE = "^[A-Z][A-Z0-9_]*$"
PATH = "^(?!/)(?!.*\\.\\.).+$"  # below the folder, whichever it is
FILE: Json = {"type": "string", "pattern": PATH}  # beside the tool file
VOLUME = "^[a-z][a-z0-9-]{0,29}$"
OPTION_TYPES = ("text", "integer", "number", "boolean", "choice", "repository", "deployment", "packages")
ACTIVITIES = ("jupyter", "code-server")
COOKIE = "^[A-Za-z0-9_-]+$"
RESOURCES = ("cpu_cores", "memory_mb", "disk_mb", "gpus", "gpu_memory_mb", "gpu_compute_capability")


def _object(required: tuple[str, ...] = (), **properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _named(pattern: str, value: Json) -> Json:
    return {"type": "object", "propertyNames": {"pattern": pattern}, "additionalProperties": value}


def _list(item: Json) -> Json:
    return {"type": "array", "items": item, "minItems": 1}


OPTION = _object(
    ("name", "type", "title"),
    name={"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
    type={"enum": list(OPTION_TYPES)},
    title=TEXT,
    help=TEXT,
    default={"type": ["string", "number", "boolean"]},
    minimum={"type": "number"},
    maximum={"type": "number"},
    choices=_named(".", TEXT),  # value: title
    more={"type": "boolean"},
    of=TEXT,  # of a deployment: the tool that it must be one of
)
PORT = _object(
    ("label",),
    label={"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$"},
    health_path={"type": "string", "pattern": "^/"},
    inside={"type": "integer", "minimum": 1, "maximum": 65_535},
    authorization={
        **_object(("secret",), secret=TEXT, scheme=TEXT, user=TEXT, cookie={"type": "string", "pattern": COOKIE}),
        "oneOf": [{"required": ["scheme"]}, {"required": ["cookie"]}],
    },
    activity={"enum": list(ACTIVITIES)},
    open={"type": "array", "items": {"type": "string", "pattern": "^/"}, "minItems": 1},
    certificate=TEXT,
)
TASK = _object(
    ("name",),
    name={"type": "string", "pattern": "^[a-z][a-z0-9-]{0,29}$"},
    command=TEXT,
    image=TEXT,
    digest={"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    lifecycle={"enum": list(Lifecycle)},
    args=TEXTS,
    env=_named(VARIABLE, {"type": "string"}),
    files=_named(PATH, FILE),  # by their place in the task's folder
    secrets=TEXTS,
    share={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    kill_signal={"type": "string", "pattern": "^SIG[A-Z0-9]+$"},
    kill_timeout_seconds={"type": "integer", "minimum": 1, "maximum": 300},
    restarts={"type": "integer", "minimum": 0, "maximum": 100},
    volumes=_named(VOLUME, {"type": "string", "pattern": "^/[^$]*$"}),  # of its allocation: where the container sees it
    shared_memory_mb={"type": "integer", "minimum": 1},
)
AMOUNTS = {**_object(), "properties": dict.fromkeys(RESOURCES, NUMBER)}
TOOL = _object(
    ("id", "title", "summary", "description", "runtimes", "resources"),
    id={"type": "string", "pattern": "^[a-z][a-z0-9-]{0,39}$"},
    title=TEXT,
    summary=TEXT,
    description=TEXT,
    notice=TEXT,
    kind={"enum": list(JobKind)},
    licence=TEXT,
    links=_named(".", TEXT),
    libraries=TEXTS,
    tags=TEXTS,
    options={"type": "array", "items": OPTION},
    resources=AMOUNTS,
    least=AMOUNTS,
    ports=_list(PORT),
    secrets={"type": "array", "items": {"type": "string", "pattern": VARIABLE}},
    tracking={"type": "boolean"},
    script={"type": "boolean"},
    snapshots=_object(("folder", "option"), folder=FILE, option=TEXT),
    runtimes={
        **_object(
            package=_object(("tasks",), requirements=TEXT, build=_list(FILE), tasks=_list(TASK)),
            container=_object(("tasks",), tasks=_list(TASK), network={"enum": ["host", "own"]}),
        ),
        "minProperties": 1,
    },
)
VALIDATOR = Draft202012Validator(TOOL)

TYPES: Mapping[str, str | Promise] = {
    "string": lazy("a text"),
    "array": lazy("a list"),
    "object": lazy("keys with values"),
    "integer": lazy("a whole number"),
    "number": lazy("a number"),
    "boolean": lazy("true or false"),
}


def faults(document: Any) -> list[str]:
    """A sentence for each fault; nothing twice, though several missing keys are several errors."""
    found: list[ValidationError] = list(VALIDATOR.iter_errors(document))
    in_order = sorted(found, key=lambda problem: [str(part) for part in problem.absolute_path])
    return list(dict.fromkeys(sentence for problem in in_order for sentence in in_words(problem)))


def in_words(problem: ValidationError) -> Iterator[str]:
    place = ".".join(str(part) for part in problem.absolute_path) or _("The file")
    tell = WORDS.get(str(problem.validator))
    rule, schema = cast(Any, problem.validator_value), cast(Any, problem.schema)
    texts = tell(problem.instance, rule, schema) if tell else [problem.message]
    return (f"{place}: {text}" for text in texts)


# Of each the value that was found, what the schema asks of it, and the schema around that.
def _missing(value: Any, rule: Any, _schema: Any) -> list[str]:
    return [_("“%(name)s” is missing.") % {"name": name} for name in rule if name not in value]


def _unknown(value: Any, _rule: Any, schema: Any) -> list[str]:
    known = schema["properties"]
    text = _("“%(name)s” is not known here. Known: %(known)s.")
    return [text % {"name": name, "known": ", ".join(known)} for name in value if name not in known]


def _type(value: Any, rule: Any, _schema: Any) -> list[str]:
    names = _(" or ").join(str(TYPES[name]) for name in (rule if isinstance(rule, list) else [rule]))
    return [_("%(value)s stands where %(wanted)s is needed.") % {"value": _short(value), "wanted": names}]


def _enum(value: Any, rule: Any, _schema: Any) -> list[str]:
    values = {"value": _short(value), "known": ", ".join(map(str, rule))}
    return [_("%(value)s is none of: %(known)s.") % values]


def _either(_value: Any, rule: Any, _schema: Any) -> list[str]:
    names = " / ".join(f"“{name}”" for choice in rule for name in choice["required"])
    return [_("One of these must stand here, and no other of them: %(names)s.") % {"names": names}]


def _pattern(value: Any, rule: Any, _schema: Any) -> list[str]:
    return [_("%(value)s is not of the form %(pattern)s.") % {"value": _short(value), "pattern": rule}]


def _least(value: Any, rule: Any, _schema: Any) -> list[str]:
    return [_("%(value)s is less than %(least)s.") % {"value": _short(value), "least": rule}]


def _most(value: Any, rule: Any, _schema: Any) -> list[str]:
    return [_("%(value)s is more than %(most)s.") % {"value": _short(value), "most": rule}]


def _empty(_value: Any, _rule: Any, _schema: Any) -> list[str]:
    return [_("Something must stand here.")]


def _short(value: Any) -> str:
    text = str(value)
    return f"“{text}”" if len(text) <= 60 else f"“{text[:59]}…”"


WORDS: Mapping[str, Callable[[Any, Any, Any], list[str]]] = {
    "required": _missing,
    "additionalProperties": _unknown,
    "type": _type,
    "enum": _enum,
    "oneOf": _either,
    "pattern": _pattern,
    "minimum": _least,
    "maximum": _most,
    "minLength": _empty,
    "minItems": _empty,
    "minProperties": _empty,
}
