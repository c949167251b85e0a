"""One provider of identities, as allauth is told of it: each answer is checked before a word of it is believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from .config import Identity
from .outgoing import ProviderSession, Refused, check_place
from .tokens import Untrusted, claims_of, merged, nonce_for

DISCOVERY = "/.well-known/openid-configuration"
NEEDED = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
LONGEST_SUBJECT = 191  # allauth's column
KEPT = ("name", "preferred_username", "email")  # of all claims, what the profile shows


@dataclass(frozen=True)
class Answer:
    """What a provider says of the person who signed in there, checked."""

    identity: Identity
    claims: Mapping[str, Any]
    end_session_url: str = ""  # where they sign out of it


def identity_of(provider_id: str) -> Identity | None:
    """By its id, or by its issuer, which rows of accounts hold."""
    found = (one for one in settings.OIDC_PROVIDERS if provider_id in (one.id, one.issuer))
    return next(found, None)


class IdentityAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth is untyped
    """The calls of one sign-in."""

    nonce = ""

    @cached_property
    def identity(self) -> Identity:
        identity: Identity = self.get_provider().identity
        return identity

    @cached_property
    def openid_config(self) -> dict[str, Any]:
        config = self._ask("get", self.identity.issuer + DISCOVERY)
        if not all(isinstance(config.get(name), str) for name in NEEDED):
            raise Untrusted(f"its configuration lacks one of {', '.join(NEEDED)}")
        if config["issuer"].rstrip("/") != self.identity.issuer:
            raise Untrusted(f"its configuration is that of {config['issuer']}")
        check_place(self.identity, config["authorization_endpoint"])
        return config

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """Below the address that the provider knows Serai by, whichever name the browser used."""
        return settings.SERAI_URL + reverse("signin-back", args=[self.identity.id])

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str = ""
    ) -> dict[str, Any]:
        self.nonce = nonce_for(pkce_code_verifier)
        form = {
            "grant_type": "authorization_code",
            "code": request.GET["code"],
            "redirect_uri": client.callback_url,
            "code_verifier": pkce_code_verifier,
            "client_id": self.identity.client_id,
        }
        answer = self._ask("post", self.openid_config["token_endpoint"], data=form, **self._credentials(form))
        if not isinstance(answer.get("access_token"), str) or not isinstance(answer.get("id_token"), str):
            raise Untrusted("it gave no access token or no ID token")
        return {"access_token": answer["access_token"], "id_token": answer["id_token"]}

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **options: Any) -> SocialLogin:
        config = self.openid_config
        keys = self._ask("get", config["jwks_uri"])
        client_id = self.identity.client_id
        claims = claims_of(
            options["response"]["id_token"], keys, issuer=config["issuer"], client_id=client_id, nonce=self.nonce
        )
        if place := config.get("userinfo_endpoint"):
            claims = merged(claims, self._ask("get", place, headers={"Authorization": f"Bearer {token.token}"}))
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= LONGEST_SUBJECT:
            raise Untrusted("its subject is no text, or is too long")
        login = self.get_provider().sociallogin_from_response(request, claims)
        login.answer = Answer(self.identity, claims, self._end_session_url())
        return login

    def _end_session_url(self) -> str:
        """A page for the browser; one that is no web address is none."""
        url = self.openid_config.get("end_session_endpoint")
        return url if isinstance(url, str) and url.startswith(("https://", "http://")) else ""

    def _credentials(self, form: dict[str, str]) -> dict[str, Any]:
        """The client's secret as the provider takes it: in the form, or as HTTP's own (the standard's default)."""
        secret = self.identity.secret
        if not secret:
            return {}
        if "client_secret_post" in self.openid_config.get("token_endpoint_auth_methods_supported", ()):
            form["client_secret"] = secret
            return {}
        return {"auth": (quote(self.identity.client_id, safe=""), quote(secret, safe=""))}

    def _ask(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        with ProviderSession(self.identity) as session:
            response = session.request(method, url, **options)
        if response.status_code >= 500:
            raise Refused(f"{url} answers {response.status_code}")
        if response.status_code != 200:
            raise Untrusted(f"{url} answers {response.status_code}: {response.text[:200]!r}")
        answer = response.json()
        if not isinstance(answer, dict):
            raise Untrusted(f"{url} answers no object")
        return answer


class IdentityProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """Named by ``SOCIALACCOUNT_PROVIDERS``: allauth makes one a request."""

    oauth2_adapter_class = IdentityAdapter

    @property
    def identity(self) -> Identity:
        identity = identity_of(self.app.provider_id)
        assert identity is not None
        return identity

    @property
    def sub_id(self) -> str:
        """What accounts are kept under: the issuer, since a subject is unique only there."""
        return self.identity.issuer

    def get_pkce_params(self) -> dict[str, str]:
        """With the nonce, which goes to the provider beside the challenge and comes back in the ID token."""
        params: dict[str, str] = generate_code_challenge()
        return {**params, "nonce": nonce_for(params["code_verifier"])}

    def get_scope(self) -> list[str]:
        return list(self.identity.scopes)

    def extract_uid(self, data: Mapping[str, Any]) -> str:
        return str(data["sub"])

    def extract_extra_data(self, data: Mapping[str, Any]) -> dict[str, str]:
        return {name: data[name] for name in KEPT if isinstance(data.get(name), str)}

    def extract_common_fields(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {}  # accounts.oidc.people reads the claims itself

    def extract_email_addresses(self, data: Mapping[str, Any]) -> list[Any]:
        return []  # nobody is ever found by an address
