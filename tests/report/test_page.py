"""The page of an account: it stands alone, says what the account says, and believes nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from odfreeze.report.page import render_page
from odfreeze.runs.account import read_account
from odfreeze.stages.conduct import Conduct, Rate
from tests.support.account_runs import change_json, write_staged, write_trained
from tests.support.tiny_detector import write_detector

_VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """The elements of a page: their tags, attributes and texts, all closed again."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.headings: list[str] = []
        self._open: list[str] = []
        self.feed(data.decode("utf-8"))
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append(f"{tag} ")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] in (["h1"], ["h2"], ["h3"]):
            self.headings[-1] += data
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]


def page_of(directory: Path) -> Page:
    return Page(render_page(read_account(directory)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return write_staged(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture(scope="module")
def page(finished):
    return page_of(finished)


def test_its_sections(page):
    assert page.headings == [
        "h1 Both stages trained and verified: not one frozen value changed",
        "h2 Stages",
        "h2 The model",
        "h3 What learns in which stage",
        "h2 Curves",
        "h3 Metric: DetectionBoxes_Precision/mAP",
        "h3 Total loss of the training",
        "h3 Learning rate",
        "h2 Verification",
        "h2 How far each part moved",
        "h2 Time and memory",
        "h2 Configs",
        "h2 Versions",
    ]


def test_it_says_what_the_account_says(page):
    for words in (
        "Steps 20 in 2 stages", "Time 3 min 00 s", "mAP 0.4 from 0.1", "Learned 880 of 1.11 k",
        "Peak memory 1.0 GiB", "Verified 2 of 2", "1 head verified 272 (24 %) 10 1 min 00 s",
        "frozen to the end (21 %)", "25 %", "lines differ from 01_head/pipeline.config",
        "tensorflow 2.21.0", "2025-01-02 03:04 UTC to 2025-01-02 03:12 UTC",
    ):  # fmt: skip
        assert words.replace(" ", "") in page.text.replace(" ", ""), words


def test_it_loads_nothing_and_runs_nothing(finished):
    text = render_page(read_account(finished)).decode()
    page = Page(text.encode())
    assert not {"script", "link", "img", "iframe", "object", "embed", "image", "use"} & {
        tag for tag, _ in page.elements
    }
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {"src", "href", "srcset", "xlink:href", "action", "data"} & names
    assert not [name for name in names if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", text)
    (policy,) = [m for m in page.all("meta") if m.get("http-equiv")]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_it_can_be_read_without_being_seen(page):
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("title")) > 1  # the page's and those of parts of pictures
    assert len(page.all("h1")) == 1
    pictures = page.all("svg")
    assert len(pictures) == 10  # five, for wide screens and for narrow ones
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))
    assert len(page.all("th")) > 20


def test_every_colour_of_a_stage_has_a_number_beside_it(page):
    chips = [a for a in page.all("span") if "chip" in (a.get("class") or "")]
    assert {a["class"] for a in chips} == {"chip s1", "chip s2", "chip never"}


@pytest.mark.parametrize("trained", [0, 1])
def test_a_run_that_goes_on_has_a_page(tmp_path, trained):
    page = page_of(write_staged(tmp_path / "run", trained=trained))
    assert page.headings[0] == f"h1 {trained} of 2 stages trained and verified so far"
    assert "not begun" in page.text
    assert "To learn" in page.text


def test_a_failed_verification_is_the_headline(tmp_path):
    page = page_of(write_staged(tmp_path / "run", changed=("frozen", "trainable")))
    assert page.headings[:2] == ["h1 Stage 1 did not pass its verification", "h2 What went wrong"]
    assert re.search(r"01_head: \d+ of \d+ frozen variables changed", page.text)
    assert "changed: Conv1/kernel" in page.text


def test_a_single_run_has_a_page(tmp_path):
    config = write_detector(tmp_path, "^Conv1")
    page = page_of(write_trained(tmp_path / "mine", config))
    assert page.headings[0] == "h1 Trained and verified: not one frozen value changed"
    assert "h2 The run" in page.headings
    assert "h3 What learns in which stage" not in page.headings


def test_what_is_missing_is_told(tmp_path):
    root = write_staged(tmp_path / "run", trained=1)
    (root / "01_head/model/odfreeze/report.json").write_text("{")
    page = page_of(root)
    assert "h2 What is missing" in page.headings
    assert re.search(r"01_head: \S+report.json cannot be read: Expecting", page.text)


def test_without_a_list_of_variables_the_rest_is_there(tmp_path):
    root = write_staged(tmp_path / "run", trained=0)
    for index in root.rglob("*.index"):
        index.unlink()
    page = page_of(root)
    assert "h2 The model" not in page.headings
    assert "h2 Configs" in page.headings


HOSTILE = (
    '</pre></style><script>alert("x")</script><img src=x onerror=alert(1)>&lt;\u202e"\'',
    "\x00\x1b[2J\x7f\ud800 ]]> <!-- ${x}",
)


@pytest.mark.parametrize("text", HOSTILE, ids=["markup", "control"])
def test_what_a_stranger_wrote_is_only_text(tmp_path, text):
    root = write_staged(tmp_path / "run")
    config = root / "01_head/pipeline.config"
    config.write_bytes(config.read_bytes() + f"# {text}\n".encode("utf-8", "surrogatepass"))
    kept = root / "01_head/model/odfreeze"
    change_json(
        kept / "report.json", started=text, ended=text, checkpoints=[{"name": text, "bytes": 3}],
        movement=[{"key": text, "label": text, "parameters": 3, "relative_change": 0.1}],
    )  # fmt: skip
    change_json(kept / "verification.json", reasons=[text], ok=False)
    change_json(kept / "record.json", versions={text: text})
    (kept / "until.json").write_text('{"sentence": "</p><script>alert(1)</script>"}')
    with (kept / "curves.jsonl").open("ab") as stream:
        stream.write(b'{"step": 11, "time": 1, "metrics": {"<script>/mAP": 1}}\n')
    (root / "01_head/stage.json").write_bytes(
        Conduct((Rate("<script>alert(2)</script>", 0.5),)).to_bytes()
    )
    clean, data = page_of(write_staged(tmp_path / "clean")), render_page(read_account(root))
    page = Page(data)
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in clean.elements} | {"li", "ul"}
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", data)
    assert "alert(2)" in page.text


def test_a_name_that_is_long_is_shown_whole(tmp_path):
    root = tmp_path / "run"
    write_staged(root)
    (root / "02_more").rename(root / f"02_{'m' * 60}")
    assert "m" * 60 in page_of(root).text


def test_ninety_nine_stages_have_a_page(tmp_path):
    for number in range(1, 100):
        (tmp_path / f"{number:02}_s{number}").mkdir()
        write_detector(tmp_path / f"{number:02}_s{number}", "^Conv1")
    page = page_of(tmp_path)
    assert page.headings[0] == "h1 0 of 99 stages trained and verified so far"


def test_rates_by_part_are_told(tmp_path):
    root = write_staged(tmp_path / "run")
    conduct = Conduct((Rate("^block_", 0.1),))
    (root / "02_more/stage.json").write_bytes(conduct.to_bytes())
    page = page_of(root)
    assert "h3 Rates by part" in page.headings
    assert "^block_ × 0.1" in page.text.replace("^block_×", "^block_ × ").replace("  ", " ")
