"""A small limit on how often something may be tried; counted in the cache of each process."""

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def allow(key: str, limit: int, seconds: int) -> bool:
    """Whether this try is one of the first ``limit`` since the first of them, ``seconds`` ago at most."""
    name = f"throttle:{key}"
    cache.add(name, 0, seconds)
    try:
        return cache.incr(name) <= limit
    except ValueError:  # it ran out between the two calls: this is the first of the next round
        cache.set(name, 1, seconds)
        return True


def address(request: HttpRequest) -> str:
    """Who asks. Behind a proxy, which https:// takes, it is the last address that the proxy added."""
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", "")) if settings.HTTPS else ""
    return forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", ""))


def too_many(request: HttpRequest, seconds: int) -> HttpResponse:
    """The answer to one try too many: 429, saying when to come back."""
    response = render(request, "429.html", {"minutes": -(-seconds // 60)}, status=429)
    response["Retry-After"] = str(seconds)
    return response
