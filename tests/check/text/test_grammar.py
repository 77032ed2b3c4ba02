"""What is said of a text that is no text proto, and what of it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.check.linter import fix_config
from odfreeze.check.text.grammar import findings_of_text
from odfreeze.errors import TextProtoError
from odfreeze.findings import Finding
from odfreeze.textproto import apply_edits, parse
from tests.check.planted import CONFIGS, SSD

FREEZE = "train_config {\n  freeze_variables: "


def finding_of(data: bytes) -> Finding | None:
    try:
        parse(data, "a.config")
    except TextProtoError as error:
        (finding,) = findings_of_text(data, "a.config", error)
        return finding
    return None


@pytest.mark.parametrize(
    ("text", "place", "message", "mended"),
    [
        (f"{FREEZE}“^a”\n}}", "2:21",
         "“ is a typographic quotation mark (word processors and web pages make them); write \" on "
         "both sides of the string", f'{FREEZE}"^a"\n}}'),
        (f"{FREEZE}^(conv|bn)_.*/  # all\n}}", "2:21",
         'freeze_variables is a string: write it in quotes, "^(conv|bn)_.*/"',
         f'{FREEZE}"^(conv|bn)_.*/"  # all\n}}'),
        ("train_config {\n  fine_tune_checkpoint: C:\\zoo\\ckpt-0\n}", "2:25",
         'fine_tune_checkpoint is a string: write it in quotes, "C:\\\\zoo\\\\ckpt-0"',
         'train_config {\n  fine_tune_checkpoint: "C:\\\\zoo\\\\ckpt-0"\n}'),
        ("train_config {\n  num_steps = 5\n}", "2:13", "write num_steps: and not num_steps =",
         "train_config {\n  num_steps: 5\n}"),
        ("train_config {\n  num_steps 5\n}", "2:13", "a colon is missing behind num_steps",
         "train_config {\n  num_steps: 5\n}"),
        ("train_config {\n  // few\n  num_steps: 5\n}", "2:3",
         "// begins no comment here; write #", "train_config {\n  # few\n  num_steps: 5\n}"),
        ("train_config {\n  num_steps: 5 // few\n}", "2:16",
         "// begins no comment here; write #", "train_config {\n  num_steps: 5 # few\n}"),
        ("/* few */\nmodel { }", "1:1",
         "/* begins no comment here; put # before each line of it", None),
        ('train_config {\n  fine_tune_checkpoint: "a/b\n}', "2:25",
         'the string opened here is not closed on its line; add the closing ", and write \\n for a '
         "line break in it", 'train_config {\n  fine_tune_checkpoint: "a/b"\n}'),
        ("train_config {\n  fine_tune_checkpoint: \"a/b'  # c\n}", "2:25",
         'the string opened here is not closed on its line; add the closing ", and write \\n for a '
         "line break in it", 'train_config {\n  fine_tune_checkpoint: "a/b"  # c\n}'),
        ('train_config {\n  fine_tune_checkpoint: "C:\\users\\x\\tom"\n}', "2:28",
         "escape \\u needs 4 hexadecimal digits; write \\\\ where a backslash is meant; in a path "
         "write / or \\\\", 'train_config {\n  fine_tune_checkpoint: "C:\\\\users\\\\x\\\\tom"\n}'),
        ("train_config {\n  num_steps: 10_000\n}", "2:14", "write 10000, without underscores",
         "train_config {\n  num_steps: 10000\n}"),
        ("train_config {\n  num_steps: 10,000\n}", "2:17",
         "a comma ends a value; write a number with a decimal point, and without marks between "
         "thousands", None),
        ("train_config {\n\u00a0 num_steps: 5\u200b\n}", "2:1",
         "U+00A0 stands here, which looks like a space or like nothing and comes from a web page "
         "or a document; write a plain space", "train_config {\n  num_steps: 5\n}"),
        ("model { }\n<<<<<<< mine\nx: 1\n=======\n>>>>>>> theirs\n", "2:1",
         "this line marks a merge conflict; keep one of the two sides and remove the marks", None),
        ('{"model": {"ssd": {}}}', "1:1",
         "this is JSON; a pipeline.config is a text proto: no outer braces, no quotes around "
         "names, no commas between fields", None),
        ("train_config {\n  ...\n}", "2:3", "expected a field name, found '.'", None),
    ],
    ids=["smart-quotes", "regex", "windows-path", "equals", "no-colon", "slashes", "slashes-behind",
         "c-comment", "open-string", "other-quote", "escape", "underscores", "comma", "spaces",
         "conflict", "json", "ellipsis"],
)  # fmt: skip
def test_what_was_meant(text: str, place: str, message: str, mended: str | None) -> None:
    finding = finding_of(text.encode())
    assert finding is not None
    assert (finding.code, finding.severity) == ("ODF100", "error")
    assert (str(finding.place).removeprefix("a.config:"), finding.message) == (place, message)
    after = apply_edits(text.encode(), finding.edits).decode()
    assert after == (mended or text)
    if mended:
        assert finding_of(after.encode()) is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE html>\n<html>", "this is a web page and no pipeline.config; download the file "
         "itself (on GitHub: Raw)"),
        (b"\x0a\x07\x12\x05model\x00\x01\x02\x03", "this is a binary file and no pipeline.config "
         "(a model, a checkpoint or an archive?); give the text file"),
        (b"PK\x03\x04 and so on", "this is a binary file and no pipeline.config (a model, a "
         "checkpoint or an archive?); give the text file"),
    ],
    ids=["web-page", "binary", "archive"],
)  # fmt: skip
def test_other_files(data: bytes, message: str) -> None:
    finding = finding_of(data)
    assert finding and (finding.code, finding.message) == ("ODF110", message)


def test_several_faults_are_mended_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "a.config"
    text = (CONFIGS / SSD).read_text(encoding="utf-8")
    broken = text.replace("num_steps: ", "num_steps = ").replace("  batch_size: ", "  batch_size ")
    broken = broken.replace(
        'type: "ssd_mobilenet_v2_fpn_keras"', "type: “ssd_mobilenet_v2_fpn_keras”"
    )
    assert broken != text
    path.write_text(broken, encoding="utf-8")
    fixed = fix_config(path, select=["ODF100"])
    assert fixed.data.decode() == text
    assert len(fixed.fixed) == 4  # batch_size stands there twice


@given(st.data())
def test_any_text_gives_one_finding_whose_edits_can_be_made(data: st.DataObject) -> None:
    """A real config with something put anywhere in it."""
    config = (CONFIGS / SSD).read_bytes()
    at = data.draw(st.integers(0, len(config)))
    put = data.draw(
        st.sampled_from(["{", "}", '"', "“", "=", "//", "\\x", "[", "<", "\u00a0", "é"])
    )
    cut = data.draw(st.integers(0, 3))
    broken = config[:at] + put.encode() + config[at + cut :]
    finding = finding_of(broken)
    if finding is not None:
        assert finding.place and finding.place.line <= broken.count(b"\n") + 2
        apply_edits(broken, finding.edits)
