"""Sign-in by OpenID Connect against a real provider: who comes in, as whom, and who does not."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from accounts.models import AuditEvent, User, create_person
from tests.unit.oidc.conftest import NAME, local, way_out

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ADA = {"name": "Ada Lovelace", "preferred_username": "ada", "email": "ada@example.org", "email_verified": True}


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def text(answer) -> str:
    return answer.content.decode()


# ── In ───────────────────────────────────────────────────────────────────────────────────────────
def test_a_first_sign_in_makes_the_person_with_their_own_project(server, arrive):
    server.next(people={"ada": ADA})

    client, answer = arrive("ada")

    ada = User.objects.get()
    assert answer.headers["Location"] == "/"
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert (ada.username, ada.full_name, ada.email) == ("ada", "Ada Lovelace", "ada@example.org")
    assert ada.personal_project.name == "Ada Lovelace"
    assert not ada.has_usable_password()
    assert client.get("/").status_code == 200


def test_the_second_time_it_is_the_same_person(server, arrive):
    server.next(people={"ada": ADA})
    arrive("ada")
    server.next(people={"ada": {**ADA, "preferred_username": "countess", "email": "other@example.org"}})
    arrive("ada")
    assert User.objects.count() == SocialAccount.objects.count() == 1


def test_who_came_in_is_written_down(arrive):
    arrive("ada")
    event = AuditEvent.objects.get(action="user.signed-in")
    assert event.actor == User.objects.get()
    assert event.detail == {"by": NAME}


def test_one_goes_on_to_where_one_wanted(arrive):
    _client, answer = arrive("ada", next="/deployments/")
    assert answer.headers["Location"] == "/deployments/"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(arrive, elsewhere):
    _client, answer = arrive("ada", next=elsewhere)
    assert answer.headers["Location"] == "/"


def test_the_session_is_a_new_one_and_ends_within_a_day(arrive):
    client = Client()
    client.get("/signin")
    client.post("/signin/with/institute")
    before = client.session.session_key
    arrive("ada", client=client)
    assert client.session.session_key != before
    assert 0 < client.session.get_expiry_age() <= 24 * 3600


def test_no_token_and_no_claim_that_is_not_shown_is_kept(server, arrive):
    server.next(people={"ada": {**ADA, "eduperson_entitlement": ["secret:group"]}})
    client, _answer = arrive("ada")
    kept = SocialAccount.objects.get().extra_data
    assert kept == {"name": "Ada Lovelace", "preferred_username": "ada", "email": "ada@example.org"}
    assert "eyJ" not in str(dict(client.session))


def test_the_request_carries_state_nonce_and_pkce(known):
    asked = parse_qs(urlsplit(way_out(Client().post("/signin/with/institute"))).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert all(len(asked[name][0]) >= 16 for name in ("state", "nonce", "code_challenge"))
    assert asked["redirect_uri"] == ["http://127.0.0.1:8000/signin/with/institute/back"]
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email", "entitlements"}


def test_nothing_of_the_request_is_chosen_by_an_address(known):
    page = Client().post("/signin/with/institute?scope=admin&auth_params=prompt%3Dnone&process=connect&state=mine")
    asked = parse_qs(urlsplit(way_out(page)).query)
    assert "admin" not in asked["scope"][0]
    assert "prompt" not in asked
    assert asked["state"] != ["mine"]


@pytest.mark.parametrize(("method", "scheme"), [("client_secret_post", ""), ("client_secret_basic", "Basic")])
def test_the_secret_goes_as_the_provider_takes_it(server, arrive, method, scheme):
    server.next(places={"token_endpoint_auth_methods_supported": [method]})
    client, _answer = arrive("ada")
    assert server.heard() == scheme
    assert is_signed_in(client)


# ── Names ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("claims", "username"),
    [
        ({"preferred_username": "Ada.Lovelace@example.org"}, "ada-lovelace"),
        ({"email": "countess@example.org", "email_verified": True, "name": "Ada"}, "countess"),
        ({"email": "countess@example.org", "name": "Ada Lovelace"}, "ada-lovelace"),
        ({"name": "Åda Løvelace"}, "ada-lvelace"),
        ({"name": "愛達"}, "person"),
        ({"preferred_username": "../new?x=<b>"}, "newxb"),
        ({"preferred_username": "new"}, "new-2"),
        ({"preferred_username": "x" * 300}, "x" * 50),
        ({"preferred_username": ["ada"], "name": {"first": "Ada"}}, "person"),
    ],
)
def test_a_user_name_is_made_of_what_the_provider_says(server, arrive, claims, username):
    server.next(people={"somebody": {"name": None, **claims}})
    client, _answer = arrive("somebody")
    assert User.objects.get().username == username
    assert client.get(f"/people/{username}/").status_code == 403  # it is an address


def test_two_of_one_name_are_two_people(server, arrive):
    server.next(people={"one": ADA, "two": ADA})
    arrive("one")
    arrive("two")
    assert sorted(User.objects.values_list("username", flat=True)) == ["ada", "ada-2"]


def test_nobody_gets_a_name_that_differs_in_capitals_only(server, arrive):
    create_person("Ada")
    server.next(people={"one": ADA})
    arrive("one")
    assert User.objects.filter(username="ada-2").exists()


# ── No account is taken over ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("verified", [True, False])
def test_nobody_gets_an_account_by_its_address_or_name(server, arrive, verified):
    hers = create_person("ada", password="difference-engine", email="ada@example.org", is_superuser=True)
    server.next(people={"eve": {**ADA, "email_verified": verified}})

    client, _answer = arrive("eve")

    assert client.session["_auth_user_id"] != str(hers.pk)
    assert User.objects.get(pk=client.session["_auth_user_id"]).is_superuser is False
    assert hers.check_password("difference-engine")


def test_an_address_that_nobody_checked_is_not_taken_over(server, arrive):
    server.next(people={"eve": {**ADA, "email_verified": False}})
    arrive("eve")
    assert User.objects.get().email == ""


def test_the_same_subject_of_another_issuer_is_somebody_else(server, arrive):
    stranger = create_person("stranger")
    SocialAccount.objects.create(user=stranger, provider="https://elsewhere.example", uid="ada")
    client, _answer = arrive("ada")
    assert client.session["_auth_user_id"] != str(stranger.pk)


# ── Not in ───────────────────────────────────────────────────────────────────────────────────────
def test_who_is_switched_off_stays_out(arrive):
    arrive("ada")
    User.objects.update(is_active=False)
    client, answer = arrive("ada")
    assert answer.status_code == 403
    assert "This account is switched off" in text(answer)
    assert not is_signed_in(client)


def test_who_does_not_agree_is_told_that_nothing_changed(arrive):
    client, answer = arrive("ada", agrees=False)
    assert answer.status_code == 403
    assert f"You did not let {NAME} tell Serai who you are" in text(answer)
    assert not is_signed_in(client)
    assert not User.objects.exists()


NOW = int(time.time())
SPOILT = {
    "another sign-in's nonce": {"claims": {"nonce": "another"}},
    "no nonce": {"claims": {"nonce": None}},
    "another audience": {"claims": {"aud": "another-client"}},
    "no audience": {"claims": {"aud": None}},
    "another party": {"claims": {"aud": ["serai", "another"], "azp": "another"}},
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "run out": {"claims": {"exp": NOW - 3600}},
    "no end": {"claims": {"exp": None}},
    "from the future": {"claims": {"iat": NOW + 3600, "nbf": NOW + 3600}},
    "another person than the user information": {"claims": {"sub": "grace"}},
    "no subject": {"claims": {"sub": None}},
    "signed by a stranger": {"key": "strange"},
    "signed by none": {"alg": "none"},
    "signed by what the client knows": {"alg": "HS256"},
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_token_that_cannot_be_trusted_lets_nobody_in(server, arrive, what):
    server.next(spoil=SPOILT[what])
    client, answer = arrive("ada")
    assert answer.status_code == 502
    assert "cannot be trusted" in text(answer)
    assert not is_signed_in(client)
    assert not User.objects.exists()


def test_an_answer_without_its_state_lets_nobody_in(server, known):
    client, stranger = Client(), Client()
    back = local(server.sign_in(way_out(client.post("/signin/with/institute"))))
    for wrong in (back.replace("state=", "state=x"), back.replace("state=", "was=")):
        answer = client.get(wrong)
        assert answer.status_code == 400
        assert "begin again" in text(answer)
    assert stranger.get(back).status_code == 400  # Eve sends Ada her own answer
    assert not is_signed_in(client)
    assert not is_signed_in(stranger)


def test_an_answer_is_good_once(server, known):
    client = Client()
    back = local(server.sign_in(way_out(client.post("/signin/with/institute"))))
    assert client.get(back).status_code == 302
    client.logout()
    assert client.get(back).status_code == 400


def test_a_code_of_another_sign_in_is_refused_by_its_verifier(server, known):
    """Eve puts her code beside Ada's state."""
    ada, eve = Client(), Client()
    adas = parse_qs(urlsplit(server.sign_in(way_out(ada.post("/signin/with/institute")), "ada")).query)
    eves = parse_qs(urlsplit(server.sign_in(way_out(eve.post("/signin/with/institute")), "eve")).query)
    answer = ada.get("/signin/with/institute/back", {"code": eves["code"][0], "state": adas["state"][0]})
    assert answer.status_code == 502
    assert not is_signed_in(ada)


