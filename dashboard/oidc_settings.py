"""Which providers of identities the environment names."""

from django.core.exceptions import ImproperlyConfigured

from accounts.oidc import config
from dashboard import env


def providers() -> tuple[config.Identity, ...]:
    """One by variables, several by a file, or none."""
    file, issuer = env.text("SERAI_OIDC_PROVIDERS"), env.url("SERAI_OIDC_ISSUER")
    if file and issuer:
        raise ImproperlyConfigured("Name providers by SERAI_OIDC_PROVIDERS or by SERAI_OIDC_ISSUER, not by both.")
    if file:
        return config.several(file)
    if not issuer:
        return ()
    return config.one(
        issuer,
        client_id=env.text("SERAI_OIDC_CLIENT_ID"),
        name=env.text("SERAI_OIDC_NAME"),
        secret_file=env.text("SERAI_OIDC_CLIENT_SECRET_FILE"),
        scopes=env.words("SERAI_OIDC_SCOPES", config.SCOPES),
        rules_file=env.text("SERAI_OIDC_RULES"),
    )
