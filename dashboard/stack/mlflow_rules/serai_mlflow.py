"""Run inside MLflow's server: MLflow's own sign-in, and two rules more.

MLflow lets whoever makes an experiment choose where its files lie, any folder of the server's machine among
them, and then reads and writes there as the server. Here all files lie where Serai put them. And it names all
accounts to every account, which here would tell each project of all others.
"""

from collections.abc import Iterator
from typing import Any

from flask import Response, json, make_response, request
from mlflow.server import auth

# In JSON a member of a protocol buffer's message may be written in two ways; the third is a trace's tag.
PLACES = frozenset({"artifact_location", "artifactLocation", "mlflow.artifactLocation"})
PATHS = ("/mlflow/experiments/", "/mlflow/traces")
NO_PLACE = "Files of runs lie where Serai put them: leave out artifact_location."
NO_LIST = "Only Serai's own account may list the accounts."


def authenticate() -> Any:
    """Who asks, as MLflow wants it; or the answer to a request that goes no further."""
    found = auth.authenticate_request_basic_auth()
    if isinstance(found, Response):
        return found
    if _chooses_a_place():
        return _refusal(NO_PLACE)
    if request.path.endswith("/users/list") and not auth.store.get_user(found.username).is_admin:
        return _refusal(NO_LIST)
    return found


def _refusal(why: str) -> Response:
    return make_response({"error_code": "PERMISSION_DENIED", "message": why}, 403)


def _chooses_a_place() -> bool:
    if request.method in ("GET", "HEAD") or not any(path in request.path for path in PATHS):
        return False
    return not PLACES.isdisjoint(_words(_body()))


def _body() -> Any:
    body = request.get_json(force=True, silent=True)
    # MLflow opens a text within the text, too.
    try:
        return json.loads(body) if isinstance(body, str) else body
    except ValueError:
        return None


def _words(value: Any) -> Iterator[str]:
    """Every name and text in a document."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, str):
        yield value
