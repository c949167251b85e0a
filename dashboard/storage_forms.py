"""Forms that link and change storages, one a kind; pages show them, REST fills them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import WORKING, Project, User
from accounts.network import Forbidden, public_host, public_target
from datacenters.storage import BadPath, NotThere, StorageProblem, WrongCredentials, clean_path
from jobs import storages
from jobs.models import Storage, StorageKind
from jobs.refusals import NotPossibleNow

LONGEST_KEY = 20_000


def _secret(label: Any, **more: Any) -> forms.CharField:
    """Never shown again; a password may begin and end with spaces."""
    attrs = {"autocomplete": "new-password", "spellcheck": "false"}
    return forms.CharField(
        label=label, required=False, max_length=1_000, strip=False, widget=forms.PasswordInput(attrs=attrs), **more
    )


def _text(label: Any, **more: Any) -> forms.CharField:
    attrs = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
    return forms.CharField(label=label, max_length=500, widget=forms.TextInput(attrs=attrs), **more)


class NameForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=60)


class StorageForm(NameForm):
    """What all kinds have. ``ADDRESS`` and ``SECRETS``: rclone's name of each field."""

    KIND: StorageKind
    ADDRESS: Mapping[str, str]
    SECRETS: Mapping[str, str]
    PLACE = "url"  # the field that says which machine

    project = forms.ChoiceField(label=gettext_lazy("Project"))

    def __init__(self, data: Any = None, *, owner: User, storage: Storage | None = None, initial: Any = None) -> None:
        self.owner, self.storage = owner, storage
        super().__init__(data, initial=(initial or {}) | (self._values_of(storage) if storage else {}))
        if storage:
            del self.fields["project"]
            for name in self.SECRETS:
                self.fields[name].help_text = _("Empty: as it is.")
        else:
            open_projects = Project.objects.of(owner, *WORKING)
            self.fields["project"].choices = [(row.slug, str(row)) for row in open_projects]  # type: ignore[attr-defined]

    @classmethod
    def _values_of(cls, storage: Storage) -> dict[str, Any]:
        known = {name: storage.address.get(option, "") for name, option in cls.ADDRESS.items()}
        return {"name": storage.name, **known}

    def address(self) -> dict[str, str]:
        return {option: str(self.cleaned_data.get(name) or "") for name, option in self.ADDRESS.items()}

    def secret(self) -> dict[str, str]:
        return {option: self.cleaned_data.get(name) or "" for name, option in self.SECRETS.items()}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            moved = self.storage is None or storages.goes_elsewhere(self.storage, self.address())
            if moved:
                self._check_place()
                self._check_secret()
        return cleaned

    def clean_folder(self) -> str:
        return self._clean_root("folder")

    def _clean_root(self, name: str) -> str:
        given = str(self.cleaned_data[name]).strip()
        try:
            inside = clean_path(given)
        except BadPath as why:
            raise forms.ValidationError(str(why)) from None
        return f"/{inside}" if given.startswith("/") and self.KIND == StorageKind.SFTP else inside

    def _check_place(self) -> None:
        """A sentence at the field; datacenters/storage/guard.py looks again at each connection."""
        try:
            self._resolve()
        except Forbidden as why:
            self.add_error(self.PLACE, str(why))

    def _resolve(self) -> None:
        if url := self.cleaned_data.get(self.PLACE):
            if "@" in urlsplit(url).netloc:
                raise Forbidden(_("Leave user and password out of the address: they have fields of their own."))
            public_target(url)

    def _check_secret(self) -> None:
        if self.needs_secret() and not any(self.secret().values()):
            said = _("The address changed: enter the secret again.") if self.storage else _("This is needed.")
            self.add_error(next(iter(self.SECRETS)), said)

    def needs_secret(self) -> bool:
        return True

    def keep(self) -> Storage | None:
        """Link or change it. None: the storage did not answer, and the form says why."""
        try:
            return self._kept()
        except WrongCredentials as why:
            self.add_error(next(iter(self.SECRETS)), str(why))
        except NotThere:
            self.add_error(self._root_field(), _("There is no such folder or bucket."))
        except StorageProblem as why:
            self.add_error(self.PLACE, str(why))
        except NotPossibleNow as why:
            self.add_error("name", str(why))
        return None

    def _kept(self) -> Storage:
        name, parts = self.cleaned_data["name"], {"address": self.address(), "secret": self.secret()}
        if self.storage:
            storages.change_storage(self.storage, self.owner, name=name, **parts)
            return self.storage
        project = Project.objects.get(slug=self.cleaned_data["project"])
        return storages.link_storage(self.owner, project, kind=self.KIND, name=name, **parts)

    def _root_field(self) -> str:
        return next(name for name, option in self.ADDRESS.items() if option == storages.ROOT)


