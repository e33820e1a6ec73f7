"""Clients that disconnect: work for them is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request

from gan_aug_service.http.problems import Problem

Result = TypeVar("Result")


async def cancel_on_disconnect(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`; if the client of `request` disconnects, the work is cancelled and Problem is raised.

    The request's body must have been read: the next message is then the disconnection.
    """
    running, disconnected = asyncio.ensure_future(work), asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait((running, disconnected), return_when=asyncio.FIRST_COMPLETED)
        if not running.done() and disconnected.exception() is None:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "the client has disconnected")
        return await running
    finally:
        running.cancel()
        disconnected.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
