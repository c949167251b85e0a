"""Answers of the test client, read as a server reads them."""

import asyncio


def whole(answer) -> bytes:
    """The body of one that comes piece by piece from an asynchronous iterator."""

    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return asyncio.run(read())
