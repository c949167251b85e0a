"""The last word on errors below ``/api/v1/``: whoever answered one, it leaves as a problem document."""

from http import HTTPStatus

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from dashboard.api.problems import problem

PREFIX = "/api/v1/"


class ProblemMiddleware(MiddlewareMixin):
    """Django and ninja answer some errors by themselves: a method that is not there, a body that is too large."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_problem = response.headers.get("Content-Type") == "application/problem+json"
        if not request.path.startswith(PREFIX) or response.status_code < HTTPStatus.BAD_REQUEST or is_problem:
            return response
        status = HTTPStatus(response.status_code)
        answer = problem(status, status.phrase.lower().replace(" ", "-"), _words(status))
        if "Allow" in response.headers:
            answer["Allow"] = response.headers["Allow"]
        return answer


def _words(status: HTTPStatus) -> str:
    words = {
        HTTPStatus.BAD_REQUEST: _("The request is malformed or too large."),
        HTTPStatus.NOT_FOUND: _("There is nothing here, or it is not yours."),
        HTTPStatus.METHOD_NOT_ALLOWED: _("This route does not take that method."),
        HTTPStatus.INTERNAL_SERVER_ERROR: _(
            "Serai made a mistake; nothing was changed. Try again, or tell an operator."
        ),
    }
    return words.get(status, status.phrase)
