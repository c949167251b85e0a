"""The providers that an operator named, and the rules by which their claims become rights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from django.core.exceptions import ImproperlyConfigured

LEVELS, ROLES = ("basic", "intermediate", "advanced"), ("viewer", "member", "manager")
EVERYBODY, MATCHED = ADMITTED = ("everybody", "matched")
ON_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
LONGEST_ISSUER = 200  # allauth's column
SCOPES = "openid,profile,email"
KEYS_OF_PROVIDER = {"id", "name", "issuer", "client_id", "client_secret_file", "scopes", "admit", "rules"}
KEYS_OF_RULE = {"claim", "value", "level", "operator", "administrator", "project", "role"}


@dataclass(frozen=True)
class Rule:
    """Whoever has this value in this claim gets these rights; a ``*`` in the value stands for anything."""

    claim: str
    value: str
    level: str = ""
    operator: bool = False
    administrator: bool = False
    project: str = ""
    role: str = "member"


@dataclass(frozen=True)
class Rules:
    admit: str = EVERYBODY  # or MATCHED: only those whom a rule fits may come in
    rules: tuple[Rule, ...] = ()

    @property
    def projects(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.project for rule in self.rules if rule.project))


@dataclass(frozen=True)
class Identity:
    """A provider of identities. ``issuer`` with a person's subject there is who somebody is, for ever."""

    id: str  # in our addresses
    name: str
    issuer: str
    client_id: str
    secret_file: str = ""  # none: a public client, which PKCE protects
    scopes: tuple[str, ...] = tuple(SCOPES.split(","))
    rules: Rules = Rules()

    @property
    def secret(self) -> str:
        return _text_of(self.secret_file, self.name).strip() if self.secret_file else ""

    @property
    def host(self) -> str:
        return urlsplit(self.issuer).hostname or ""

    @property
    def is_plain_http(self) -> bool:
        """Only on this very machine, for trials."""
        return self.issuer.startswith("http://")


def one(
    issuer: str, *, client_id: str, name: str = "", secret_file: str = "", scopes: Sequence[str], rules_file: str = ""
) -> tuple[Identity, ...]:
    """The single provider that is named by values; its rules lie in a file of their own."""
    written = _yaml(rules_file, "SERAI_OIDC_RULES") if rules_file else {}
    if not isinstance(written, Mapping) or set(written) - {"admit", "rules"}:
        raise ImproperlyConfigured(f"{rules_file}: it takes the keys admit and rules.")
    identity = Identity(
        id="oidc",
        name=name or urlsplit(issuer).hostname or "",
        issuer=issuer,
        client_id=client_id,
        secret_file=secret_file,
        scopes=tuple(scopes),
        rules=_rules(written, rules_file),
    )
    _check(identity)
    return (identity,)


def several(file: str) -> tuple[Identity, ...]:
    """Those that a file lists."""
    found = _of_file(file)
    for identity in found:
        _check(identity)
    if len({identity.id for identity in found}) < len(found) or len({identity.issuer for identity in found}) < len(
        found
    ):
        raise ImproperlyConfigured(f"{file}: two providers have the same id or issuer.")
    return found


def _of_file(file: str) -> tuple[Identity, ...]:
    entries = _yaml(file, "SERAI_OIDC_PROVIDERS")
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ImproperlyConfigured(f"{file}: it takes a list of providers.")
    return tuple(_of_entry(entry, file) for entry in entries)


def _of_entry(entry: Mapping[str, Any], file: str) -> Identity:
    _only(entry, KEYS_OF_PROVIDER, file)
    for key in ("id", "issuer", "client_id"):
        if not isinstance(entry.get(key), str):
            raise ImproperlyConfigured(f"{file}: each provider needs a text as its {key}.")
    scopes = entry.get("scopes", SCOPES.split(","))
    if not isinstance(scopes, list):
        raise ImproperlyConfigured(f"{file}: scopes takes a list.")
    return Identity(
        id=entry["id"],
        name=str(entry.get("name", entry["id"])),
        issuer=entry["issuer"].rstrip("/"),
        client_id=entry["client_id"],
        secret_file=str(entry.get("client_secret_file", "")),
        scopes=tuple(map(str, scopes)),
        rules=_rules(entry, file),
    )


def _rules(written: Mapping[str, Any], file: str) -> Rules:
    admit, rules = written.get("admit", EVERYBODY), written.get("rules", [])
    if admit not in ADMITTED:
        raise ImproperlyConfigured(f"{file}: admit takes {' or '.join(ADMITTED)}, not {admit!r}.")
    if not isinstance(rules, list) or not all(isinstance(rule, Mapping) for rule in rules):
        raise ImproperlyConfigured(f"{file}: rules takes a list of rules.")
    return Rules(admit, tuple(_rule(rule, file) for rule in rules))


def _rule(written: Mapping[str, Any], file: str) -> Rule:
    _only(written, KEYS_OF_RULE, file)
    rule = Rule(**{str(key): value for key, value in written.items()}) if {"claim", "value"} <= set(written) else None
    if rule is None or not _texts(rule):
        raise ImproperlyConfigured(f"{file}: each rule needs a claim and a value, both texts: {dict(written)}.")
    _one_of(rule.level, ("", *LEVELS), "level", file)
    _one_of(rule.role, ROLES, "role", file)
    if not isinstance(rule.operator, bool) or not isinstance(rule.administrator, bool):
        raise ImproperlyConfigured(f"{file}: operator and administrator take true or false.")
    return rule


def _texts(rule: Rule) -> bool:
    return all(isinstance(text, str) for text in (rule.claim, rule.value, rule.level, rule.project, rule.role))


def _only(written: Mapping[str, Any], known: set[str], file: str) -> None:
    if unknown := set(map(str, written)) - known:
        raise ImproperlyConfigured(
            f"{file}: {', '.join(sorted(unknown))} is no key. Known: {', '.join(sorted(known))}."
        )


def _one_of(value: str, choices: Sequence[str], key: str, file: str) -> None:
    if value not in choices:
        raise ImproperlyConfigured(f"{file}: {key} takes {', '.join(filter(None, choices))}, not {value!r}.")


def _check(identity: Identity) -> None:
    parts = urlsplit(identity.issuer)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ON_THIS_MACHINE):
        raise ImproperlyConfigured(f"The issuer of {identity.name} must begin with https://.")
    if not parts.hostname or len(identity.issuer) > LONGEST_ISSUER:
        raise ImproperlyConfigured(f"The issuer of {identity.name} is no address, or is longer than 200 characters.")
    if not identity.id.replace("-", "").isalnum() or not identity.id.isascii():
        raise ImproperlyConfigured(f"The id {identity.id!r} of a provider takes letters, digits and hyphens.")
    if not identity.client_id:
        raise ImproperlyConfigured(
            f"{identity.name} needs the client id that it knows Serai by (SERAI_OIDC_CLIENT_ID)."
        )
    if "openid" not in identity.scopes:
        raise ImproperlyConfigured(f"The scopes of {identity.name} must hold openid.")
    if identity.secret_file and not identity.secret:
        raise ImproperlyConfigured(f"The secret file of {identity.name} is empty: {identity.secret_file}.")


def _yaml(file: str, variable: str) -> Any:
    try:
        return yaml.safe_load(_text_of(file, variable))
    except yaml.YAMLError as error:
        raise ImproperlyConfigured(f"{file} is no YAML: {error}.") from None


def _text_of(file: str, whose: str) -> str:
    try:
        return Path(file).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"The file of {whose} cannot be read: {file} ({error}).") from None
