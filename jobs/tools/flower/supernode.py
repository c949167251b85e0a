"""Flower's SuperNode, whose own server asks nobody for a login: here it answers this task's processes alone."""

from collections.abc import Awaitable, Callable
from typing import Any

from flwr.supernode import main as node
from flwr.supernode.cli.flower_supernode import flower_supernode

from guard import OnlyOwn, Receive, Scope, Send, refuse

CONNECTED = "/connected"

make = node.create_app


class Connected:
    """Answers whether the federated server has taken this node in; all else is the node's own."""

    def __init__(self, application: Callable[..., Awaitable[None]], state_factory: Any) -> None:
        self.application, self.states = application, state_factory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != CONNECTED:
            await self.application(scope, receive, send)
        elif not self._is_connected():
            await refuse(send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

    def _is_connected(self) -> bool:
        try:
            return bool(self.states.state().get_node_id())
        except ValueError:  # before the server gave it a number
            return False


def guarded(**settings: Any) -> OnlyOwn:
    return OnlyOwn(Connected(make(**settings), settings["state_factory"]), (CONNECTED,))


if __name__ == "__main__":
    node.create_app = guarded
    flower_supernode()
