"""What the form of a batch run asks beside the module's arguments: a script, attempts, and how long it may run."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.requests import DeployRequest
from jobs.tools import Tool

SCRIPT_BYTES = 200_000
MOST_RETRIES = 10
YEAR_SECONDS = 365 * 24 * 3600
UNIT_SECONDS = {"d": 86_400, "h": 3_600, "min": 60, "m": 60, "s": 1, "": 1}
PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*,?")
EXAMPLE = """\
# Runs with the module's own Python and packages; its output is the log.
import os
from pathlib import Path

import mlflow

results = Path(os.environ["SERAI_OUTPUT_DIR"])  # what you write here is kept

with mlflow.start_run(run_name="my script"):
    for step in range(10):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)

(results / "answer.txt").write_text("42")
"""


OWN_EXAMPLE = """\
# Runs with the packages that you list; its output is the log.
import os
from pathlib import Path

results = Path(os.environ["SERAI_OUTPUT_DIR"])  # what you write here is kept

total = sum(range(1_000))
(results / "answer.txt").write_text(str(total))
print("The answer is", total)
"""


class ScriptField(forms.CharField):
    """A program as text, with the line ends of the machines that it will run on."""

    widget = forms.Textarea

    def __init__(self, *, instead: bool = True) -> None:
        """``instead``: of a module's training; otherwise it is all that runs."""
        super().__init__(
            label=gettext_lazy("Script (Python)"),
            help_text=gettext_lazy("Leave it empty to run the module's own training.") if instead else "",
            required=not instead,
            strip=False,
            error_messages={"required": gettext_lazy("Write the script that is to run.")},
        )
        self._empty = empty if instead else missing
        self.widget.attrs |= {
            "rows": 14,
            "spellcheck": "false",
            "autocomplete": "off",
            "autocapitalize": "off",
            "wrap": "off",
            "class": "script",
            "data-editor": "",
            "data-example": gettext_lazy("Begin with the example"),
            "data-keys": gettext_lazy("Tab indents. Press Escape first to leave with Tab."),
            "placeholder": EXAMPLE if instead else OWN_EXAMPLE,
        }

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value) or "").replace("\r\n", "\n").replace("\r", "\n")
        if not text:
            return ""
        if not text.strip():
            raise ValidationError(self._empty())
        size = len(text.encode(errors="replace"))
        if size > SCRIPT_BYTES:
            raise ValidationError(too_long(size))
        return text


def empty() -> str:
    return _("This script is empty. Leave it out to run the module's own training.")


def missing() -> str:
    return _("Write the script that is to run.")


def too_long(size_bytes: int) -> str:
    text = _(
        "This script has %(size)s kB; at most %(most)s kB are taken. Keep data in a storage, and code in a module."
    )
    return text % {"size": f"{size_bytes / 1000:,.0f}", "most": f"{SCRIPT_BYTES / 1000:,.0f}"}


class RunTimeField(forms.IntegerField):
    """Seconds: as a number, or as people say it, "1 h 30 min"."""

    widget = forms.TextInput

    def to_python(self, value: Any) -> int | None:
        text = "" if value is None else str(value).strip().lower()
        return seconds_of(text) if text else None

    def prepare_value(self, value: Any) -> Any:
        return in_units(value) if isinstance(value, int) and value > 0 else value


def seconds_of(text: str) -> int:
    parts = PART.findall(text)
    units = [unit for _amount, unit in parts]
    bare = "" in units and len(units) > 1  # as of "1,5 h"
    if not parts or bare or PART.sub("", text) or not set(units) <= set(UNIT_SECONDS):
        raise ValidationError(
            _("“%(text)s” is no length of time. Write it as 45 min, 2 h or 1 d 12 h.") % {"text": text}
        )
    return round(sum(float(amount) * UNIT_SECONDS[unit] for amount, unit in parts))


def in_units(seconds: int) -> str:
    """``1 h 30 min``, which ``seconds_of`` reads."""
    words = []
    for unit in ("d", "h", "min", "s"):
        count, seconds = divmod(seconds, UNIT_SECONDS[unit])
        words += [f"{count} {unit}"] if count else []
    return " ".join(words)


def fields(tool: Tool | None = None) -> dict[str, forms.Field]:
    """Of a module, whose training a script may take the place of, or of this tool."""
    script = ScriptField(instead=tool is None) if tool is None or tool.script else None
    return {
        **({"script": script} if script else {}),
        "retries": forms.IntegerField(
            label=gettext_lazy("Try again after a failure"),
            help_text=gettext_lazy("How often at most. Each attempt begins from the start."),
            min_value=0,
            max_value=MOST_RETRIES,
            initial=0,
            required=False,
        ),
        "max_run_seconds": RunTimeField(
            label=gettext_lazy("Run at most"),
            help_text=gettext_lazy("As 45 min, 2 h or 1 d; all attempts together. Empty: as long as it takes."),
            min_value=1,
            max_value=YEAR_SECONDS,
            required=False,
        ),
    }


def may_be_left_out(fields: Mapping[str, forms.Field]) -> bool:
    """Whether something else runs where nobody wrote a script."""
    return "script" in fields and not fields["script"].required


NAMES = ("script", "retries", "max_run_seconds")


def body_values(request: DeployRequest) -> dict[str, Any]:
    """The same as ``POST deployments`` takes them; what is 0 or empty there is left out."""
    return {name: getattr(request, name) or None for name in NAMES}


def request_values(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """The request's values, of a form of either kind."""
    return {
        "script": cleaned.get("script") or "",
        "retries": cleaned.get("retries") or 0,
        "max_run_seconds": cleaned.get("max_run_seconds") or None,
    }
