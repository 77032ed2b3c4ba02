"""How a preview is laid out: the page that people look at."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from odfreeze.errors import Place
from odfreeze.findings import Finding
from odfreeze.preview import Preview, preview
from odfreeze.report.layout import preview_lines, preview_list
from odfreeze.report.text import ASCII, UNICODE, plain
from odfreeze.variables import Variable
from tests.support.tiny_detector import write_detector


def page(seen: Preview, **options: object) -> str:
    return plain(preview_lines(seen, glyphs=UNICODE, **options))  # type: ignore[arg-type]


def section(text: str, title: str) -> list[str]:
    """The lines from the one that begins with a title up to the next empty one."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(title))
    return [*lines[start:], ""][: [*lines[start:], ""].index("")]


def test_patterns_with_their_number_field_matches_first_and_last(tmp_path: Path) -> None:
    seen = preview(
        write_detector(tmp_path, "^block_1_", "zzz"), update_trainable_variables=["BoxHead/kernel"]
    )
    assert section(page(seen), "Patterns") == [
        "Patterns",
        "  [0] freeze_variables            ^block_1_             5  block_1_expand/kernel …"
        " block_1_expand_BN/moving_variance",
        "  [1] freeze_variables            zzz             nothing",
        "  [2] update_trainable_variables  BoxHead/kernel        1  Predictor/BoxHead/kernel",
    ]


def test_a_pattern_for_paths_shows_paths(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, "(?#path)_fpn"))
    assert section(page(seen), "Patterns")[1].endswith("  model/_feature_extractor/_fpn/0/kernel")


def test_totals(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, "block|Conv1"))
    assert section(page(seen), "State") == [
        "State      variables    parameters   share       size",
        "  frozen          15           552    46 %    2.2 KiB",
        "  trainable        6           560    47 %    2.2 KiB",
        "  held            10            80     7 %      320 B",
        "  updating         2             8    <1 %       32 B",
    ]


def test_without_patterns_the_names_are_shown_all_the_same(tmp_path: Path) -> None:
    text = page(preview(write_detector(tmp_path)))
    assert "No patterns: everything learns." in text
    golden = Path(__file__).parent / "golden" / "no_patterns.txt"
    assert section(text, "Names") == golden.read_text(encoding="utf-8").splitlines()


def test_findings_with_their_place_in_wrapped_lines(tmp_path: Path) -> None:
    seen = dataclasses.replace(
        preview(write_detector(tmp_path)),
        findings=(
            Finding("ODF201", "warning", "one two three four", Place("a.config", 3, 5)),
            Finding("ODF207", "info", "five"),
        ),
    )
    assert page(seen, width=12).split("\n\n")[-2:] == [
        "warning ODF201 a.config:3:5\n  one two\n  three four", "info ODF207\n  five\n",
    ]  # fmt: skip


def test_where_nothing_is_restored_rows_do_not_repeat_it(tmp_path: Path) -> None:
    text = page(preview(write_detector(tmp_path, detection="classification")))
    assert 'restores    0 of 33 variables (fine_tune_checkpoint_type "classification")' in text
    assert "not restored" not in text


def test_of_centernet_the_tree_is_one_of_object_paths(tmp_path: Path) -> None:
    seen = dataclasses.replace(preview(write_detector(tmp_path)), meta_architecture="center_net")
    assert section(page(seen), "Object paths")[2].startswith("├─ classification_backbone/")
    assert section(page(seen, by_path=False), "Names")[2].startswith("├─ Conv1/kernel")


def test_in_ascii_nothing_else_is_written(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, "block_10"))
    text = plain(preview_lines(seen, glyphs=ASCII))
    assert text.isascii()
    assert "|- block_1_ ... block_2_" in text


def test_control_characters_of_names_are_escaped_everywhere(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, "bad"))
    bad = Variable("bad\x1b[2J\tname", "model/x/bad\npath", (1,), "float32")
    selection = dataclasses.replace(
        seen.selection, variables=(bad,), states=("frozen",), matched_by=((0,),)
    )
    seen = dataclasses.replace(seen, selection=selection, restored=(True,), config="a\x07.config")
    for text in (page(seen), preview_list(seen)):
        assert not set(text) & {"\x1b", "\x07"}
    assert preview_list(seen).count("\n") == 1
    assert preview_list(seen).count("\t") == 6


def test_the_list_is_one_variable_a_line(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, "Conv1", "kernel"))
    lines = preview_list(seen).splitlines()
    assert len(lines) == 33
    path = "model/_feature_extractor/classification_backbone"
    assert lines[0].split("\t") == [
        "frozen", "216", "3x3x3x8", "float32", "Conv1/kernel",
        f"{path}/layer_with_weights-0/kernel", "0,1",
    ]  # fmt: skip
    assert lines[-1].split("\t") == [
        "trainable", "24", "24", "float32", "Predictor/BoxHead/bias",
        "model/_box_predictor/_box_head/0/bias", "-",
    ]  # fmt: skip


def test_the_list_shows_scalars_and_missing_names(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path))
    selection = dataclasses.replace(
        seen.selection, variables=(Variable(None, "model/w", (), "float32"),),
        states=("trainable",), matched_by=((),),
    )  # fmt: skip
    seen = dataclasses.replace(seen, selection=selection, restored=(True,))
    assert preview_list(seen) == "trainable\t1\tscalar\tfloat32\t-\tmodel/w\t-\n"
