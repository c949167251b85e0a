"""What the gateway shows an endpoint that has a login of its own, and that clients cannot put theirs in its place."""

from dashboard.gateway.access import Upstream
from dashboard.gateway.headers import as_itself
from jobs.tools import Login

SENT = [(b"Host", b"ide-1.apps.localhost"), (b"Origin", b"http://ide-1.apps.localhost"), (b"accept", b"*/*")]


def shown(login: Login, *more: tuple[bytes, bytes]) -> dict[bytes, bytes]:
    headers = as_itself([*SENT, *more], Upstream("127.0.0.1", 9, login))
    assert len({name for name, _value in headers}) == len(headers)
    return dict(headers)


def test_a_token_takes_the_place_of_the_clients_own():
    headers = shown(Login(authorization=b"token ours"), (b"Authorization", b"token theirs"), (b"cookie", b"a=1"))
    assert headers == {
        b"host": b"127.0.0.1:9",
        b"accept": b"*/*",
        b"authorization": b"token ours",
        b"cookie": b"a=1",
    }


def test_a_cookie_takes_the_place_of_the_clients_own_of_that_name():
    headers = shown(Login(cookie=b"session=ours"), (b"cookie", b"a=1; session=theirs; b=2"), (b"cookie", b"session=x"))
    assert headers == {b"host": b"127.0.0.1:9", b"accept": b"*/*", b"cookie": b"a=1; b=2; session=ours"}


def test_a_cookie_is_shown_to_whoever_sent_none():
    assert shown(Login(cookie=b"session=ours"))[b"cookie"] == b"session=ours"


def test_a_login_is_in_no_representation():
    assert "ours" not in repr(Upstream("127.0.0.1", 9, Login(b"token ours", b"session=ours")))
