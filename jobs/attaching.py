"""What may be attached to a deployment: whose storages, under which names; and datasets to fetch before it starts."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from django.db.models import Q
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.models import Project, User
from datacenters.storage import BadPath, clean_path

from . import homes
from .models import Storage
from .models.storages import StorageQuerySet
from .refusals import FieldError
from .requests import DatasetRequest, DeployRequest, StorageRequest

MOUNT, COPY = "mount", "copy"
MOST = 10  # of each a deployment
# A folder's name that is one in every system, and part of a variable's name.
TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
# A record of Zenodo or of another InvenioRDM, by the DOI that it gives: 10.5281/zenodo.1234567
DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:)?(10\.\d{4,9}/[a-z][a-z0-9-]*\.(\d{1,12}))", re.IGNORECASE)
SUMS = {"md5": 32, "sha256": 64}


def attachable(project: Project, owner: User) -> StorageQuerySet:
    """Those of the deployment's project, and the person's own: whoever works in the project reaches them there."""
    return Storage.objects.usable_by(owner).filter(Q(project=project) | Q(project__personal_of=owner))


def record_of(source: str) -> str:
    """The number of the record that a DOI names; empty if it is none."""
    found = DOI.fullmatch(source.strip())
    return found[2] if found else ""


def suggested_target(text: str) -> str:
    """A folder's name from a storage's name or a dataset's source."""
    record = record_of(text)
    plain = f"record-{record}" if record else slugify(urlsplit(text).path.rpartition("/")[2].partition(".")[0] or text)
    return plain.strip("-_")[:40] or "data"


# ── Checks ───────────────────────────────────────────────────────────────────────────────────────
def errors(request: DeployRequest, project: Project, owner: User) -> Iterator[FieldError]:
    known = {str(row.pk): row for row in attachable(project, owner)} if request.storages else {}
    for index, storage in enumerate(request.storages):
        where = f"#/storages/{index}"
        if storage.storage not in known:
            text = _("This is no storage of the project or of your own.")
            yield FieldError(f"{where}/storage", text)
        elif not storage.read_only and (full := homes.why_not_write(known[storage.storage])):
            yield FieldError(f"{where}/storage", full)
        yield from _storage_errors(storage, where)
    for index, dataset in enumerate(request.datasets):
        yield from _dataset_errors(dataset, f"#/datasets/{index}", request.storages)
    yield from _too_many(request)
    yield from _twice("storages", [one.target for one in request.storages])
    yield from _twice("datasets", [one.target for one in request.datasets])


def _storage_errors(storage: StorageRequest, where: str) -> Iterator[FieldError]:
    if not TARGET.fullmatch(storage.target):
        yield FieldError(f"{where}/target", _("Letters, digits, - and _, at most 40; a letter or digit first."))
    if storage.mode not in (MOUNT, COPY):
        yield FieldError(f"{where}/mode", _("“mount” or “copy”."))
    try:
        clean_path(storage.path)
    except BadPath as error:
        yield FieldError(f"{where}/path", str(error))


def _dataset_errors(dataset: DatasetRequest, where: str, storages: Iterable[StorageRequest]) -> Iterator[FieldError]:
    if not record_of(dataset.source) and (problem := _why_no_address(dataset.source)):
        yield FieldError(f"{where}/source", problem)
    if dataset.checksum and not is_sum(dataset.checksum):
        yield FieldError(f"{where}/checksum", _("“md5:” or “sha256:” and the digits of the sum."))
    if dataset.checksum and record_of(dataset.source):
        yield FieldError(f"{where}/checksum", _("Leave it empty: a record tells the sums of its files itself."))
    first, *rest = dataset.target.split("/")
    if not all(TARGET.fullmatch(name) for name in (first, *rest)) or len(rest) > 5:
        yield FieldError(f"{where}/target", _("Names of letters, digits, - and _, with / between folders."))
    into = next((one for one in storages if one.target == first), None)
    if rest and into is None:
        yield FieldError(f"{where}/target", _("No storage is attached as “%(name)s”.") % {"name": first})
    if into and into.read_only:
        yield FieldError(f"{where}/target", _("The storage “%(name)s” is attached read-only.") % {"name": first})
    if into and not rest:
        yield FieldError(f"{where}/target", _("Name a folder in it: %(name)s/data.") % {"name": first})


def _why_no_address(source: str) -> str:
    try:
        parts = urlsplit(source)
        fine = parts.scheme in ("http", "https") and parts.hostname and source.isprintable() and " " not in source
        fine = fine and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        return _("A DOI such as 10.5281/zenodo.1234567, or an address that begins with https://.")
    if parts.username or parts.password:
        return _("Leave user and password out of the address: everybody in the project could read them.")
    return ""


def is_sum(text: str) -> bool:
    kind, _colon, digits = text.partition(":")
    return len(digits) == SUMS.get(kind) and bool(re.fullmatch(r"[0-9a-f]+", digits))


def _too_many(request: DeployRequest) -> Iterator[FieldError]:
    for name, given in (("storages", request.storages), ("datasets", request.datasets)):
        if len(given) > MOST:
            yield FieldError(f"#/{name}", _("At most %(most)d.") % {"most": MOST})


def _twice(name: str, targets: list[str]) -> Iterator[FieldError]:
    """Some systems tell no large from small letters."""
    seen = [target.lower() for target in targets]
    for index, target in enumerate(seen):
        if target in seen[:index]:
            yield FieldError(f"#/{name}/{index}/target", _("Another one has this folder. Choose another name."))
