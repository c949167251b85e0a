"""What happens to every request, whoever answers it."""

from django.http import Http404, HttpRequest
from django.utils.deprecation import MiddlewareMixin


class PlainAddressMiddleware(MiddlewareMixin):
    """A null character is in no name of ours, and PostgreSQL refuses even to look for one."""

    def process_request(self, request: HttpRequest) -> None:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise Http404
