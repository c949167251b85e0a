"""Two ways in that lead to one account: tied together from within a session, and only so."""

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from accounts.models import AuditEvent, User
from tests.unit.oidc.conftest import NAME, local, way_out

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def connect(server, known):
    """Somebody signed in here signs in there, too: ``connect(ada, "lovelace")``."""

    def tie(user: User, person: str) -> Client:
        client = Client()
        client.force_login(user)
        back = server.sign_in(way_out(client.post("/profile/connect/institute")), person)
        assert client.get(local(back)).headers["Location"] == "/profile"
        return client

    return tie


def said(client: Client) -> str:
    return client.get("/profile").content.decode()


def test_ada_connects_an_identity_and_signs_in_by_it(connect, arrive, ada):
    page = said(connect(ada, "lovelace"))
    assert f"You can sign in by {NAME} from now on." in page
    assert "you can sign in there, as lovelace" in page
    client, _answer = arrive("lovelace")
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert User.objects.count() == 1
    assert ada.check_password("difference-engine")


def test_it_is_written_down(connect, ada):
    connect(ada, "lovelace")
    assert AuditEvent.objects.get(action="user.connected").detail == {"to": NAME}


def test_connecting_twice_changes_nothing(connect, ada):
    connect(ada, "lovelace")
    assert f"You can sign in by {NAME} already." in said(connect(ada, "lovelace"))
    assert SocialAccount.objects.count() == 1


def test_an_identity_of_somebody_else_is_not_taken(connect, ada, eve):
    connect(ada, "lovelace")
    assert "belongs to another account" in said(connect(eve, "lovelace"))
    assert SocialAccount.objects.get().user == ada


def test_who_signed_out_meanwhile_connects_nothing(server, known, ada):
    client = Client()
    client.force_login(ada)
    back = server.sign_in(way_out(client.post("/profile/connect/institute")), "lovelace")
    session = client.session
    for key in ("_auth_user_id", "_auth_user_backend", "_auth_user_hash"):
        del session[key]
    session.save()
    assert client.get(local(back)).status_code == 400
    assert not SocialAccount.objects.exists()


def test_ada_disconnects_it_again(connect, arrive, ada):
    client = connect(ada, "lovelace")
    client.post(f"/profile/disconnect/{SocialAccount.objects.get().pk}")
    assert f"You can no longer sign in by {NAME}." in said(client)
    assert AuditEvent.objects.filter(action="user.disconnected", actor=ada).exists()
    _client, _answer = arrive("lovelace")
    assert User.objects.count() == 2  # a stranger to Serai again


def test_the_only_way_in_stays(arrive):
    client, _answer = arrive("ada")
    client.post(f"/profile/disconnect/{SocialAccount.objects.get().pk}")
    assert "It is your only way in." in said(client)
    assert SocialAccount.objects.count() == 1


def test_nobody_cuts_anothers_ties(connect, ada, eve):
    connect(ada, "lovelace")
    client = Client()
    client.force_login(eve)
    assert client.post(f"/profile/disconnect/{SocialAccount.objects.get().pk}").status_code == 404
    assert SocialAccount.objects.exists()


def test_a_provider_that_is_named_no_more_is_still_shown_and_can_be_cut(connect, ada, server, settings):
    client = connect(ada, "lovelace")
    settings.OIDC_PROVIDERS = ()
    assert server.issuer in said(client)
    client.post(f"/profile/disconnect/{SocialAccount.objects.get().pk}")
    assert not SocialAccount.objects.exists()
