"""MLflow's statuses in the words of everybody."""

from django.utils.translation import gettext_lazy as _

from dashboard.looks import Look

# MLflow's word -> ours, as addresses and the API write it.
WORDS = {
    "RUNNING": "running",
    "SCHEDULED": "scheduled",
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "stopped",
}
LOOKS = {
    "running": Look(_("running"), icon="player-play", tone="info"),
    "scheduled": Look(_("scheduled"), icon="clock", tone="neutral"),
    "finished": Look(_("finished"), icon="check", tone="good"),
    "failed": Look(_("failed"), icon="alert-circle", tone="bad"),
    "stopped": Look(_("stopped"), icon="player-stop", tone="neutral"),
}


def word(status: str) -> str:
    return WORDS.get(status, "scheduled")


def mlflow_word(word: str) -> str:
    """MLflow's for ours; nothing for what is none of them."""
    return next((theirs for theirs, ours in WORDS.items() if ours == word), "")
