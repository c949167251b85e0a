"""What happens to every request, whoever answers it."""

import logging
import re

from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from dashboard.api.middleware import PREFIX
from dashboard.api.problems import problem

logger = logging.getLogger(__name__)

COME_BACK_SECONDS = 5
# SQLite has many words for it, by what it was just about to write.
NO_ROOM = re.compile(r"is full|No space left|I/O error|unable to open")


class PlainAddressMiddleware(MiddlewareMixin):
    """A null character is in no name of ours, and PostgreSQL refuses even to look for one."""

    def process_request(self, request: HttpRequest) -> None:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise Http404


class OutageMiddleware(MiddlewareMixin):
    """A database that is busy, full or gone is no mistake of ours: 503, with what to expect."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, OperationalError):
            return None
        logger.error("The database could not serve %s %s: %s", request.method, request.path, error)
        title, text = _words(str(error))
        if request.path.startswith(PREFIX):
            return problem(503, "unavailable", title, text, Retry_After=str(COME_BACK_SECONDS))
        page = render_to_string("503.html", {"title": title, "text": text})
        return HttpResponse(page, status=503, headers={"Retry-After": str(COME_BACK_SECONDS)})


def _words(said: str) -> tuple[str, str]:
    if "locked" in said:
        return _("Serai is very busy."), _("Nothing was changed. Try again in a moment; what runs goes on.")
    if NO_ROOM.search(said):
        title = _("The disk of Serai's server is full or broken.")
        return title, _("Nothing was changed. An operator must look after it; what runs goes on meanwhile.")
    return _("Serai's database does not answer."), _("Nothing was changed. Try again in a moment; what runs goes on.")
