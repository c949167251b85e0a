"""How a job's services tell an ingress of themselves: the one place that knows Traefik's words."""

from datacenters.jobspec import Port

# In Traefik's own configuration (docs/how-to/put-an-ingress-before-endpoints.md): asks Serai about each request.
ASKS_SERAI = "serai@file"
ENTRY = "websecure"


def tags(name: str, port: Port) -> list[str]:
    """Tags of a port's service; none where the gateway alone shows it."""
    if not port.host:
        return []
    router = f"traefik.http.routers.{name}"
    return [
        "traefik.enable=true",
        # What is below /.serai/ hands people over: that is Serai's own.
        f"{router}.rule=Host(`{port.host}`) && !PathPrefix(`/.serai/`)",
        f"{router}.entrypoints={ENTRY}",
        f"{router}.tls=true",
        f"{router}.middlewares={ASKS_SERAI}",
    ]
