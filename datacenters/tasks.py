"""What the worker does for datacenters."""

from celery import shared_task

from .node_tests import asking


@shared_task  # type: ignore[untyped-decorator]
def test_nodes() -> None:
    asking.ask_due()
