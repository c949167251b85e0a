"""Tags and filters of all pages: ``{% load serai %}``. Components with a body are block tags here."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.db.models import Model
from django.http import HttpRequest
from django.template.context import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from dashboard import audit, looks, training
from jobs.models import Deployment

register = template.Library()

SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 120, 28
JUST_NOW = timedelta(seconds=45)


@register.simple_tag
def icon(name: str, css: str = "", label: str = "") -> SafeString:
    """An icon of the sprite; without a label it is decoration and hidden from screen readers."""
    spoken = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html(
        '<svg class="icon {}" {} focusable="false"><use href="{}#{}"></use></svg>',
        css, spoken, static("vendor/icons.svg"), name,
    )  # fmt: skip


@register.simple_tag
def relative_time(moment: datetime | None, missing: str = "–") -> SafeString | str:
    """``5 minutes ago``, with the exact time on hover; static/js/app.js keeps it up to date."""
    if moment is None:
        return missing
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        exact_time(moment),
        ago(moment, timezone.now()),
    )


@register.filter
def exact_time(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{date_format(local, 'DATE_FORMAT')}, {local:%H:%M:%S %Z}"


def ago(moment: datetime, now: datetime) -> str:
    distance = abs(now - moment)
    if distance < JUST_NOW:
        return _("just now")
    return (_("in %s") if moment > now else _("%s ago")) % _longest_unit(distance)


def _longest_unit(distance: timedelta) -> str:
    minutes = round(distance.total_seconds() / 60) or 1
    hours, days = round(minutes / 60), round(minutes / 60 / 24)
    if minutes < 60:
        return ngettext("%d minute", "%d minutes", minutes) % minutes
    if hours < 24:
        return ngettext("%d hour", "%d hours", hours) % hours
    if days < 45:
        return ngettext("%d day", "%d days", days) % days
    months = round(days / 30.4)
    if months < 24:
        return ngettext("%d month", "%d months", months) % months
    return ngettext("%d year", "%d years", months // 12) % (months // 12)


@register.filter
def duration(value: timedelta | float | None) -> str:
    """``1 min 12 s`` of seconds or a timedelta: its two largest units."""
    if value is None:
        return "–"
    seconds = round(value.total_seconds() if isinstance(value, timedelta) else value)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if seconds < 60:
        return _("%d s") % seconds
    if minutes < 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds % 60}
    if hours < 24:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes % 60}
    return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours % 24}


@register.filter
def filesize(size_bytes: float | None) -> str:
    """``1.5 GB`` of bytes, in powers of a thousand as Nomad and the metadata count."""
    if size_bytes is None:
        return "–"
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{_short(size)} {unit}"
        size /= 1000
    return f"{_short(size)} TB"


@register.filter
def megabytes(size_mb: float | None) -> str:
    """``8 GB`` of megabytes."""
    return filesize(None if size_mb is None else size_mb * 1_000_000)


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 100 else f"{number:.0f}"


@register.filter
def percent_of(part: float, whole: float) -> int:
    """0–100; nothing of nothing is 0."""
    return max(0, min(100, round(100 * part / whole))) if whole else 0


@register.simple_tag
def sparkline(values: Sequence[float], label: str = "") -> SafeString | str:
    """A small line drawn on the server; the label tells screen readers what it shows."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step, span = SPARKLINE_WIDTH / (len(values) - 1), (high - low) or 1
    height = SPARKLINE_HEIGHT - 4
    points = " ".join(f"{i * step:.1f},{2 + height * (1 - (v - low) / span):.1f}" for i, v in enumerate(values))
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>',
        SPARKLINE_WIDTH, SPARKLINE_HEIGHT, label or _("course over time"), points,
    )  # fmt: skip


@register.simple_tag(takes_context=True)
def toggle_query(context: Context, name: str, value: Any) -> str:
    """The query string with this value added to or taken from ``name``; back on the first page."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    chosen, wanted = query.getlist(name), str(value)
    query.setlist(name, [v for v in chosen if v != wanted] if wanted in chosen else [*chosen, wanted])
    for key in ("page", "cursor"):
        query.pop(key, None)
    return f"?{query.urlencode()}"


@register.inclusion_tag("components/badge.html")
def status_badge(deployment: Deployment) -> dict[str, Any]:
    look = looks.status_look(deployment.status, deployment.healthy)
    return {"text": look.text, "icon": look.icon, "tone": look.tone, "busy": look.busy}


@register.inclusion_tag("components/badge.html")
def badge(text: str, icon: str = "", tone: str = "neutral", title: str = "") -> dict[str, Any]:
    """A small label; ``tone`` is neutral, info, good, warning or bad."""
    return {"text": text, "icon": icon, "tone": tone, "title": title}


@register.simple_block_tag
def card(
    content: str,
    title: str = "",
    icon: str = "",
    id: str = "",  # noqa: A002 as in HTML
    css: str = "",
    href: str = "",
    flush: bool = False,
) -> str:
    """``{% card title=… icon=… %}…{% endcard %}``; ``flush`` for tables and lists that reach the edge."""
    parts = {"content": content, "title": title, "icon": icon, "id": id, "css": css, "href": href, "flush": flush}
    return render_to_string("components/card.html", parts)


@register.simple_block_tag
def page_header(content: str, title: str, lead: str = "", back_url: str = "", back_text: str = "") -> str:
    """``{% page_header title lead=… %}the actions{% endpage_header %}``: the page's only h1."""
    parts = {"actions": content, "title": title, "lead": lead, "back_url": back_url, "back_text": back_text}
    return render_to_string("components/page_header.html", parts)


@register.simple_block_tag
def alert(content: str, tone: str = "info", title: str = "", icon: str = "") -> str:
    """``{% alert "warning" title=… %}…{% endalert %}``; ``tone`` is info, success, warning or danger."""
    parts = {"content": content, "tone": tone, "title": title, "icon": icon or looks.ALERT_LOOKS[tone].icon}
    return render_to_string("components/alert.html", parts)


@register.inclusion_tag("audit/_history.html", takes_context=True)
def history(context: Context, thing: Model) -> dict[str, Any]:
    """``{% history storage %}``: who did what to it, on its page. Its kind has a line in ``audit.THINGS``."""
    reader = context.get("user")
    return {"lines": audit.history(thing, reader) if isinstance(reader, User) else []}


@register.inclusion_tag("components/mlflow_notice.html")
def mlflow_notice() -> dict[str, Any]:
    """A line while MLflow is on its way or away; nothing while it answers, or where there is none."""
    words = training.mlflow_words()
    return {"words": words}
