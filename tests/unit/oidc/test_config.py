"""How an operator names providers, and what stops the start."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from accounts.oidc import config
from dashboard import oidc_settings

ENVIRONMENT = {
    "SERAI_OIDC_ISSUER": "https://login.example.org/realms/engine/",
    "SERAI_OIDC_CLIENT_ID": "serai",
    "SERAI_OIDC_NAME": "Difference Institute",
}


@pytest.fixture
def read(monkeypatch, tmp_path):
    """The providers of this environment; a text that is a file's stands for the file."""

    def with_environment(**changes: str | None) -> tuple[config.Identity, ...]:
        for name, value in {**ENVIRONMENT, **changes}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return oidc_settings.providers()

    return with_environment


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "file"
        path.write_text(text)
        return str(path)

    return write


def test_without_an_issuer_there_is_none(read):
    assert read(SERAI_OIDC_ISSUER=None) == ()


def test_one_provider_is_named_by_variables(read, file):
    (identity,) = read(SERAI_OIDC_CLIENT_SECRET_FILE=file("hush\n"), SERAI_OIDC_SCOPES="openid,email")
    assert identity.issuer == "https://login.example.org/realms/engine"
    assert (identity.id, identity.name, identity.secret) == ("oidc", "Difference Institute", "hush")
    assert identity.scopes == ("openid", "email")
    assert "hush" not in repr(identity)


def test_several_are_named_by_a_file(read, file):
    text = """
    - {id: egi, issuer: "https://aai.egi.eu/auth/realms/egi", client_id: serai, admit: matched,
       rules: [{claim: groups, value: "a*", level: advanced, operator: true}]}
    - {id: institute, name: Institute, issuer: "https://login.example.org", client_id: other}
    """
    egi, institute = read(SERAI_OIDC_ISSUER=None, SERAI_OIDC_PROVIDERS=file(text))
    assert egi.rules == config.Rules("matched", (config.Rule("groups", "a*", level="advanced", operator=True),))
    assert (egi.name, institute.name) == ("egi", "Institute")
    assert institute.scopes == ("openid", "profile", "email")


def test_rules_lie_in_a_file_of_their_own(read, file):
    rules = "rules:\n- {claim: groups, value: engine, project: engine, role: manager}\n"
    (identity,) = read(SERAI_OIDC_RULES=file(rules))
    assert identity.rules.projects == ("engine",)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"SERAI_OIDC_ISSUER": "http://login.example.org"}, "must begin with https://"),
        ({"SERAI_OIDC_ISSUER": "login.example.org"}, "SERAI_OIDC_ISSUER takes an address"),
        ({"SERAI_OIDC_CLIENT_ID": None}, "needs the client id"),
        ({"SERAI_OIDC_SCOPES": "email"}, "must hold openid"),
        ({"SERAI_OIDC_CLIENT_SECRET_FILE": "/nowhere"}, "cannot be read"),
        ({"SERAI_OIDC_RULES": "/nowhere"}, "cannot be read"),
        ({"SERAI_OIDC_PROVIDERS": "/nowhere"}, "not by both"),
    ],
)
def test_a_wrong_variable_stops_the_start_with_a_sentence(read, changes, why):
    with pytest.raises(ImproperlyConfigured, match=why):
        read(**changes)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("[", "no YAML"),
        ("[]", "takes the keys admit and rules"),
        ("rule: []", "takes the keys admit and rules"),
        ("admit: nobody", "admit takes everybody or matched"),
        ("rules: {claim: a}", "takes a list of rules"),
        ("rules: [{claim: a}]", "needs a claim and a value"),
        ("rules: [{claim: a, value: 5}]", "both texts"),
        ("rules: [{claim: a, value: b, levle: advanced}]", "levle is no key"),
        ("rules: [{claim: a, value: b, level: highest}]", "level takes basic, intermediate, advanced"),
        ("rules: [{claim: a, value: b, project: c, role: king}]", "role takes viewer, member, manager"),
        ("rules: [{claim: a, value: b, operator: 'yes'}]", "take true or false"),
    ],
)
def test_a_wrong_rule_stops_the_start_with_a_sentence(read, file, rules, why):
    with pytest.raises(ImproperlyConfigured, match=why):
        read(SERAI_OIDC_RULES=file(rules))


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ("{}", "takes a list of providers"),
        ("[egi]", "takes a list of providers"),
        ("[{id: egi, issuer: 'https://a.example'}]", "needs a text as its client_id"),
        ("[{id: 'e/g', issuer: 'https://a.example', client_id: a}]", "takes letters, digits and hyphens"),
        ("[{id: a, issuer: 'https://a.example', client_id: a, secret: b}]", "secret is no key"),
        ("[{id: a, issuer: 'https://a.example', client_id: a, scopes: openid}]", "scopes takes a list"),
        (
            "[{id: a, issuer: 'https://a.example', client_id: a}, {id: b, issuer: 'https://a.example/', client_id: a}]",
            "the same id or issuer",
        ),
    ],
)
def test_a_wrong_file_of_providers_stops_the_start_with_a_sentence(read, file, entries, why):
    with pytest.raises(ImproperlyConfigured, match=why):
        read(SERAI_OIDC_ISSUER=None, SERAI_OIDC_PROVIDERS=file(entries))
