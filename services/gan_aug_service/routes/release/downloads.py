"""Downloads of synthetic sets and models: each rests on a release, and passes the gate of the privacy audit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Query
from fastapi.responses import StreamingResponse

from gan_aug.data.pictures.marks import archive_marks
from gan_aug.export.formats import FORMATS, FormatName, either
from gan_aug.export.models import MODEL_FORMATS
from gan_aug.export.streams import file_member, zip_of
from gan_aug.privacy.record import said_when_released
from gan_aug.run import layout
from gan_aug_service.access.authentication import Viewer
from gan_aug_service.openapi.descriptions import file_responses, problem_responses
from gan_aug_service.products import summaries
from gan_aug_service.products.release import let_out, releasable
from gan_aug_service.records import releases
from gan_aug_service.records.sharing import find_set
from gan_aug_service.routes.common import ComponentsDep, Id, versioned_router
from gan_aug_service.routes.release.releases import find

if TYPE_CHECKING:
    from gan_aug.gan.state import Checkpoint

    ModelDownload = str
else:
    ModelDownload = Literal[("generator", *MODEL_FORMATS)]

router = versioned_router("releases")

ReleaseAnyway = Annotated[
    str | None,
    Query(
        min_length=3,
        max_length=500,
        description="why it is to leave this once though the privacy audit refuses it, or it was not released: for "
        "admins, and noted as a release that has ended",
    ),
]


@router.get(
    "/synthetic/{id}/download",
    response_class=StreamingResponse,
    responses=problem_responses(403, 404, 409) | file_responses(*(row.media_type for row in FORMATS.values())),
)
def download_set(
    id: Id,
    principal: Viewer,
    components: ComponentsDep,
    format: Annotated[FormatName, Query(description=either(row.download for row in FORMATS.values()))] = "png",
    release_anyway: ReleaseAnyway = None,
) -> StreamingResponse:
    """All images of a synthetic set that was released, sent as they are read from disk.

    That may be a set of another project that shares with the key's.
    409 if the privacy audit refuses the set or there is none, and 403 if it was not released: the answer says whom to
    ask.
    """
    run = find_set(components, principal, id).run
    what = releasable(components.settings.runs / run.id, "set")
    leaving = releases.leaving_by(components, principal, run, what, f"download {format}", release_anyway)
    folder = let_out(what, leaving)
    with components.database.writing() as session:
        principal.audit(session, "synthetic.download", id, _noted(format, release_anyway))
    wanted = FORMATS[format]
    content = wanted.stream(folder, audited=said_when_released(what.audit, "set"))
    headers = {"Content-Disposition": f'attachment; filename="synthetic-{id}{wanted.suffix}"', "X-Synthetic": "true"}
    return StreamingResponse(content, headers=headers, media_type=wanted.media_type)


@router.get(
    "/models/{id}/download",
    response_class=StreamingResponse,
    responses=problem_responses(403, 404, 409) | file_responses("application/zip"),
)
def download_model(
    id: Id,
    principal: Viewer,
    components: ComponentsDep,
    format: Annotated[
        ModelDownload,
        Query(
            description="; ".join(
                ["generator: its weights and its record", *(f"{n}: {row.download}" for n, row in MODEL_FORMATS.items())]
            )
        ),
    ] = "generator",
    release_anyway: ReleaseAnyway = None,
) -> StreamingResponse:
    """The averaged generator as a zip; never the discriminator, which reveals its training images.

    It must have been released, as a synthetic set. Its record says how many images the training had and the data set's
    fingerprint, and has no hash of an image.
    """
    from gan_aug.gan.chosen import chosen_checkpoint

    run = find(components, principal, id, "model")
    what = releasable(components.settings.runs / run.id, "model")
    chosen = chosen_checkpoint(what.folder / layout.TRAIN)
    if chosen is None or chosen.id != what.identity:
        raise summaries.no_checkpoint(what.folder)
    let_out(what, releases.leaving_by(components, principal, run, what, f"download {format}", release_anyway))
    with components.database.writing() as session:
        principal.audit(session, "model.download", id, _noted(format, release_anyway))
    if format in MODEL_FORMATS:
        content = MODEL_FORMATS[format].stream(chosen, said_when_released(what.audit, "model"))
    else:
        content = _generator(chosen)
    kind = "" if format == "generator" else f"-{format}"
    headers = {"Content-Disposition": f'attachment; filename="model-{id}{kind}.zip"'}
    return StreamingResponse(content, headers=headers, media_type="application/zip")


def _generator(chosen: Checkpoint) -> Iterator[bytes]:
    """The averaged generator and its record as the bytes of a zip."""
    from gan_aug.gan.state import GENERATOR, RECORD, released_record

    record = json.dumps(released_record(chosen), indent=2, ensure_ascii=False).encode()
    marks = archive_marks({"checkpoint": chosen.id, "labels": list(chosen.labels)}, "The images that this model makes")
    members = [*((name, [part]) for name, part in (*marks, (RECORD, record))), file_member(chosen.path, GENERATOR)]
    return zip_of(members)


def _noted(what: str, anyway: str | None) -> str:
    """The detail of a download in the audit trail."""
    return what if anyway is None else f"{what}, whatever the privacy audit says: {anyway}"
