"""The OpenAPI document is a promise to scripts: it changes only together with its committed copy."""

import json
from pathlib import Path

from dashboard.api.v1 import api

COPY = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"


def test_the_document_is_the_committed_one():
    document = json.loads(json.dumps(api.get_openapi_schema()))

    assert document == json.loads(COPY.read_text()), (
        "The REST API changed. If that is meant: python manage.py write_openapi, raise the version and tell CHANGELOG."
    )


def test_every_operation_has_a_name_a_summary_and_a_group():
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            assert all(operation.get(word) for word in ("operationId", "summary", "tags")), (method, path)
