"""Serai follows no URL of a person into private networks."""

import pytest

from accounts.network import Forbidden, is_public, public_target


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1%eth0", "fd00::1",
     "::ffff:127.0.0.1", "2002:7f00:1::", "224.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_private_addresses_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111"])
def test_public_addresses_are(address):
    assert is_public(address)


@pytest.mark.parametrize("url", ["http://127.0.0.1:4646/", "https://[::1]/", "http://2130706433/", "http://localhost"])
def test_a_private_place_is_refused_with_the_way_out(url):
    with pytest.raises(Forbidden, match="SERAI_TRUSTED_HOSTS"):
        public_target(url)


@pytest.mark.parametrize(
    "url", ["ftp://x.org", "file:///etc/passwd", "https://", "nonsense", "http://[", "http://x:99999/"]
)
def test_what_is_no_web_address_is_refused(url):
    with pytest.raises(Forbidden, match="no web address"):
        public_target(url)


def test_an_operator_may_trust_a_private_host(settings):
    settings.SERAI_TRUSTED_HOSTS = ["localhost"]
    assert public_target("http://localhost:8080/x").port == 8080
