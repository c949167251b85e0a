"""Connections to endpoints that are kept: one pool for all by plain HTTP, and one for each authority of TLS."""

from collections import OrderedDict

import httpcore

from .http import new_pool

# Each has its own context of TLS, some 50 kB; every federation that was ever asked would leave one.
AT_MOST = 100


class Pools:
    def __init__(self, at_most: int = AT_MOST) -> None:
        self._at_most = at_most
        self._plain: httpcore.AsyncConnectionPool | None = None
        self._by_authority: OrderedDict[str, httpcore.AsyncConnectionPool] = OrderedDict()  # last used last

    def __len__(self) -> int:
        return len(self._by_authority)

    async def of(self, authority: str) -> httpcore.AsyncConnectionPool:
        """Made at first use: it belongs to the running event loop."""
        if not authority:
            self._plain = self._plain or new_pool()
            return self._plain
        pool = self._by_authority.pop(authority, None) or new_pool(authority)
        self._by_authority[authority] = pool
        await self._close_what_rests()
        return pool

    async def close(self) -> None:
        for pool in (self._plain, *self._by_authority.values()):
            if pool:
                await pool.aclose()
        self.forget()

    def forget(self) -> None:
        """Without closing them, when their event loop is gone."""
        self._plain = None
        self._by_authority.clear()

    async def _close_what_rests(self) -> None:
        """Those that were used longest ago and have no request now; where all have one, all are needed."""
        resting = [authority for authority, pool in self._by_authority.items() if _rests(pool)][:-1]
        for authority in resting[: max(0, len(self) - self._at_most)]:
            await self._by_authority.pop(authority).aclose()


def _rests(pool: httpcore.AsyncConnectionPool) -> bool:
    return all(connection.is_idle() or connection.is_closed() for connection in pool.connections)
