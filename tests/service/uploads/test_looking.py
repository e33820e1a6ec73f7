"""The page Data: what is in uploads and folders before they are imported, who may look, and what the disk holds."""

from __future__ import annotations

import io
import shutil
import zipfile
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gan_aug_service.products.folder_preview import preview_folder
from tests.support.service.page_samples import see, send, sign_in
from tests.support.service.service_samples import Service

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def picture(mode: str = "L", level: int = 7) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (20, 10), level).save(out, "PNG")
    return out.getvalue()


DICOM = b"\0" * 128 + b"DICM" + b"\0" * 20
WRAPPED = {f"my set/{label}/{k}.png": picture() for label in ("benign", "malignant") for k in range(3)}


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def upload(service: Service, files: dict[str, bytes], name: str = "Filme Jürgen.zip") -> dict[str, Any]:
    answer = service.call("POST", "/v1/uploads", params={"name": name}, content=packed(files),
                          headers={"Content-Type": "application/zip"})  # fmt: skip
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.parametrize(
    ("files", "source", "said"),
    [
        (WRAPPED, "folder", "One outer folder: my set; classes benign (3), malignant (3)."),
        (WRAPPED | {"__MACOSX/my set/benign/._0.png": b"x", ".DS_Store": b"x"}, "folder",
         "One outer folder: my set; classes benign (3), malignant (3)."),
        ({"a/b/benign/1.png": b"", "a/b/malignant/1.png": b""}, "folder",
         "Outer folders: a/b; classes benign (1), malignant (1)."),
        ({"train/x/1.png": b"", "train/y/1.png": b"", "test/x/1.png": b"", "test/y/2.png": b""}, "folder",
         "Classes x (2), y (2); with folders for training, validation or test, which are kept."),
        ({"CT/1": DICOM, "CT/2": DICOM, "CT/3.dcm": b""}, "dicom", "DICOM, 3 files: choose the source dicom."),
        ({"index.csv": b"file,label\n", "1.png": b"", "2.png": b""}, "csv",
         "A table, index.csv: choose the source csv if it holds the labels."),
        ({"1.png": b"", "2.png": b""}, "",
         "2 image files are in no class folder: put the images of each class into a folder of its own, and send that "
         "folder."),
        ({"readme.txt": b"no"}, "", "No image, DICOM file or table was found."),
    ],
)  # fmt: skip
def test_what_an_import_would_find_is_said(
    database: str, tmp_path: Path, files: dict[str, bytes], source: str, said: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = preview_folder(tmp_path)
    assert (found.source, found.said) == (source, said)
    assert found.files == len([name for name in files if not name.startswith((".", "__"))])


def test_an_upload_is_looked_at_before_it_is_imported(service: Service) -> None:
    sent = upload(
        service, WRAPPED | {"my set/benign/deep.png": picture("I;16", 40_000), "my set/benign/torn.png": b"x"}
    )
    assert (sent["title"], sent["owner"]) == ("Filme Jürgen.zip", "editor")
    shown = service.call("GET", "/v1/data/preview", params={"root": sent["root"]}).json()
    assert (shown["classes"], shown["source"], shown["outer"]) == ({"benign": 5, "malignant": 3}, "folder", ["my set"])
    sign_in(service)
    assert f"/data/look?root=uploads%2F{sent['id']}" in see(service, "/data").text.replace("uploads/", "uploads%2F")
    page = unescape(see(service, f"/data/look?root={sent['root']}").text)
    assert "One outer folder: my set; classes benign (5), malignant (3)." in page
    assert f"/new?source=folder&root={sent['root']}" in page
    assert f'value="{sent["root"]}"' in see(service, f"/new?source=folder&root={sent['root']}&verb=import").text
    sheet = see(service, f"/data/look/0.png?root={sent['root']}")
    assert (sheet.headers["content-type"], sheet.headers["cache-control"]) == ("image/png", "no-store")
    assert Image.open(io.BytesIO(sheet.content)).size == (4 * 96 + 3 * 4, 96)
    assert see(service, f"/data/look/2.png?root={sent['root']}").status_code == 404
    answer = send(service, f"/data/uploads/{sent['id']}/about", {"title": "Juni", "tags": "x", "notes": ""})
    assert (answer.status_code, answer.headers["location"]) == (303, "/data")
    assert "Juni" in see(service, "/data?q=JUNI&tag=x").text
    assert send(service, f"/data/uploads/{sent['id']}/about", {"title": "", "tags": ""}).status_code == 422
    assert "cannot be restored" in see(service, f"/data/uploads/{sent['id']}/remove").text
    assert send(service, f"/data/uploads/{sent['id']}/remove").headers["location"] == "/data"
    assert not (service.settings.uploads / sent["id"]).exists()


def test_others_see_neither_images_nor_folders_outside(service: Service) -> None:
    sent = upload(service, WRAPPED)
    assert service.settings.data
    (service.settings.data / "chest" / "a").mkdir(parents=True)
    (service.settings.data / "out").symlink_to("/etc")
    for who, status in (("viewer", 403), ("stranger", 422), ("admin", 200)):
        sign_in(service, who)
        for path in (f"/data/look?root={sent['root']}", f"/data/look/0.png?root={sent['root']}"):
            assert see(service, path).status_code == status, (who, path)
        assert service.call("GET", f"/v1/data/preview?root={sent['root']}", who).status_code == status
        shown = see(service, "/data").text
        assert ("Filme Jürgen.zip" in shown) == (who != "stranger")
        assert ("/data/look?" in shown) == (who != "viewer")
    sign_in(service)
    assert see(service, "/data/look?root=chest").status_code == 200
    for wrong in (
        "../state",
        "/etc",
        "out",
        "uploads",
        "uploads/" + "0" * 24,
        "chest/none",
        "a\0b",
        "x" * 999,
        "chest\\a",
    ):
        answer = service.call("GET", "/v1/data/preview", params={"root": wrong})
        assert answer.status_code == 422, wrong
        assert str(service.settings.state.parent) not in answer.text
    assert see(service, f"/data/uploads/{sent['id']}/about").status_code == 200
    sign_in(service, "stranger")
    assert see(service, f"/data/uploads/{sent['id']}/remove").status_code == 404
    assert send(service, f"/data/uploads/{sent['id']}/remove").status_code == 404


def test_what_projects_take_on_disk_is_shown(service: Service, whole_run: Path) -> None:
    upload(service, WRAPPED)
    run = service.settings.runs / service.place(whole_run)
    shutil.copyfile(run / "report.json", run / "again.json")
    sign_in(service, "stranger")
    assert "lungs" not in see(service, "/data").text
    sign_in(service, "admin")
    page = see(service, "/data").text
    assert '<th scope="row">lungs</th><td class="number">1</td>' in page
    assert "The uploads of one project may take 100.0 GiB" in page
