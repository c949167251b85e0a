"""How often one token may ask."""

from django.http import HttpRequest
from ninja.throttling import AuthRateThrottle


class PerToken(AuthRateThrottle):
    def get_cache_key(self, request: HttpRequest) -> str:
        token = getattr(request, "auth", None)
        # What has no token was refused before this is asked.
        return f"throttle-api-{token.pk if token else 'nobody'}"
