"""What to say of a datacenter that cannot be asked: it does not answer, or it answers, but not to Serai."""

from dataclasses import dataclass, replace

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from datacenters.interface import DatacenterError, NamespaceMissing, TokenRefused

Text = str | Promise


@dataclass(frozen=True)
class Silence:
    """Sentences that name the ``datacenter``; ``unseen`` says since when too."""

    not_sent: Text
    not_stopped: Text
    unseen: Text
    wait: Text  # what to do about one that waits to be sent
    goes_on: Text


NO_ANSWER = Silence(
    not_sent=_("%(datacenter)s does not answer, so this has not been sent yet. It is tried again by itself."),
    not_stopped=_("%(datacenter)s does not answer; it is told to stop this as soon as it does."),
    unseen=_("%(datacenter)s does not answer since %(since)s."),
    wait=_("Wait, or stop it and choose another datacenter."),
    goes_on=_("What ran there goes on running, as far as anybody knows. It is shown again once it answers."),
)
NO_ENTRY = Silence(
    not_sent=_("%(datacenter)s refuses Serai's token, so this has not been sent yet. It is tried again by itself."),
    not_stopped=_("%(datacenter)s refuses Serai's token; it is told to stop this as soon as it takes it."),
    unseen=_("%(datacenter)s refuses Serai's token since %(since)s."),
    wait=_("An operator must give Serai a new token. Until then, stop it and choose another datacenter."),
    goes_on=_("What ran there goes on running. It is shown again once an operator has given Serai a new token."),
)


def _no_namespace(namespace: str) -> Silence:
    advice = _("Its operator runs once: nomad namespace apply %(namespace)s. Or stop it and choose another datacenter.")
    return replace(
        NO_ENTRY,
        not_sent=_("This project has no place in %(datacenter)s yet, so this has not been sent. It is tried again."),
        wait=str(advice) % {"namespace": namespace},
    )


def silence(error: DatacenterError | None) -> Silence:
    if isinstance(error, NamespaceMissing):
        return _no_namespace(error.namespace)
    return NO_ENTRY if isinstance(error, TokenRefused) else NO_ANSWER
