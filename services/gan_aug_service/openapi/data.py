"""What an import would find in an upload or a folder, as an answer."""

from __future__ import annotations

from pydantic import BaseModel, Field


class PreviewOut(BaseModel):
    """What an import would find in an upload or a folder; nothing is decoded."""

    root: str = Field(description="what to give as data.root")
    source: str = Field(description="what to give as data.source; empty if none fits")
    said: str = Field(description="it in a sentence")
    fault: str = Field(description="why an import of the class folders would be refused; empty if it would not be")
    files: int
    size: int
    outer: list[str] = Field(description="folders that wrap all class folders, and mean nothing")
    classes: dict[str, int] = Field(description="images of each class folder")
    dicom: int = Field(description="DICOM files")
    tables: list[str] = Field(description="tables beside the images")
