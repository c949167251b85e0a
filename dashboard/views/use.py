"""Use a running module: a form from its own document, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from mimetypes import guess_type
from typing import Any
from uuid import UUID

from csp.decorators import csp_update
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from dashboard.people import person
from dashboard.use.form import UseForm
from dashboard.use.results import Result, data_address, result_of
from dashboard.use.snippets import call_snippets
from jobs.deepaas import services
from jobs.deepaas.client import InvalidArguments, ModuleError, Silent
from jobs.deepaas.document import Model, Operation
from jobs.deepaas.samples import Sample, samples_of
from jobs.models import Deployment, Status

SAMPLE, MODEL = "_sample", "_model"
SHOWN_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
USABLE = frozenset({Status.RUNNING, Status.UNKNOWN})


@dataclass
class Use:
    """One look at the page, or one press of its button."""

    deployment: Deployment
    models: Sequence[Model]
    model: Model
    operation: Operation
    form: UseForm
    samples: Sequence[Sample]
    sample: Sample | None = None  # the one that was pressed
    result: Result | None = None
    problem: ModuleError | None = None
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def is_stuck(self) -> bool:
        return isinstance(self.problem, Silent)

    @property
    def snippets(self) -> list[tuple[str, str]]:
        files = {argument.name: self._file_name(argument.name) for argument in self.operation.files}
        shown = {name: file for name, file in files.items() if file or self._is_required(name)}
        named = {name: file or f"{name}.bin" for name, file in shown.items()}
        return call_snippets(self.deployment, self.operation, self.values, named)

    @property
    def previews(self) -> list[tuple[str, str]]:
        """(name, data: address) of the images of the example that was tried."""
        if self.sample is None:
            return []
        images = [path for path in self.sample.files.values() if guess_type(path.name)[0] in SHOWN_IMAGES]
        return [(path.name, data_address(guess_type(path.name)[0] or "", path.read_bytes())) for path in images]

    def run(self) -> bool:
        """Ask the module; False if the form must be shown again."""
        if not self.form.is_valid():
            return False
        self.values = self.form.values()
        try:
            self.result = result_of(services.predict(self.deployment, self.operation, self.values, self.form.uploads()))
        except InvalidArguments as refusal:
            self.form.refuse(refusal.fields)
            return False
        except ModuleError as problem:
            self.problem = problem
        return True

    def _file_name(self, name: str) -> str:
        file = self.form.files.get(name) if self.form.is_bound else None
        return (file.name if file else None) or ""

    def _is_required(self, name: str) -> bool:
        argument = self.operation.argument(name)
        return argument is not None and argument.required


@login_required
@require_http_methods(["GET", "POST"])
@csp_update({"media-src": ["data:"]})  # type: ignore[arg-type]
def use(request: HttpRequest, pk: UUID) -> HttpResponse:
    """GET: the form. POST: its values go to the module; the answer is shown and not kept."""
    deployment = get_object_or_404(Deployment.objects.visible_to(person(request)).with_parts(), pk=pk)
    models = _models(deployment) if deployment.status in USABLE else []
    if not models:
        return _not_usable(request, deployment)
    asked = _asked(request, deployment, models)
    if request.method == "GET":
        return render(request, "use/use.html", _context(asked))
    return _answered(request, asked, ran=asked.run())


def _answered(request: HttpRequest, asked: Use, *, ran: bool) -> HttpResponse:
    status = 200 if ran and not asked.problem else 422
    if not request.headers.get("HX-Request"):
        return render(request, "use/use.html", _context(asked), status=status)
    if ran:
        return render(request, "use/_answer.html", _context(asked), status=status)
    response = render(request, "use/_form.html", _context(asked), status=status)
    # Only now the form is replaced: a chosen file would be lost with it.
    response["HX-Retarget"], response["HX-Reswap"] = "#use-form", "outerHTML"
    return response


def _models(deployment: Deployment) -> list[Model]:
    """Those that predict; the document is fetched once if nobody did before."""
    api = services.api_of(deployment) if deployment.api_document else services.remember_document(deployment)
    api = api or services.api_of(deployment)
    return [model for model in api.models if model.predict] if api else []


def _asked(request: HttpRequest, deployment: Deployment, models: Sequence[Model]) -> Use:
    given = request.POST if request.method == "POST" else request.GET
    model = next((model for model in models if model.name == given.get(MODEL)), models[0])
    assert model.predict
    samples = samples_of(deployment.asset)
    sample = _pressed(request, samples)
    form = UseForm.of_sample(model.predict, sample) if sample else _form(request, model.predict)
    return Use(deployment, models, model, model.predict, form, samples, sample)


def _pressed(request: HttpRequest, samples: Sequence[Sample]) -> Sample | None:
    number = request.POST.get(SAMPLE, "")
    return samples[int(number)] if number.isdecimal() and int(number) < len(samples) else None


def _form(request: HttpRequest, operation: Operation) -> UseForm:
    return UseForm(operation, request.POST, request.FILES) if request.method == "POST" else UseForm(operation)


def _context(asked: Use) -> dict[str, Any]:
    return {"use": asked, "deployment": asked.deployment, "form": asked.form}


def _not_usable(request: HttpRequest, deployment: Deployment) -> HttpResponse:
    status = 200 if request.method == "GET" else 409
    return render(request, "use/not_usable.html", {"deployment": deployment}, status=status)


urlpatterns = [path("deployments/<uuid:pk>/use/", use, name="use")]
