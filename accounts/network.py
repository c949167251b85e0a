"""Which addresses of the network a person may make Serai talk to: public ones only.

Otherwise a URL that someone enters reaches what only this machine can: databases, cloud metadata, the
neighbours. The addresses found here are the ones to connect to; resolving again could give others.
"""

import ipaddress
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

TIMEOUT = 15  # seconds


class Forbidden(Exception):
    """Serai does not go there; the text is for the person who entered the address."""


class Private(Forbidden):
    """It is a place of a private network."""


@dataclass(frozen=True)
class Target:
    """Where a URL leads, resolved."""

    host: str
    port: int
    addresses: tuple[str, ...]


def public_target(url: str) -> Target:
    """Where this http(s) URL leads. Raises Forbidden for private places, unless the operator trusts the host."""
    return public_host(*_host_and_port(url))


def public_host(host: str, port: int) -> Target:
    """The same for what is no URL."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Forbidden(_("There is no host named %(host)s.") % {"host": host}) from None
    addresses = tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if host not in settings.SERAI_TRUSTED_HOSTS and not all(is_public(address) for address in addresses):
        sentence = _("%(host)s is an address of a private network. An operator may allow it by SERAI_TRUSTED_HOSTS.")
        raise Private(sentence % {"host": host})
    return Target(host, port, addresses)


def redirection(target: Target, path: str, *, encrypted: bool) -> tuple[int, str]:
    """Status and Location of one GET, which goes to the address that was checked and follows nothing."""
    connection = (HTTPSConnection if encrypted else HTTPConnection)(target.host, target.port, timeout=TIMEOUT)
    with closing(connection):
        connection.sock = socket.create_connection((target.addresses[0], target.port), TIMEOUT)
        if encrypted:
            connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=target.host)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location", "")


def is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.split("%", 1)[0])
    # An IPv4 address in IPv6's clothes is judged by what it is.
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inner is None or inner.is_global)


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Forbidden(_("%(url)s is no web address.") % {"url": url[:200]}) from None
    if parts.scheme not in ("http", "https") or not host:
        raise Forbidden(_("%(url)s is no web address.") % {"url": url[:200]})
    return host, port or (443 if parts.scheme == "https" else 80)
