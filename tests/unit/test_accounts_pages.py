"""Coming in, going out, one's own page, tokens, and who may come in."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, AuditEvent, Level, SigninCode, User, create_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(db) -> User:
    return create_person("grace", password="nanoseconds-long", full_name="Grace", is_superuser=True)


def signed_in(client, person):
    client.force_login(person)
    return client


def is_signed_in(client) -> bool:
    return "_auth_user_id" in client.session


# ── Welcome links ───────────────────────────────────────────────────────────────────────────────


def test_opening_a_welcome_link_spends_nothing(client, ada):
    SigninCode.issue(ada)
    assert client.get("/welcome").status_code == 200
    assert SigninCode.objects.get().used is None


def test_a_code_lets_its_person_in_once(client, ada):
    code = SigninCode.issue(ada)
    answer = client.post("/welcome", {"code": f" {code} "})
    assert answer.headers["Location"] == "/"
    assert client.session["_auth_user_id"] == str(ada.pk)
    client.logout()
    assert client.post("/welcome", {"code": code}).status_code == 422
    assert not is_signed_in(client)


def test_a_code_older_than_fifteen_minutes_opens_nothing_and_the_page_says_what_to_do(client, ada):
    code = SigninCode.issue(ada)
    SigninCode.objects.update(expires=timezone.now() - timedelta(seconds=1))
    answer = client.post("/welcome", {"code": code})
    assert answer.status_code == 422
    assert "Ask for a new sign-in link" in answer.content.decode()


def test_the_code_of_somebody_switched_off_opens_nothing(client, ada):
    code = SigninCode.issue(ada)
    User.objects.update(is_active=False)
    assert client.post("/welcome", {"code": code}).status_code == 422


def test_the_session_is_a_new_one_after_signing_in(client, ada):
    client.session["seen"] = True
    client.session.save()
    client.get("/signin")
    before = client.session.session_key
    client.post("/welcome", {"code": SigninCode.issue(ada)})
    assert client.session.session_key != before


def test_guessing_codes_is_slowed_down(client, ada):
    for _ in range(30):
        assert client.post("/welcome", {"code": "0" * 20}).status_code == 422
    answer = client.post("/welcome", {"code": SigninCode.issue(ada)})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert not is_signed_in(client)


def test_who_guesses_behind_a_proxy_stops_nobody_else(client, ada, settings):
    settings.HTTPS = True
    elsewhere = {
        "HTTP_X_FORWARDED_FOR": "10.1.1.1, 203.0.113.9"
    }  # the proxy adds the last one, the guesser may add others
    for number in range(31):
        client.post("/welcome", {"code": "0" * 20}, HTTP_X_FORWARDED_FOR=f"10.1.1.{number}, 203.0.113.9")
    assert client.post("/welcome", {"code": SigninCode.issue(ada)}, **elsewhere).status_code == 429
    assert (
        client.post("/welcome", {"code": SigninCode.issue(ada)}, HTTP_X_FORWARDED_FOR="203.0.113.8").status_code == 302
    )


def test_without_a_proxy_nobody_gives_themselves_another_address(client, ada):
    for number in range(31):
        client.post("/welcome", {"code": "0" * 20}, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    assert client.post("/welcome", {"code": SigninCode.issue(ada)}).status_code == 429


# ── Name and password ───────────────────────────────────────────────────────────────────────────


def test_ada_signs_in_by_password_and_goes_where_she_wanted(client, ada):
    form = {"username": "ada", "password": "difference-engine", "next": "/profile"}
    assert client.post("/signin", form).headers["Location"] == "/profile"
    assert AuditEvent.objects.filter(action="user.signed-in", actor=ada).exists()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(client, ada, elsewhere):
    form = {"username": "ada", "password": "difference-engine", "next": elsewhere}
    assert client.post("/signin", form).headers["Location"] == "/"


def test_a_wrong_password_is_refused_with_a_sentence_and_noted(client, ada):
    answer = client.post("/signin", {"username": "ada", "password": "guess"})
    assert answer.status_code == 422
    assert "do not belong together" in answer.content.decode()
    assert AuditEvent.objects.filter(action="user.signin-refused", object_id=str(ada.pk)).count() == 1


def test_guessing_one_name_is_stopped_while_others_still_sign_in(client, ada, eve):
    for _ in range(10):
        client.post("/signin", {"username": "ada", "password": "guess"})
    assert client.post("/signin", {"username": "ada", "password": "difference-engine"}).status_code == 429
    assert client.post("/signin", {"username": "eve", "password": "wants-to-know"}).status_code == 302


def test_pages_send_strangers_to_the_sign_in_page_and_back(client):
    assert client.get("/profile/tokens").headers["Location"] == "/signin?next=/profile/tokens"


def test_signing_out_takes_a_post(client, ada):
    signed_in(client, ada)
    assert client.get("/signout").status_code == 405
    assert client.post("/signout").status_code == 302
    assert not is_signed_in(client)


# ── Profile ─────────────────────────────────────────────────────────────────────────────────────


def test_the_profile_says_what_ada_may_do(client, ada):
    page = signed_in(client, ada).get("/profile").content.decode()
    assert "train modules" in page
    assert "your own" in page


def test_ada_changes_her_name(client, ada):
    signed_in(client, ada).post("/profile", {"full_name": "Ada Lovelace", "email": ""})
    ada.refresh_from_db()
    assert str(ada) == "Ada Lovelace"


def test_somebody_who_came_by_link_sets_a_first_password(client, db):
    carl = create_person("carl")
    signed_in(client, carl)
    new = {"new_password1": "sand-and-stars-7", "new_password2": "sand-and-stars-7"}
    assert client.post("/profile/password", new).headers["Location"] == "/profile"
    carl.refresh_from_db()
    assert carl.check_password("sand-and-stars-7")
    assert is_signed_in(client)


def test_changing_a_password_asks_for_the_old_one(client, ada):
    new = {"new_password1": "sand-and-stars-7", "new_password2": "sand-and-stars-7", "old_password": "wrong"}
    assert signed_in(client, ada).post("/profile/password", new).status_code == 422


@pytest.mark.parametrize("chosen", ["light", "dark", "system"])
def test_the_theme_is_remembered_without_javascript(client, ada, chosen):
    signed_in(client, ada).post("/theme", {"theme": chosen, "next": "/profile"})
    page = client.get("/profile").content.decode()
    assert f'data-theme-choice="{chosen}"' in page
    assert ('data-bs-theme="' in page) is (chosen != "system")


def test_a_theme_that_does_not_exist_is_not_remembered(client, ada):
    assert "serai_theme" not in signed_in(client, ada).post("/theme", {"theme": '"><script>'}).cookies


# ── Tokens ──────────────────────────────────────────────────────────────────────────────────────


def test_a_new_token_is_shown_once_and_works(client, ada):
    form = {"name": "laptop", "scopes": ["read", "call"], "days": "30"}
    answer = signed_in(client, ada).post("/profile/tokens/new", form)
    value = answer.context["value"]
    assert value in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert value not in client.get("/profile/tokens").content.decode()
    token = ApiToken.objects.find(value)
    assert (token.user, token.scopes) == (ada, ["read", "call"])
    assert timedelta(days=29) < token.expires - timezone.now() <= timedelta(days=30)


def test_a_token_needs_a_name_a_scope_and_a_known_end(client, ada):
    answer = signed_in(client, ada).post("/profile/tokens/new", {"name": "", "days": "100000"})
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"name", "scopes", "days"}
    assert not ApiToken.objects.exists()


def test_each_error_of_a_form_is_tied_to_its_field(client, ada):
    page = signed_in(client, ada).post("/profile/tokens/new", {"scopes": ["read"], "days": "30"}).content.decode()
    assert 'aria-describedby="id_name_helptext id_name_error"' in page
    assert 'id="id_name_error"' in page


def test_a_revoked_token_works_no_more(client, ada):
    token, value = ApiToken.issue(ada, "laptop")
    signed_in(client, ada).post(f"/profile/tokens/{token.pk}/revoke")
    assert ApiToken.objects.find(value) is None
    assert AuditEvent.objects.filter(action="token.revoked", actor=ada).exists()


def test_eve_can_neither_see_nor_revoke_adas_token(client, ada, eve):
    token, value = ApiToken.issue(ada, "adas-laptop")
    signed_in(client, eve)
    assert "adas-laptop" not in client.get("/profile/tokens").content.decode()
    assert client.post(f"/profile/tokens/{token.pk}/revoke").status_code == 404
    assert ApiToken.objects.find(value) == token


# ── People ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", ["/people/", "/people/new", "/people/ada/"])
def test_only_administrators_see_who_may_come_in(client, ada, page):
    answer = signed_in(client, ada).get(page)
    assert answer.status_code == 403
    assert "administrator" in answer.content.decode()


def test_an_administrator_invites_bob_who_comes_in_by_the_link(client, admin):
    form = {"username": "bob", "full_name": "Bob", "level": Level.ADVANCED, "standing": "person"}
    answer = signed_in(client, admin).post("/people/new", form)
    link = answer.context["link"]
    assert link in answer.content.decode()
    client.logout()
    client.post("/welcome", {"code": link.partition("#")[2]})
    bob = User.objects.get(username="bob")
    assert client.session["_auth_user_id"] == str(bob.pk)
    assert bob.level == Level.ADVANCED
    assert not bob.is_staff


def test_a_user_name_is_given_once_whatever_its_capitals(client, admin, ada):
    form = {"username": "ADA", "level": Level.BASIC, "standing": "person"}
    assert signed_in(client, admin).post("/people/new", form).status_code == 422
    assert User.objects.filter(username__iexact="ada").count() == 1


def test_an_administrator_makes_an_operator(client, admin, ada):
    signed_in(client, admin).post("/people/ada/", {"level": Level.BASIC, "standing": "operator"})
    ada.refresh_from_db()
    assert (ada.level, ada.is_staff, ada.is_superuser) == (Level.BASIC, True, False)


def test_an_administrator_cannot_lock_themselves_out(client, admin):
    signed_in(client, admin)
    assert client.post("/people/grace/", {"level": Level.BASIC, "standing": "person"}).status_code == 422
    assert client.post("/people/grace/switch", {}).status_code == 404
    admin.refresh_from_db()
    assert admin.is_superuser
    assert admin.is_active


def test_switching_off_ends_sessions_and_tokens_and_can_be_undone(client, admin, ada):
    _token, value = ApiToken.issue(ada, "laptop")
    adas_browser = Client()
    adas_browser.force_login(ada)
    signed_in(client, admin).post("/people/ada/switch", {})
    assert adas_browser.get("/profile").status_code == 302
    assert ApiToken.objects.find(value) is None
    client.post("/people/ada/switch", {"active": "1"})
    assert ApiToken.objects.find(value) is not None


# ── Every page ──────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_address_is_answered_in_the_sites_own_words(client, ada):
    answer = signed_in(client, ada).get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_a_form_without_its_token_is_refused_with_what_to_do(ada):
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/signin", {"username": "ada", "password": "difference-engine"})
    assert answer.status_code == 403
    assert "load the page again" in answer.content.decode()


def test_the_limit_counts_again_after_its_time(ada, client):
    for _ in range(11):
        client.post("/signin", {"username": "ada", "password": "guess"})
    cache.clear()  # as its expiry would
    assert client.post("/signin", {"username": "ada", "password": "difference-engine"}).status_code == 302


@pytest.mark.parametrize("page", ["signin", "welcome"])
def test_an_empty_form_is_refused_with_a_word_at_its_fields(client, db, page):
    answer = client.post(f"/{page}")
    assert answer.status_code == 422
    assert answer.context["form"].errors
