"""Clients that go away: nothing is worked out any further for one that has hung up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request

from gan_aug_service.http.problems import Problem

Result = TypeVar("Result")


async def while_there(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` gives, which is cancelled once the client of `request` has gone; raises Problem then.

    The request's body must have been read: what comes after it is the client's going.
    """
    working, going = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, going), return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and going.exception() is None:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "the client has gone: nobody reads this")
        return await working
    finally:
        working.cancel()
        going.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
