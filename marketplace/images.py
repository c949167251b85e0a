"""Container images as people write them: a bare owner/name, with a tag, with a registry, as a web address."""

import re
from dataclasses import dataclass

PREFIXES = re.compile(r"^(docker://|https?://(www\.)?hub\.docker\.com/(r/|repository/docker/)|https?://)")
PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
IMAGE = re.compile(
    rf"""
    ^(?:(?P<registry>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?|localhost(?::\d+)?)/)?
    (?P<repository>{PART}(?:/{PART})*)
    (?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}))?
    (?:@(?P<digest>sha256:[0-9a-f]{{64}}))?$
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Image:
    repository: str
    registry: str = ""  # empty: Docker Hub
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        host = f"{self.registry}/" if self.registry else ""
        return f"{host}{self.repository}{f':{self.tag}' if self.tag else ''}{f'@{self.digest}' if self.digest else ''}"

    @property
    def page(self) -> str:
        """Where people read about it; empty if only its registry knows."""
        if self.registry not in ("", "docker.io"):
            return ""
        path = f"r/{self.repository}" if "/" in self.repository else f"_/{self.repository}"
        return f"https://hub.docker.com/{path}"


def parse(text: str) -> Image | None:
    match = IMAGE.match(PREFIXES.sub("", text.strip()).rstrip("/")) if len(text) <= 300 else None
    if not match:
        return None
    return Image(
        repository=match["repository"],
        registry=match["registry"] or "",
        tag=match["tag"] or "",
        digest=match["digest"] or "",
    )
