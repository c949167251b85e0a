"""The plan: what each datacenter comes to, the best first."""

from collections.abc import Sequence
from dataclasses import replace

from django.utils.translation import gettext as _

from datacenters.capacity import Capacity
from jobs.requests import DeployRequest

from .needs import Needs, runtime_in
from .notes import hints, notes_on
from .plans import Choice, Plan, Refusal
from .ranking import rank
from .refusing import errors_of, largest
from .sentences import choice_in, why_no_runtime, why_not_attach, why_not_now, why_too_small, with_warning
from .sizes import offering, too_small
from .surroundings import Surroundings


def plan(
    request: DeployRequest, needs: Needs, capacities: Sequence[Capacity], around: Surroundings | None = None
) -> Plan:
    around = around or Surroundings()
    asked_for = [capacity for capacity in capacities if request.datacenter in (None, capacity.name)]
    verdicts = [(capacity, judge(request, needs, capacity)) for capacity in asked_for]
    choices = [(capacity, verdict) for capacity, verdict in verdicts if isinstance(verdict, Choice)]
    choices.sort(key=lambda pair: rank(request, around, *pair))
    refusals = tuple(verdict for _capacity, verdict in verdicts if isinstance(verdict, Refusal))
    errors = () if choices else tuple(errors_of(request, needs, asked_for, refusals))
    return Plan(
        choices=tuple(replace(choice, notes=notes_on(request, around, place, choice)) for place, choice in choices),
        refusals=refusals,
        errors=errors,
        largest=largest(asked_for),
        hints=tuple(hints(request, around, tuple(choices))),
    )


def judge(request: DeployRequest, needs: Needs, capacity: Capacity) -> Choice | Refusal:
    """What one datacenter comes to, in one sentence with its numbers."""
    if capacity.name in request.exclude:
        return Refusal(capacity.name, _("You excluded it."))
    if why_not := why_not_now(request, capacity):
        return Refusal(capacity.name, why_not)
    if why_not := why_not_attach(request, capacity):
        return Refusal(capacity.name, why_not)
    runtime = runtime_in(needs, capacity)
    if runtime is None:
        return Refusal(capacity.name, why_no_runtime(needs, capacity))
    nodes = offering(capacity, runtime)
    if not nodes:
        return Refusal(capacity.name, _("It has no machine at the moment that runs this."))
    fitting = [node for node in nodes if not too_small(request.resources, node)]
    if not fitting:
        return Refusal(capacity.name, why_too_small(request.resources, nodes))
    return with_warning(choice_in(request.resources, capacity, fitting, runtime), capacity)
