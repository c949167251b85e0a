"""The one form by which things are deployed: the page shows it, REST fills it, JSON Schema describes it.

Each field knows the JSON pointer of its value in ``POST deployments``, so that an error reaches its
place in a page and in a problem document alike.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import WORKING, Capability, Project, User
from dashboard import attachment_fields, batch_fields, lifetime_fields
from dashboard.argument_fields import ArgumentField
from dashboard.form_bodies import ARGUMENT, OPTION, RESOURCES, SWEPT, asked_asset, fields_of, no_asset, pointer_of
from dashboard.place_fields import NAMES as PLACE_NAMES
from dashboard.place_fields import PlaceForm
from dashboard.queues import with_queue
from datacenters.capacity import Capacity
from datacenters.jobspec import JobKind
from jobs import options, placement, planning, refusals, tools
from jobs.deepaas import document
from jobs.deepaas.document import Argument
from jobs.models import DeploymentKind
from jobs.places import places_for
from jobs.requests import DeployRequest, ResourceRequest
from marketplace.models import Asset

# What a small service or training takes when its author says nothing.
DEFAULTS = {"cpu_cores": 1.0, "memory_mb": 2_000, "disk_mb": 2_000, "gpus": 0}
# Field of ours <- key of the metadata's ``resources``.
ASKED = {
    "cpu_cores": "cpu",
    "memory_mb": "memory_MB",
    "disk_mb": "storage_MB",
    "gpus": "gpu",
    "gpu_memory_mb": "gpu_memory_MB",
    "gpu_compute_capability": "gpu_compute_capability",
}


@dataclass(frozen=True)
class Limit:
    """The most that any node has of one thing, even when it is empty, and where."""

    most: float
    datacenter: str


class DeployForm(PlaceForm):
    title = forms.CharField(label=gettext_lazy("Title"), max_length=100, required=False)
    project = forms.ChoiceField(label=gettext_lazy("Project"), required=False)
    cpu_cores = forms.FloatField(
        label=gettext_lazy("CPU cores"),
        min_value=0.1,
        required=False,
        help_text=gettext_lazy("Parts of a core are fine."),
    )
    memory_mb = forms.IntegerField(label=gettext_lazy("Memory (MB)"), min_value=100, required=False)
    disk_mb = forms.IntegerField(label=gettext_lazy("Disk (MB)"), min_value=100, required=False)
    gpus = forms.IntegerField(label=gettext_lazy("GPUs"), min_value=0, max_value=16, required=False)
    gpu_model = forms.CharField(label=gettext_lazy("GPU model"), max_length=100, required=False)
    gpu_vendor = forms.CharField(label=gettext_lazy("GPU vendor"), max_length=60, required=False)
    gpu_memory_mb = forms.IntegerField(label=gettext_lazy("GPU memory, at least (MB)"), min_value=0, required=False)
    gpu_compute_capability = forms.FloatField(
        label=gettext_lazy("CUDA compute capability, at least"), min_value=0, max_value=99, required=False
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        owner: User,
        asset: Asset | None,
        kind: str = DeploymentKind.SERVICE,
        initial: Mapping[str, Any] | None = None,
        unknown: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.owner, self.asset, self.kind = owner, asset, kind
        self._unknown = list(unknown)
        self._offer_places()
        self._ask_at_least()
        for name, field in (*self._option_fields(), *self._argument_fields(), *self._fields_of_kind()):
            self.fields[name] = field
        self.fields.update(self._attachment_fields(list(data if data is not None else self.initial)))
        for name, value in self.suggested().items():
            self.fields[name].initial = value

    # ── Made from the module and the site ────────────────────────────────────────────────────────
    @cached_property
    def capacities(self) -> tuple[Capacity, ...]:
        return places_for(self.owner)

    @cached_property
    def projects(self) -> list[Project]:
        return list(Project.objects.of(self.owner, *WORKING))

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """What the module's ``train`` takes; none for a service, or when its document is not known."""
        if self.kind != DeploymentKind.BATCH or self.asset is None or not self.asset.api_document:
            return ()
        operation = document.parse(self.asset.api_document).train
        return operation.arguments if operation else ()

    def suggested(self) -> dict[str, Any]:
        """Sane values: the author's, else small ones, within what the largest node has."""
        values: dict[str, Any] = dict(DEFAULTS)
        if self.asset is not None:
            values |= _suggested_by_author(self.asset, self.kind)
            values["title"] = self.asset.title[:100]
        if self.kind == DeploymentKind.SERVICE:
            values |= lifetime_fields.suggested(self.asset)
        values["project"] = self.projects[0].slug if self.projects else ""
        return values

    def limits(self) -> dict[str, Limit]:
        """The largest of each resource that one node has, for the help beside the fields."""
        measures: dict[str, Callable[[Any], float]] = {
            "cpu_cores": lambda node: node.cpu_cores,
            "memory_mb": lambda node: node.memory_mb,
            "disk_mb": lambda node: node.disk_mb,
            "gpus": lambda node: max((device.total for device in node.devices), default=0),
        }
        nodes = [(capacity.title, node) for capacity in self.capacities for node in capacity.nodes]
        return {
            name: max((Limit(measure(node), title) for title, node in nodes), key=lambda limit: limit.most)
            for name, measure in measures.items()
            if nodes
        }

    def _offer_places(self) -> None:
        names = [(capacity.name, capacity.title) for capacity in self.capacities]
        self._choices("project", [(project.slug, project.name) for project in self.projects])
        self._choices("datacenter", [("", _("wherever it fits best")), *names])
        self._choices("prefer", names)
        self._choices("exclude", names)

    def _ask_at_least(self) -> None:
        """A tool says below what it does not work."""
        tool = tools.tool_of(self.asset)
        for name, least in tool.least.items() if tool else ():
            field = self.fields[name]
            assert isinstance(field, forms.IntegerField)
            field.min_value = field.widget.attrs["min"] = least  # type: ignore[assignment]
            field.validators.append(MinValueValidator(least))

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices
        known = ", ".join(value for value, _title in choices if value) or _("none")
        field.error_messages["invalid_choice"] = _("“%%(value)s” is not known here. Known: %(known)s.") % {
            "known": known
        }

    def _option_fields(self) -> Iterator[tuple[str, forms.Field]]:
        for option in options.options_of(self.asset, self.kind) if self.asset else ():
            if self.owner.can(option.needs):
                yield OPTION + option.name, option.field()

    def _argument_fields(self) -> Iterator[tuple[str, forms.Field]]:
        for argument in self.arguments:
            yield ARGUMENT + argument.name, ArgumentField(argument)

    def _fields_of_kind(self) -> Iterator[tuple[str, forms.Field]]:
        if self.kind == DeploymentKind.BATCH:
            yield from batch_fields.fields(tools.tool_of(self.asset)).items()
        else:
            yield from lifetime_fields.fields(self.asset)

    def _attachment_fields(self, names: list[str]) -> dict[str, forms.Field]:
        """Rows for what was sent; at least an empty one in a page that is shown for the first time."""
        least, another = 0 if self.is_bound else 1, str(self.initial.get("add", ""))
        fields = attachment_fields.fields
        return dict(fields(names, owner=self.owner, capacities=self.capacities, least=least, another=another))

    # ── Filled by REST ───────────────────────────────────────────────────────────────────────────
    @classmethod
    def from_api(cls, body: Mapping[str, Any], *, owner: User) -> Self:
        """The form filled with the body of ``POST deployments`` as its schema gives it."""
        asset = asked_asset(body)
        kind = body["kind"] or tools.kind_of(asset)
        given = fields_of(body)
        rows = {name: value for name, value in given.items() if attachment_fields.is_ours(name)}
        blank = cls(owner=owner, asset=asset, kind=kind, initial=rows)
        unknown = [(pointer_of(name), blank.unknown_field(name)) for name in given if name not in blank.fields]
        if given.get("script") == "" and batch_fields.may_be_left_out(blank.fields):  # a page sends an empty one
            unknown.append((pointer_of("script"), batch_fields.empty()))
        if asset is None:
            unknown.insert(0, no_asset(body))
        data = blank.initial_data() | {name: value for name, value in given.items() if name in blank.fields}
        return cls(data, owner=owner, asset=asset, kind=kind, unknown=unknown)

    def initial_data(self) -> dict[str, Any]:
        """Every field's own default, as if the page's form had been sent untouched."""
        return {name: self.get_initial_for_field(field, name) for name, field in self.fields.items()}

    def untouched(self) -> Self:
        return type(self)(self.initial_data(), owner=self.owner, asset=self.asset, kind=self.kind)

    def unknown_field(self, name: str) -> str:
        if name in batch_fields.NAMES and self.kind == DeploymentKind.BATCH:
            return _("This tool takes no script.")
        if name in batch_fields.NAMES:
            return _("Only a batch run (kind “batch”) takes this.")
        if name in lifetime_fields.NAMES:
            return _("Only a service takes this.")
        group = next((prefix for prefix in (OPTION, ARGUMENT, SWEPT) if name.startswith(prefix)), "")
        known = [field.removeprefix(group) for field in self.fields if group and field.startswith(group)]
        return _("No such value is taken here. Taken: %(known)s.") % {"known": ", ".join(known) or _("none")}

    # ── Checked ──────────────────────────────────────────────────────────────────────────────────
    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name, default in self.suggested().items():
            if values.get(name) in (None, "") and name not in self.errors:
                values[name] = default
        values |= lifetime_fields.complete(values)
        for name, problem in lifetime_fields.problems(values):
            self.add_error(name, problem)
        if self.kind == DeploymentKind.BATCH and not self.owner.can(Capability.TRAIN):
            self.add_error(None, _("Your account may use modules, not train them. Ask an administrator for more."))
        if not values.get("gpus") and any(values.get(name) for name in RESOURCES[4:]) and not self._asked_by_author():
            self.add_error("gpus", _("Ask for at least one GPU, or leave the GPU's model and memory empty."))
        for field_name, text in attachment_fields.errors(values, self.fields):
            self.add_error(None if field_name in self.errors else field_name, text)
        return values

    def _asked_by_author(self) -> bool:
        """The author's wishes for a GPU mean nothing to somebody who takes none."""
        return not any(name in self.data and self.data[name] not in ("", None, 0) for name in RESOURCES[4:6])

    def problems(self) -> list[tuple[str, str]]:
        """(pointer, sentence) for everything that is wrong."""
        fields = [(pointer_of(name), str(text)) for name, texts in self.errors.items() for text in texts]
        return self._unknown + fields

    def is_valid(self) -> bool:
        return super().is_valid() and not self._unknown

    def refuse(self, errors: Sequence[refusals.FieldError]) -> None:
        """Take over what the service refused, each sentence at its field."""
        names = {pointer_of(name): name for name in self.fields}
        for error in errors:
            self.add_error(names.get(error.pointer), ValidationError(error.detail))

    def deploy_request(self) -> DeployRequest:
        values = self.cleaned_data
        assert self.asset is not None
        return DeployRequest(
            asset=self.asset.slug,
            title=values["title"],
            project=values["project"],
            kind=JobKind(self.kind),
            resources=self._resources(),
            options=self._prefixed(OPTION),
            arguments=self._prefixed(ARGUMENT),
            **batch_fields.request_values(values),
            **attachment_fields.requests(values, self.fields),
            idle_stop_minutes=values.get("idle_stop_minutes") or None,
            datacenter=values["datacenter"] or None,
            prefer=tuple(values["prefer"]),
            exclude=tuple(values["exclude"]),
            max_wait_seconds=values["max_wait"],
            favour=values["favour"],
        )

    def _resources(self) -> ResourceRequest:
        values = {name: self.cleaned_data.get(name) for name in RESOURCES}
        if not values["gpus"]:
            values = {name: value for name, value in values.items() if not name.startswith("gpu")}
        return ResourceRequest(**{name: value for name, value in values.items() if value not in (None, "")})

    def _prefixed(self, prefix: str) -> dict[str, Any]:
        return {
            name.removeprefix(prefix): value
            for name, value in self.cleaned_data.items()
            if name.startswith(prefix) and value is not None
        }

    # ── Shown ────────────────────────────────────────────────────────────────────────────────────
    def group(self, prefix: str) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(prefix)]

    @property
    def option_fields(self) -> list[forms.BoundField]:
        return [field for field in self.group(OPTION) if field not in self.more_option_fields]

    @cached_property
    def more_option_fields(self) -> list[forms.BoundField]:
        """Those that few people need."""
        offered = options.options_of(self.asset, self.kind) if self.asset else ()
        return [self[OPTION + option.name] for option in offered if option.more and OPTION + option.name in self.fields]

    @property
    def argument_fields(self) -> list[forms.BoundField]:
        return self.group(ARGUMENT)

    @property
    def resource_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in RESOURCES[:3]]

    @property
    def gpu_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in RESOURCES[3:]]

    @property
    def batch_fields(self) -> list[forms.BoundField]:
        """How long it may run and how often; the script has a place of its own. A service ends by other rules."""
        names = batch_fields.NAMES[1:] if self.kind == DeploymentKind.BATCH else ()
        return [self[name] for name in names if name in self.fields]

    @property
    def lifetime_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in lifetime_fields.NAMES if name in self.fields and not self.batch_fields]

    @property
    def attaches(self) -> bool:
        """Whether a row says something, or something is wrong with one."""
        rows = [field for group in attachment_fields.KEYS for row in self._rows(group) for field in row]
        keys = tuple(attachment_fields.KEYS.values())
        return any(field.errors or (field.name.endswith(keys) and field.value()) for field in rows)

    @property
    def storage_rows(self) -> list[list[forms.BoundField]]:
        return self._rows("storages")

    @property
    def dataset_rows(self) -> list[list[forms.BoundField]]:
        return self._rows("datasets")

    def _rows(self, group: str) -> list[list[forms.BoundField]]:
        count = attachment_fields.rows_in(self.fields, group)
        return [self.group(f"{group}-{index}-") for index in range(count)]

    @property
    def place_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in PLACE_NAMES]


