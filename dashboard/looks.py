"""How states look on pages: an icon, a colour and a word, so that colour never speaks alone."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from jobs.models import Status


@dataclass(frozen=True)
class Look:
    text: str | Promise
    icon: str  # a name of @tabler/icons; scripts/vendor.mjs finds it by this keyword
    tone: str  # neutral, info, good, warning or bad: a class of static/css/serai.css
    busy: bool = False


STATUS_LOOKS = {
    Status.QUEUED: Look(_("queued"), icon="clock", tone="neutral"),
    Status.SUBMITTING: Look(_("submitting"), icon="send", tone="info", busy=True),
    Status.PENDING: Look(_("pending"), icon="hourglass", tone="warning"),
    Status.STARTING: Look(_("starting"), icon="rotate-clockwise", tone="info", busy=True),
    Status.RUNNING: Look(_("running"), icon="player-play", tone="good"),
    Status.STOPPING: Look(_("stopping"), icon="rotate-clockwise", tone="neutral", busy=True),
    Status.STOPPED: Look(_("stopped"), icon="player-stop", tone="neutral"),
    Status.COMPLETED: Look(_("completed"), icon="check", tone="good"),
    Status.FAILED: Look(_("failed"), icon="alert-circle", tone="bad"),
    Status.UNKNOWN: Look(_("unknown"), icon="help-circle", tone="warning"),
}
UNHEALTHY = Look(_("running, not healthy"), icon="alert-triangle", tone="warning")

ALERT_LOOKS = {
    "info": Look("", icon="info-circle", tone="info"),
    "success": Look("", icon="check", tone="good"),
    "warning": Look("", icon="alert-triangle", tone="warning"),
    "danger": Look("", icon="alert-circle", tone="bad"),
}


def status_look(status: str, healthy: bool | None = None) -> Look:
    if status == Status.RUNNING and healthy is False:
        return UNHEALTHY
    return STATUS_LOOKS[Status(status)]