class WebdavForm(StorageForm):
    KIND = StorageKind.WEBDAV
    ADDRESS = {"url": "url", "vendor": "vendor", "user": "user", "folder": storages.ROOT}
    SECRETS = {"password": "pass", "token": "bearer_token"}

    vendor = forms.ChoiceField(
        label=gettext_lazy("Server"),
        choices=[
            ("nextcloud", "Nextcloud"),
            ("owncloud", "ownCloud"),
            ("other", gettext_lazy("another WebDAV server")),
        ],
        initial="nextcloud",
    )
    url = _text(
        gettext_lazy("Address"),
        help_text=gettext_lazy(
            "Of Nextcloud: Settings of Files, WebDAV; it ends in /remote.php/dav/files/ and your name there."
        ),
    )
    user = _text(gettext_lazy("User name"), required=False)
    password = _secret(
        gettext_lazy("Password"),
        help_text=gettext_lazy("Best an app password, which you can take back: Settings, Security."),
    )
    token = _secret(gettext_lazy("Token"), help_text=gettext_lazy("Where the server takes a token, and no password."))
    folder = _text(
        gettext_lazy("Folder"), required=False, help_text=gettext_lazy("It begins there. Empty: everything.")
    )
    field_order = ["project", "name", "vendor", "url", "user", "password", "token", "folder"]

    def needs_secret(self) -> bool:
        return bool(self.cleaned_data.get("user"))


class S3Form(StorageForm):
    KIND = StorageKind.S3
    PLACE = "endpoint"
    ADDRESS = {
        "endpoint": "endpoint",
        "region": "region",
        "bucket": storages.ROOT,
        "access_key": "access_key_id",
    }
    SECRETS = {"secret_key": "secret_access_key"}

    endpoint = _text(
        gettext_lazy("Address"), required=False, help_text=gettext_lazy("As https://s3.example.org. Empty: Amazon's.")
    )
    region = _text(gettext_lazy("Region"), required=False)
    bucket = _text(
        gettext_lazy("Bucket"), help_text=gettext_lazy("Its name, and after a slash a folder in it if you like.")
    )
    access_key = _text(gettext_lazy("Access key"))
    secret_key = _secret(gettext_lazy("Secret key"))
    field_order = ["project", "name", "endpoint", "region", "bucket", "access_key", "secret_key"]

    def clean_bucket(self) -> str:
        return self._clean_root("bucket")

    def address(self) -> dict[str, str]:
        given = super().address()
        return {**given, "provider": "Other" if given["endpoint"] else "AWS"}


class SftpForm(StorageForm):
    KIND = StorageKind.SFTP
    PLACE = "host"
    ADDRESS = {"host": "host", "port": "port", "user": "user", "folder": storages.ROOT}
    SECRETS = {"password": "pass", "key": "key_pem", "key_password": "key_file_pass"}

    host = _text(gettext_lazy("Host"))
    port = forms.IntegerField(label=gettext_lazy("Port"), min_value=1, max_value=65_535, initial=22)
    user = _text(gettext_lazy("User name"))
    password = _secret(gettext_lazy("Password"))
    key = forms.CharField(
        label=gettext_lazy("Private key"),
        required=False,
        max_length=LONGEST_KEY,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("Instead of a password; begins with -----BEGIN."),
    )
    key_password = _secret(gettext_lazy("Password of the key"))
    folder = _text(
        gettext_lazy("Folder"),
        required=False,
        help_text=gettext_lazy("It begins there; with a slash before it from the server's root, else from your home."),
    )
    field_order = ["project", "name", "host", "port", "user", "password", "key", "key_password", "folder"]

    def _resolve(self) -> None:
        public_host(self.cleaned_data["host"], self.cleaned_data["port"])

    def clean_host(self) -> str:
        host = str(self.cleaned_data["host"]).strip()
        if set(host) & set("/@ ") or host.startswith("-"):
            raise forms.ValidationError(_("A host name or address is wanted here, as sftp.example.org."))
        return host

    def clean_key(self) -> str:
        key = str(self.cleaned_data["key"])
        if key and "-----BEGIN" not in key:
            raise forms.ValidationError(_("This is no private key: it begins with -----BEGIN."))
        return key


FORMS: Mapping[str, type[StorageForm]] = {form.KIND: form for form in (WebdavForm, S3Form, SftpForm)}


class HomeForm(NameForm):
    """A home has a name and nothing else that people choose."""

    def __init__(self, data: Any = None, *, owner: User, storage: Storage) -> None:
        self.owner, self.storage = owner, storage
        super().__init__(data, initial={"name": storage.name})

    def keep(self) -> Storage | None:
        try:
            storages.change_storage(self.storage, self.owner, name=self.cleaned_data["name"], address={}, secret={})
        except NotPossibleNow as why:
            self.add_error("name", str(why))
            return None
        return self.storage


def form_of(storage: Storage, data: Any, owner: User) -> StorageForm | HomeForm:
    if storage.kind == StorageKind.HOME:
        return HomeForm(data, owner=owner, storage=storage)
    return FORMS[storage.kind](data, owner=owner, storage=storage)
