"""What lies in uploads and in the service's data folder: looked at before it is imported."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from gan_aug_service.access.authentication import Editor, Principal
from gan_aug_service.components import Components
from gan_aug_service.openapi.data import PreviewOut
from gan_aug_service.products.folder_preview import FolderPreview, preview_folder
from gan_aug_service.records.allowed_paths import resolve_root
from gan_aug_service.records.jobs import owns_upload
from gan_aug_service.routes.common import ComponentsDep, versioned_router

router = versioned_router("data")
Root = Annotated[str, Query(min_length=1, max_length=1000, description="as data.root: uploads/ID, or a folder's path")]


@router.get("/data/preview")
def preview(root: Root, principal: Editor, components: ComponentsDep) -> PreviewOut:
    """What an import of an upload or a folder would find: its classes and counts, and which source to choose."""
    found = look_at(components, principal, root)
    return PreviewOut(
        root=root,
        source=found.source,
        said=found.said,
        fault=components.settings.hide_paths(found.fault),
        files=found.files,
        size=found.size,
        outer=list(found.outer),
        classes=found.classes,
        dicom=found.dicom,
        tables=list(found.tables),
    )


def look_at(components: Components, principal: Principal, root: str) -> FolderPreview:
    """What an import would find in the folder that a `data.root` names.

    Args:
        components: The service's components.
        principal: Who asks.
        root: The path, as a request has it.

    Returns:
        What was found.

    Raises:
        ConfigError: Requests may not name it.
    """
    folder = resolve_root(root, components.settings, lambda upload: owns_upload(components, principal, upload))
    return preview_folder(folder)
