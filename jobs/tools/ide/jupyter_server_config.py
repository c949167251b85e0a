"""Read by JupyterLab's server: its page gets no token. The gateway adds it to each request; no browser need know it."""

from typing import Any


def without_token(_handler: object, page_config: dict[str, Any]) -> dict[str, Any]:
    return {**page_config, "token": ""}


c = get_config()  # type: ignore[name-defined] # noqa: F821 Jupyter puts it there
c.ServerApp.tornado_settings = {"page_config_hook": without_token}