def _suggested_by_author(asset: Asset, kind: str) -> Mapping[str, float]:
    tool = tools.tool_of(asset)
    if tool:
        return tool.resources
    asked = asset.resources("training" if kind == DeploymentKind.BATCH else "inference")
    return {ours: asked[theirs] for ours, theirs in ASKED.items() if theirs in asked}


def plan_of(form: DeployForm) -> placement.Plan:
    """Where a checked form's deployment would go, as the planner ranks it."""
    request = form.deploy_request()
    assert form.asset is not None
    plan = planning.plan_for(request, form.asset, form.owner, form.capacities)
    return with_queue(plan, request, form.asset, form.owner)


def api_body(form: DeployForm) -> dict[str, Any]:
    """The body of ``POST deployments`` that does what this checked form does, for "copy as"."""
    request = form.deploy_request()
    defaults = ResourceRequest()
    resources = {
        name: getattr(request.resources, name)
        for name in RESOURCES
        if getattr(request.resources, name) != getattr(defaults, name)
    }
    assert form.asset is not None
    body: dict[str, Any] = {
        form.asset.kind: request.asset,
        "title": request.title,
        "project": request.project,
        "kind": str(request.kind),
        "resources": resources,
        "options": dict(request.options),
        "arguments": dict(request.arguments),
        **batch_fields.body_values(request),
        **lifetime_fields.body_values(request, form.asset),
        **attachment_fields.body_values(request),
        "datacenter": request.datacenter,
        "prefer": list(request.prefer),
        "exclude": list(request.exclude),
        "max_wait": request.max_wait_seconds,
        "favour": request.favour,
    }
    return {name: value for name, value in body.items() if value not in (None, "", [], {})}
