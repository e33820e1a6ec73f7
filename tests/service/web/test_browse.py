"""The pages of data sets, models, synthetic sets and reports: who sees what, what is escaped, what is kept."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest, open_shards
from gan_aug.report.words.verdict import answer
from gan_aug_service.web.kit.rendering import POLICY
from gan_aug_service.web.pages import synthetic
from tests.support.service.service_samples import NOBODY, Service

PAGE = {"Accept": "text/html,application/xhtml+xml"}
LISTS = ["/datasets", "/models", "/synthetic", "/reports"]
PAGES = ["/datasets/{id}", "/models/{id}", "/synthetic/{id}", "/synthetic/{id}/images/3", "/reports/{id}"]
FILES = [
    "/models/{id}/loss.png",
    "/models/{id}/grid.png",
    "/models/{id}/sample.png?label=3",
    "/models/{id}/sample.npz?label=3",
    "/models/{id}/way.png?label=3",
    "/synthetic/{id}/images/3.png",
    "/reports/{id}/page",
]
HOSTILE = [
    '<script>alert("x")</script>',
    "../../etc/passwd",
    "a&b=1#c",
    "1.5",
    "{{ 7*7 }}",
    "'><img src=x>",
    "x\u202ey",
]


@pytest.fixture
def run(service: Service, whole_run: Path) -> str:
    return service.place(whole_run)


def look(service: Service, path: str, who: str | None = "viewer", status: int = 200, **headers: str) -> Any:
    answer = service.call("GET", path, who, headers=PAGE | headers, follow_redirects=False)
    assert answer.status_code == status, answer.text
    return answer


def picture(answer: Any) -> Any:
    assert answer.headers["content-type"] == "image/png"
    return np.array(Image.open(io.BytesIO(answer.content)))


def hostile(run: Path) -> list[str]:
    """Call the labels of everything in a run folder what an attacker would; gives the ten names."""
    names = [*HOSTILE, "plain", "other", "last"]
    data = Manifest.load(run / "dataset" / "manifest.json")
    notes = ("<b>a note</b>",)
    replace(data, name="<i>set</i>", labels=tuple(names), positive=names[0], notes=notes).save(
        run / "dataset" / "manifest.json"
    )
    record = json.loads((run / "dataset" / "import-report.json").read_text())
    record["reasons"], record["source"] = {"<u>torn</u>": 1234}, "<s>csv</s>"
    (run / "dataset" / "import-report.json").write_text(json.dumps(record))
    made = SyntheticManifest.load(run / "synthetic" / "manifest.json")
    replace(made, labels=tuple(names)).save(run / "synthetic" / "manifest.json")
    for path in (run / "train" / "checkpoints").glob("*/checkpoint.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": names}))
    report = json.loads((run / "report.json").read_text())
    report["dataset"]["name"] = "<i>set</i>"
    (run / "report.json").write_text(json.dumps(report))
    return names


def test_a_project_sees_its_own_alone(service: Service, run: str) -> None:
    for path in PAGES + FILES:
        for who in ("viewer", "editor", "admin"):
            look(service, path.format(id=run), who)
        theirs = look(service, path.format(id=run), "stranger", 404)
        assert theirs.text.replace(run, NOBODY) == look(service, path.format(id=NOBODY), "stranger", 404).text
        assert look(service, path.format(id=run), None, 303).headers["location"].startswith("/sign-in?next=")


def test_what_is_no_id_is_refused(service: Service) -> None:
    for wrong in ("..%2f..%2fetc", "x", "A" * 24, "0" * 25):
        for path in PAGES + FILES:
            answer = look(service, path.format(id=wrong), status=404 if "%2f" in wrong else 422)
            assert answer.text.count("<h1>") == 1


def test_lists_are_of_the_own_project_and_outlast_what_is_torn(service: Service, run: str) -> None:
    for path in LISTS:
        assert run not in look(service, path, "stranger").text
        assert "yet</h2>" in look(service, path, "stranger").text
        assert f"{path}/{run}" in look(service, path).text
    folder = service.settings.runs / run
    for file in (folder / "dataset" / "manifest.json", folder / "synthetic" / "manifest.json", folder / "report.json"):
        file.write_text("{")
    for file in folder.glob("train/checkpoints/*/checkpoint.json"):
        file.write_text("{")
    for path in LISTS:
        torn = look(service, path).text
        assert f"{path}/{run}" in torn
        assert 'class="damaged' in torn
        assert str(service.settings.state) not in torn


def test_every_page_keeps_to_the_policy(service: Service, run: str) -> None:
    for path in LISTS + [path.format(id=run) for path in PAGES]:
        answer = look(service, path)
        assert answer.headers["content-security-policy"].startswith(POLICY)
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<style|<script(?! src=\"/static/)| style=| on\w+=|https?://", answer.text), path
        assert answer.text.count("<h1") == 1


def test_names_from_files_are_only_ever_text(service: Service, run: str) -> None:
    names = hostile(service.settings.runs / run)
    paths = LISTS + [path.format(id=run) for path in PAGES]
    paths += [f"/models/{run}?form={form}" for form in ("sample", "way")]
    for path in paths:
        text = look(service, path, "editor").text
        for bad in ("<script>alert", "<img src=x>", "<i>set", "<b>a note", "<u>torn", "<s>csv", "passwd.png"):
            assert bad not in text, path
        assert "{{ 7*7 }}" in unescape(text) or path.endswith("images/3") or path.startswith("/reports"), path
    shown = look(service, f"/datasets/{run}", "editor").text
    for name in names:
        assert f'<th scope="row">{name}' in unescape(shown)
    assert "1,234" in shown
    for position in range(10):
        assert picture(look(service, f"/datasets/{run}/contact/{position}.png", "editor")).size
    assert {path.parent.name for path in service.settings.runs.rglob("contact-*")} == {"dataset"}
    links = [
        unescape(link) for link in re.findall(r'href="([^"]*label=[^"]*)"', look(service, f"/synthetic/{run}").text)
    ]
    assert len(links) == 10
    for link, name in zip(links, names, strict=True):
        assert f"Images of label {name}</h2>" in unescape(look(service, link.partition("#")[0]).text)
        asked = service.client.build_request("GET", f"/models/{run}", params={"form": "sample", "label": name}).url
        found = unescape(look(service, str(asked)).text)
        sample = re.search(r'<img class="pixels" src="(/models/[^"]*sample.png[^"]*)"', found)
        assert sample, name
        assert picture(look(service, sample[1])).size


def test_a_data_set_is_told_in_numbers(service: Service, run: str) -> None:
    text = look(service, f"/datasets/{run}").text
    manifest = Manifest.load(service.settings.runs / run / "dataset" / "manifest.json")
    for label, counted in manifest.counts()["train"].items():
        assert re.search(rf'<th scope="row">{label}</th>\s*<td class="number">{counted}</td>', text)
    assert manifest.fingerprint in text
    assert "digits, 300 read" in text
    assert "made here: 0.2 of all for test" in text
    assert "not named" in text


def test_real_images_are_for_editors_who_are_written_down(service: Service, run: str) -> None:
    path = f"/datasets/{run}/contact/3.png"
    look(service, path, "viewer", 403)
    look(service, path, "stranger", 404)
    page = look(service, f"/datasets/{run}", "viewer").text
    assert "They are for keys with the role editor, releaser or admin" in page
    assert "contact/" not in page
    assert "contact/9.png" in look(service, f"/datasets/{run}", "editor").text
    folder = service.settings.runs / run / "dataset"
    assert list(folder.glob("contact-*")) == []
    answer = look(service, path, "editor")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == (folder / "contact-3.png").read_bytes()
    drawn = (folder / "contact-3.png").stat().st_mtime_ns
    look(service, path, "editor")
    assert (folder / "contact-3.png").stat().st_mtime_ns == drawn
    os.utime(folder / "contact-3.png", ns=(0, 0))
    look(service, path, "editor")
    assert (folder / "contact-3.png").stat().st_mtime_ns >= drawn
    for wrong in (-1, 10, 10**9):
        assert "no images of label" in look(service, f"/datasets/{run}/contact/{wrong}.png", "editor", 404).text
    rows = service.call("GET", "/v1/audit", "admin").json()["items"]
    seen = [(row["action"], row["target"], row["detail"], row["key_id"]) for row in rows]
    assert seen == [("dataset.contact", run, "3", service.key_ids["editor"])] * 3


def test_a_model_makes_images_by_its_forms(service: Service, run: str) -> None:
    plain = look(service, f"/models/{run}").text
    assert "sample.png" not in plain
    assert "way.png" not in plain
    query = "form=sample&label=3&seed=5&count=4&truncation=0.5"
    text = unescape(look(service, f"/models/{run}?{query}").text)
    (address,) = set(re.findall(r'src="(/models/[^"]*sample.png[^"]*)"', text))
    assert 'value="5"' in text
    assert "Synthetic images, 4 in a grid: label 3, seed 5, truncation 0.5" in text
    answer = look(service, address)
    asked = {"label": "3", "seed": 5, "count": 4, "truncation": 0.5}
    assert answer.content == service.call("POST", f"/v1/models/{run}/sample", json=asked).content
    assert answer.content != service.call("POST", f"/v1/models/{run}/sample", json=asked | {"truncation": 1}).content
    tag = answer.headers["etag"]
    assert answer.headers["cache-control"] == "private, no-cache"
    again = look(service, address, status=304, **{"If-None-Match": f'"x", W/{tag}'})
    assert (again.content, again.headers["etag"]) == (b"", tag)
    look(service, address.replace("seed=5", "seed=6"), **{"If-None-Match": tag})
    arrays = np.load(io.BytesIO(look(service, address.replace(".png", ".npz")).content))
    assert arrays["images"].shape == (4, 1, 16, 16)
    assert float(arrays["truncation"]) == 0.5


def test_truncation_of_one_is_the_plain_draw(service: Service, run: str) -> None:
    def images(**more: Any) -> Any:
        body = {"label": "3", "count": 70, "format": "npz"} | more
        answer = service.call("POST", f"/v1/models/{run}/sample", json=body)
        return np.load(io.BytesIO(answer.content))["images"]

    assert np.array_equal(images(), images(truncation=1.0))
    assert len(np.unique(images(truncation=0), axis=0)) == 1
    for wrong in (-0.1, 1.1, "nan", None):
        answer = service.call("POST", f"/v1/models/{run}/sample", json={"label": "3", "truncation": wrong})
        assert answer.status_code == 422
        assert "truncation" in answer.text


def test_a_way_begins_and_ends_with_its_seeds(service: Service, run: str) -> None:
    text = unescape(look(service, f"/models/{run}?form=way&label=3&seed=5&to=8&frames=7").text)
    (address,) = set(re.findall(r'src="(/models/[^"]*way.png[^"]*)"', text))
    assert 'data-frames="7" data-height="16" data-width="16"' in text
    strip = picture(look(service, address))
    assert strip.shape == (16, 7 * 16)
    for seed, part in ((5, strip[:, :16]), (8, strip[:, -16:])):
        one = service.call("POST", f"/v1/models/{run}/sample", json={"label": "3", "seed": seed})
        assert np.array_equal(part, picture(one))
    assert not np.array_equal(strip[:, 48:64], strip[:, :16])


def test_a_form_says_what_is_wrong_with_it(service: Service, run: str) -> None:
    for query, said in (
        ("form=sample&label=13", "the model has no label '13'"),
        ("form=sample&label=1&label=2", "one label each"),
        ("form=sample", "0 were named"),
        ("form=sample&label=1&seed=4294967296", "seed: Input should be less than 4294967296"),
        ("form=sample&label=1&count=0", "count:"),
        ("form=sample&label=1&truncation=nan", "truncation:"),
        ("form=way&label=1&frames=65", "frames:"),
        ("form=way&label=1&to=<b>", "to:"),
    ):
        text = look(service, f"/models/{run}?{query}").text
        assert said in unescape(text)
        assert text.count('role="alert"') == 1
        form = query[5:].partition("&")[0]
        assert f"{form}.png" not in text
        look(service, f"/models/{run}/{form}.png?{query}", status=422)


def test_a_training_without_pictures_says_so(service: Service, run: str) -> None:
    for path in (service.settings.runs / run / "train").glob("*.png"):
        path.unlink()
    assert "has drawn no pictures yet" in look(service, f"/models/{run}").text
    for name in ("loss", "grid"):
        look(service, f"/models/{run}/{name}.png", status=404)


def test_each_synthetic_image_has_an_address(service: Service, run: str, whole_run: Path) -> None:
    manifest = SyntheticManifest.load(whole_run / "synthetic" / "manifest.json")
    images = open_shards(whole_run / "synthetic", manifest)[:]
    for index in (0, 37, len(images) - 1):
        text = look(service, f"/synthetic/{run}/images/{index}").text
        label = manifest.labels[manifest.image_labels[index][0]]
        assert f'alt="Synthetic image {index}, label {label}, enlarged"' in text
        assert manifest.checkpoint in text
        assert ('rel="prev"' in text, 'rel="next"' in text) == (index > 0, index < len(images) - 1)
        address = re.search(rf"/synthetic/{run}/images/{index}\.png\?v=\w+", text)
        assert address
        answer = look(service, address[0])
        assert np.array_equal(picture(answer), images[index, 0])
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert look(service, address[0].partition("?")[0]).headers["cache-control"] == "private, no-cache"
        look(service, address[0], status=304, **{"If-None-Match": answer.headers["etag"]})
        look(service, address[0], "stranger", 404, **{"If-None-Match": answer.headers["etag"]})
    for wrong in (-1, len(images), 10**30):
        assert "there is no image" in look(service, f"/synthetic/{run}/images/{wrong}", status=404).text
        look(service, f"/synthetic/{run}/images/{wrong}.png", status=404)
    look(service, f"/synthetic/{run}/images/x", status=422)


def test_an_altered_shard_is_not_shown(service: Service, run: str) -> None:
    look(service, f"/synthetic/{run}/images/0.png")
    (shard,) = (service.settings.runs / run / "synthetic").glob("shard-*.npy")
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")
    answer = service.call("GET", f"/synthetic/{run}/images/0.png", "viewer")
    assert answer.status_code == 422
    assert "absent or altered" in answer.json()["detail"]


def test_a_set_is_leafed_through_without_a_gap_or_a_repeat(
    service: Service, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "SHOWN", 30)
    found, path, turned = [], f"/synthetic/{run}", 0
    while path:
        text = look(service, path).text
        found += [int(index) for index in re.findall(r"images/(\d+)\.png", text)]
        ahead = re.search(r'href="([^"#]*)#images" rel="next"', text)
        path, turned = unescape(ahead[1]) if ahead else "", turned + 1
    assert (found, turned) == (list(range(100)), 4)
    look(service, f"/synthetic/{run}?page=5", status=404)
    look(service, f"/synthetic/{run}?page=0", status=422)
    look(service, f"/synthetic/{run}?page={10**20}", status=404)
    text = look(service, f"/synthetic/{run}?label=4").text
    of_label = [int(index) for index in re.findall(r"images/(\d+)\.png", text)]
    assert len(of_label) == 10
    assert "rel=" not in text.partition('id="images"')[2]
    on = look(service, f"/synthetic/{run}/images/{of_label[4]}?label=4").text
    assert f"images/{of_label[3]}?label=4" in on
    assert f"images/{of_label[5]}?label=4" in on
    assert "no label" in look(service, f"/synthetic/{run}?label=13", status=404).text


def test_a_report_is_framed_where_it_can_do_nothing(service: Service, run: str) -> None:
    report = json.loads((service.settings.runs / run / "report.json").read_text())
    listed = look(service, "/reports").text
    assert report["dataset"]["name"] in listed
    assert answer(report)[0] in unescape(listed)
    page = look(service, f"/reports/{run}")
    assert page.headers["content-security-policy"] == f"{POLICY}; frame-src 'self'"
    assert f'sandbox src="/reports/{run}/page"' in page.text
    framed = look(service, f"/reports/{run}/page")
    assert framed.text == service.call("GET", f"/v1/reports/{run}?format=html").text
    policy = framed.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert framed.headers["x-frame-options"] == "SAMEORIGIN"
    for link in re.findall(r'href="(/v1/reports/[^"]*)"', page.text):
        linked = look(service, unescape(link))
        assert linked.status_code == 200
    marked = service.call("GET", f"/v1/reports/{run}?format=md", "viewer")
    assert marked.headers["content-type"] == "text/markdown; charset=utf-8"
    assert marked.text.startswith("# ")


def test_pages_say_that_images_are_synthetic(service: Service, run: str) -> None:
    for path in ("/synthetic", f"/synthetic/{run}", f"/synthetic/{run}/images/0", f"/models/{run}"):
        text = " ".join(look(service, path).text.split())
        assert "How near they come to training images is what the privacy audit looks at" in text, path
