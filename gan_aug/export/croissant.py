"""The description of an exported table by Croissant 1.0, the vocabulary of MLCommons for data sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gan_aug.export.card import TITLE, USE, features
from gan_aug.version import __version__

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.export.folder import Sums

CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet",
    "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/", "recordSet": "cr:recordSet", "references": "cr:references",
    "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
"""The context of every document of Croissant 1.0."""

MEDIA_TYPE = "application/x-parquet"


def croissant(manifest: SyntheticManifest, sums: Sums) -> str:
    """The description, as JSON, of a set written as Parquet files with these sums."""
    tables = [(name, sha256) for name, sha256 in sums if name.endswith(".parquet")]
    plain = USE.replace("**", "")
    record = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "synthetic-images",
        "description": f"{TITLE} that gan-aug {__version__} wrote; none is a recording of a patient. {plain}",
        "license": "unknown",
        "keywords": ["synthetic", "gan-aug"],
        "distribution": [
            *({"@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name, "encodingFormat": MEDIA_TYPE,
               "sha256": sha256} for name, sha256 in tables),
            {"@type": "cr:FileSet", "@id": "tables", "name": "tables", "encodingFormat": MEDIA_TYPE,
             "includes": "data/*.parquet"},
        ],
        "recordSet": [_classes(manifest), _images(manifest)],
    }  # fmt: skip
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _classes(manifest: SyntheticManifest) -> dict[str, Any]:
    """The names of the classes, by their positions."""
    fields = [("position", "sc:Integer"), ("name", "sc:Text")]
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/position"},
        "field": [
            {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind} for name, kind in fields
        ],
        "data": [{"classes/position": k, "classes/name": name} for k, name in enumerate(manifest.labels)],
    }


def _images(manifest: SyntheticManifest) -> dict[str, Any]:
    """The columns of the table."""
    kinds = {"image": "sc:ImageObject", "number": "sc:Integer"}
    fields = []
    for name in features(manifest):
        source: dict[str, Any] = {"fileSet": {"@id": "tables"}, "extract": {"column": name}}
        if name == "image":
            source["transform"] = {"jsonPath": "bytes"}
        field: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"images/{name}",
            "name": name,
            "dataType": kinds.get(name, "sc:Integer"),
            "source": source,
        }
        if name == "label":
            field["references"] = {"field": {"@id": "classes/position"}}
        if name == "labels":  # references of lists are read by no program yet
            field["repeated"] = True
        fields.append(field)
    return {"@type": "cr:RecordSet", "@id": "images", "name": "images", "field": fields}