# ── The provider does not do what it should ──────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "sentence"),
    [(500, "does not answer"), (503, "does not answer"), (404, "cannot be trusted"), (302, "cannot be trusted")],
)
def test_a_provider_that_is_down_gets_a_sentence(server, known, status, sentence):
    server.next(status=status)
    answer = Client().post("/signin/with/institute")
    assert answer.status_code in (502, 503)
    assert sentence in text(answer)
    assert "Back to signing in" in text(answer)


def test_a_provider_that_is_gone_gets_a_sentence(known):
    known(issuer="http://127.0.0.1:9")
    answer = Client().post("/signin/with/institute")
    assert answer.status_code == 503
    assert f"{NAME} does not answer" in text(answer)


def test_a_provider_that_goes_silent_halfway_gets_a_sentence(server, known, monkeypatch):
    monkeypatch.setattr("accounts.oidc.outgoing.READ_SECONDS", 1)
    client = Client()
    back = local(server.sign_in(way_out(client.post("/signin/with/institute"))))
    server.next(delay_ms=3_000)
    began = time.monotonic()
    answer = client.get(back)
    assert time.monotonic() - began < 2.5
    assert answer.status_code == 503
    assert not is_signed_in(client)


@pytest.mark.parametrize(
    "places",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "ftp://example.org/"},
        {"jwks_uri": 5},
    ],
)
def test_a_configuration_that_makes_no_sense_is_not_followed(server, known, places):
    server.next(places=places)
    answer = Client().post("/signin/with/institute")
    assert answer.status_code in (502, 503)
    assert "evil" not in text(answer)
    assert "javascript:" not in text(answer)


