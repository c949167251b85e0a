"""A place for files as rclone is told of it, and paths that stay inside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from .failures import BadPath

NAME = "STORAGE"  # what rclone calls it, where there is only one
LONGEST_PATH, LONGEST_NAME = 2_000, 255


@dataclass(frozen=True)
class Remote:
    """One storage with the login to it. Passwords are obscured as ``obscured`` gives them, which rclone demands
    and which protects nothing: treat them as clear text."""

    kind: str  # rclone's backend: webdav, s3 or sftp
    options: Mapping[str, str]  # by rclone's names, none of them secret
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    root: str = ""  # the folder there that everything lies in; of S3 the bucket
    is_ours: bool = False  # Serai's own store: the one address of this machine that may be reached

    def at(self, path: str = "", *, name: str = NAME) -> str:
        """``STORAGE:root/path``, as rclone's commands take it. Raises BadPath."""
        inside = clean_path(path)
        root = self.root.rstrip("/") if self.root != "/" else "/"
        between = "/" if root and inside and root != "/" else ""
        return f"{name}:{root}{between}{inside}"


def environment(remote: Remote, name: str = NAME) -> dict[str, str]:
    """What rclone reads instead of a configuration file: secrets stand in no file and on no command line."""
    values = {"type": remote.kind, **remote.options, **remote.secrets}
    return {f"RCLONE_CONFIG_{name}_{option.upper()}": value for option, value in values.items()}


def clean_path(path: str) -> str:
    """The path without slashes at its ends. Raises BadPath for what rclone would resolve to somewhere else."""
    inside = path.strip("/")
    for name in inside.split("/") if inside else ():
        _check_name(name)
    if len(inside.encode(errors="surrogatepass")) > LONGEST_PATH:
        raise BadPath(_("This path is too long."))
    return inside


def clean_name(name: str) -> str:
    """The name of one file or folder. Raises BadPath."""
    if "/" in name:
        raise BadPath(_("A name holds no slash."))
    _check_name(name)
    return name


def _check_name(name: str) -> None:
    if name in ("", ".", ".."):
        raise BadPath(_("A path holds no empty name, “.” or “..”."))
    if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise BadPath(_("A name holds no null character and no half of a surrogate pair."))
    if len(name.encode()) > LONGEST_NAME:
        raise BadPath(_("A name has at most %(most)d bytes.") % {"most": LONGEST_NAME})
