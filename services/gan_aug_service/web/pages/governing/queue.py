"""The queue as a page: what waits in which order; jobs are paused and moved, and administrators pause all."""

from __future__ import annotations

from http import HTTPStatus
from typing import get_args

from fastapi.responses import Response

from gan_aug_service.http.problems import Problem
from gan_aug_service.records import queue
from gan_aug_service.routes.common import ComponentsDep, Id
from gan_aug_service.routes.queue import queue_out
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import AdminForm, CurrentViewer, EditorForm
from gan_aug_service.web.kit.rendering import render

router = page_router()
QUEUE = "/queue"


@router.get(QUEUE)
def queue_page(user: CurrentViewer, components: ComponentsDep) -> Response:
    """The jobs that wait, in the order in which they start."""
    return render("jobs/queue.html", user, queue=queue_out(user.principal, components))


@router.post("/queue/pause")
def pause_queue(form: AdminForm, components: ComponentsDep) -> Response:
    """Let no job start from now on."""
    queue.pause_queue(components, form.user.principal, paused=True)
    return redirect(QUEUE)


@router.post("/queue/continue")
def continue_queue(form: AdminForm, components: ComponentsDep) -> Response:
    """Let jobs start again."""
    queue.pause_queue(components, form.user.principal, paused=False)
    return redirect(QUEUE)


@router.post("/jobs/{id}/pause")
def pause_job(id: Id, form: EditorForm, components: ComponentsDep) -> Response:
    """Let a job that waits not start until it goes on."""
    queue.pause_job(components, form.user.principal, id, paused=True)
    return redirect(f"/jobs/{id}")


@router.post("/jobs/{id}/continue")
def continue_job(id: Id, form: EditorForm, components: ComponentsDep) -> Response:
    """Let a job that was paused wait for its turn again."""
    queue.pause_job(components, form.user.principal, id, paused=False)
    return redirect(f"/jobs/{id}")


@router.post("/jobs/{id}/turn")
def set_turn(id: Id, form: AdminForm, components: ComponentsDep) -> Response:
    """Put a job that waits before all others, behind them, or where its project's turn puts it."""
    turn = form.text("turn")
    known: tuple[queue.Turn, ...] = get_args(queue.Turn)
    chosen = next((name for name in known if name == turn), None)
    if chosen is None:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"turn: {turn[:40]!r} is no place in the queue: load the page again"
        )
    queue.set_turn(components, form.user.principal, id, chosen)
    return redirect(QUEUE)