def test_a_configuration_cannot_send_serai_into_the_private_network(server, known):
    client = Client()
    back = local(server.sign_in(way_out(client.post("/signin/with/institute"))))
    server.next(places={"token_endpoint": "http://169.254.169.254/latest/meta-data"})
    assert client.get(back).status_code == 503
    assert not is_signed_in(client)


def test_what_the_provider_says_of_a_failure_is_shown_as_text(known):
    client = Client()
    state = parse_qs(urlsplit(way_out(client.post("/signin/with/institute"))).query)["state"][0]
    answer = client.get("/signin/with/institute/back", {"error": "<script>x</script>", "state": state})
    assert answer.status_code == 502
    assert "<script>x" not in text(answer)
    assert "&lt;script&gt;x" in text(answer)


def test_beginning_again_and_again_is_slowed_down(known):
    client = Client()
    statuses = [client.post("/signin/with/institute").status_code for _ in range(31)]
    assert statuses == [200] * 30 + [429]


def test_a_provider_that_nobody_named_is_unknown(known, settings):
    assert Client().post("/signin/with/another").status_code == 404
    assert Client().post("/signin/with/openid_connect").status_code == 404
    settings.OIDC_PROVIDERS = ()
    assert Client().post("/signin/with/institute").status_code == 404
    assert NAME not in text(Client().get("/signin"))


@pytest.mark.parametrize(
    "path", ["/accounts/signup/", "/accounts/login/", "/accounts/email/", "/accounts/social/signup/"]
)
def test_none_of_the_librarys_own_pages_are_open(path):
    assert Client().get(path).status_code == 404


# ── Out ──────────────────────────────────────────────────────────────────────────────────────────
def test_after_signing_out_one_is_told_of_the_session_that_stays(server, arrive):
    client, _answer = arrive("ada")
    page = text(client.get(client.post("/signout").headers["Location"]))
    assert f"At {NAME} you are still signed in" in page
    assert f"{server.issuer}/session/end?client_id=serai" in page
    assert "still signed in" not in text(client.get("/signin"))


def test_who_signed_in_by_password_is_not_told_of_it(known, ada):
    client = Client()
    client.post("/signin", {"username": "ada", "password": "difference-engine"})
    assert "still signed in" not in text(client.get(client.post("/signout").headers["Location"]))
