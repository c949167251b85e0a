"""From claims to rights: pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from accounts.models import Level, Role

from .config import MATCHED, Rule, Rules

RANK = {Role.VIEWER: 0, Role.MEMBER: 1, Role.MANAGER: 2}


@dataclass(frozen=True)
class Granted:
    """What a person's claims give. None: the rules do not speak of it, so it stays what it is here."""

    admitted: bool = True
    level: Level | None = None
    operator: bool | None = None
    administrator: bool | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)  # by the project's id


def granted(rules: Rules, claims: Mapping[str, Any]) -> Granted:
    fitting = [rule for rule in rules.rules if fits(rule, claims)]
    return Granted(
        admitted=bool(fitting) or rules.admit != MATCHED,
        level=_level(rules, fitting),
        operator=_flag("operator", rules, fitting),
        administrator=_flag("administrator", rules, fitting),
        roles=_roles(fitting),
    )


def fits(rule: Rule, claims: Mapping[str, Any]) -> bool:
    pattern = ".*".join(re.escape(part) for part in rule.value.split("*"))
    return any(re.fullmatch(pattern, value, re.DOTALL) for value in values_of(claims, rule.claim))


def values_of(claims: Mapping[str, Any], name: str) -> Iterator[str]:
    """Of the claim with this very name, or of the one that the path leads to: ``realm_access.roles``."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    for value in found if isinstance(found, list) else [found]:
        if isinstance(value, bool):
            yield str(value).lower()
        elif isinstance(value, str | int):
            yield str(value)


def _level(rules: Rules, fitting: list[Rule]) -> Level | None:
    """The highest; the lowest for whom no rule names one, so that who lost an entitlement loses what it gave."""
    if not any(rule.level for rule in rules.rules):
        return None
    return max((Level[rule.level.upper()] for rule in fitting if rule.level), default=Level.BASIC)


def _flag(name: str, rules: Rules, fitting: list[Rule]) -> bool | None:
    if not any(getattr(rule, name) for rule in rules.rules):
        return None
    return any(getattr(rule, name) for rule in fitting)


def _roles(fitting: list[Rule]) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for rule in fitting:
        if rule.project:
            roles[rule.project] = max(Role(rule.role), roles.get(rule.project, Role.VIEWER), key=RANK.__getitem__)
    return roles
