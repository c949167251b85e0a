"""What an ID token must be before a word of it is believed (OpenID Connect Core, section 3.1.3.7)."""

import hashlib
from collections.abc import Mapping
from typing import Any

import jwt
from allauth.socialaccount.providers.oauth2.client import OAuth2Error

# Signed by the provider's own key; neither "none" nor a secret that the client knows too.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
REQUIRED = ["iss", "sub", "aud", "exp", "iat"]
LEEWAY_SECONDS = 60  # by which two clocks may differ


class Untrusted(OAuth2Error):  # type: ignore[misc]  # allauth is untyped
    """The provider's answer is not what it must be; the text is for the log."""


def nonce_for(code_verifier: str) -> str:
    """Bound to the one sign-in that the verifier belongs to, which this session alone knows."""
    return hashlib.sha256(f"nonce {code_verifier}".encode()).hexdigest()


def claims_of(id_token: str, keys: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str) -> dict[str, Any]:
    """The claims of an ID token that was made for us, now, for this sign-in. Raises Untrusted."""
    try:
        claims: dict[str, Any] = jwt.decode(
            id_token,
            _key(id_token, keys),
            algorithms=ALGORITHMS,
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED},
        )
    except jwt.PyJWTError as error:
        raise Untrusted(f"its ID token: {error}") from error
    if claims.get("azp", client_id) != client_id:
        raise Untrusted("its ID token was made for another client")
    if claims.get("nonce") != nonce:
        raise Untrusted("its ID token belongs to another sign-in")
    return claims


def merged(claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """Both answers about one person; what the token says of itself is not overwritten."""
    if userinfo.get("sub") != claims["sub"]:
        raise Untrusted("its user information is about somebody else")
    return {**userinfo, **{name: claims[name] for name in REQUIRED}, **_missing(claims, userinfo)}


def _missing(claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in userinfo}


def _key(id_token: str, keys: Mapping[str, Any]) -> Any:
    kid = jwt.get_unverified_header(id_token).get("kid")
    usable = [key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys if key.public_key_use in (None, "sig")]
    # A provider with one key may leave its name out.
    fitting = [key for key in usable if kid in (None, key.key_id)]
    if len(fitting) != 1:
        raise jwt.InvalidKeyError(f"it is signed by no key, or by none that the provider shows ({kid})")
    return fitting[0].key
