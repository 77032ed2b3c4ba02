"""What is said of a single pattern."""

from __future__ import annotations

import dataclasses

import pytest

from odfreeze.check.selection import patterns
from tests.check.cases import case_of, told
from tests.support.tiny_detector import variables

NOTHING = "ODF201 warning 1: freeze_variables: '{}' matches none of 33 variables; {}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kernel:0", "names are matched without their ':0' ending; without it it would match 8 "
         "(Conv1/kernel, …): write 'kernel'"),
        ("kernel:0$", "names are matched without their ':0' ending; without it it would match 8 "
         "(Conv1/kernel, …): write 'kernel$'"),
        ("backbone", "no name here holds 'backbone': '^(Conv|bn_|block_)' selects the backbone "
         "(25 variables)"),
        (".*Fpn/|box_head", "no name here holds 'Fpn': '^SSD/' selects the neck (1 variable)"),
        ("FPN_box_head", "nearest to 'FPN_box_head' in the names: BoxHead"),
        ("(?#path)mobilenet", "no object path here holds 'mobilenet': '^(Conv|bn_|block_)' selects "
         "the backbone (25 variables)"),
        ("layer_with_weights-0", "it is matched against names; against object paths it would "
         "match 1 (model/_feature_extractor/classification_backbone/layer_with_weights-0/kernel):"
         " write '(?#path)layer_with_weights-0'"),
        ("(?#path)block_1_", "names are no object paths; matched against names it would match 5 "
         "(block_1_expand/kernel, …): write 'block_1_'"),
        ("^Tower", "without its anchor '^' it would match 5 (Predictor/Tower/conv2d_0/kernel, …): "
         "write 'Tower'"),
        ("BoxHead$", "without its anchor '$' it would match 2 (Predictor/BoxHead/kernel, …): write "
         "'BoxHead'"),
        ("^Tower$", "without its anchor '^' and '$' it would match 5 "
         "(Predictor/Tower/conv2d_0/kernel, …): write 'Tower'"),
        ("CONV1", "upper and lower case count; without regard to it it would match 5 "
         "(Conv1/kernel, …): write '(?i:CONV1)'"),
        ("^_tower", "against object paths, and without its anchor, it would match 1 "
         "(model/_box_predictor/_tower/0/kernel): write '(?#path)_tower'"),
        (r"block_\\d+", "one backslash too many; with one less it would match 20 "
         r"(block_1_expand/kernel, …): write 'block_\d+'"),
        ("Predictr", "nearest to 'Predictr' in the names: Predictor"),
        ("blok_11_", "nearest to 'blok_11_' in the names: block_11, block_1, block_10"),
        ("FeatureExtractor", "no name here holds 'FeatureExtractor': '^(Conv|bn_|block_)' selects "
         "the backbone (25 variables)"),
        ("classificationbone", "nearest to 'classificationbone' in the object paths: "
         "classification_backbone, which a pattern sees after (?#path)"),
        ("zzz", "`odfreeze preview CONFIG --all` lists all names"),
        ("(?!)", "`odfreeze preview CONFIG --all` lists all names"),
    ],
    ids=[
        "colon-zero", "colon-zero-end", "part", "first-part", "no-part", "part-by-path", "path",
        "name", "start", "end", "both", "case", "path-and-start", "backslash", "misspelt",
        "misspelt-block", "tf1-scope", "near", "unknown", "never",
    ],
)  # fmt: skip
def test_a_pattern_that_matches_nothing_with_the_reason(text: str, reason: str) -> None:
    assert told(patterns.matches_nothing, case_of(text)) == [NOTHING.format(text, reason)]


def test_without_names_a_pattern_for_names_cannot_match() -> None:
    nameless = [dataclasses.replace(v, name=None) for v in variables()]
    case = case_of("Conv1", "(?#path)model", variables=nameless, names_missing="no graph")
    reason = (
        "the checkpoint holds no names (no graph), only object paths, which patterns beginning "
        "with (?#path) are matched against"
    )
    assert told(patterns.matches_nothing, case) == [NOTHING.format("Conv1", reason)]


def test_a_pattern_that_matches_is_not_spoken_of() -> None:
    case = case_of("Conv1", "(?#path)_box_predictor", update=["Predictor"])
    assert told(patterns.matches_nothing, case) == []


@pytest.mark.parametrize(
    ("text", "part", "taken", "required", "matches"),
    [
        (".*block[0-1]*.*", "[0-1]*", "20 variables", ".*block[0-1]+.*", "none"),
        (".*block_[2-3]*", "[2-3]*", "20 variables", ".*block_[2-3]+", "5"),
        ("block_2*", "2*", "20 variables", "block_2+", "5"),
        (".*(block)*.*", "(block)*", "every variable", ".*(block)+.*", "20"),
        ("(block_[1]?)", "[1]?", "20 variables", "(block_[1])", "15"),
        ("(?#path)model.*(_box){0,1}", "(_box){0,1}", "every variable",
         "(?#path)model.*(_box){1,1}", "7"),
    ],
    ids=["issue", "set", "glob", "everything", "inside-group", "path"],
)  # fmt: skip
def test_a_part_that_decides_nothing(
    text: str, part: str, taken: str, required: str, matches: str
) -> None:
    assert told(patterns.decides_nothing, case_of(text)) == [
        f"ODF204 warning 1: freeze_variables: '{text}' matches {taken}, '{part}' or not: that part "
        f"can match nothing, so it decides nothing; '{required}' matches {matches}"
    ]


@pytest.mark.parametrize(
    "text",
    [".*", ".*block.*", "block_1_(expand)?", r"block_\d*", "(.*)block", "block_[0-9]*", "[^/]*bn",
     "block_[12]", "(?x) block_[2-3]*", "(a*)*block", ""],
)  # fmt: skip
def test_optional_parts_that_are_harmless_are_not_spoken_of(text: str) -> None:
    assert told(patterns.decides_nothing, case_of(text)) == []


@pytest.mark.parametrize(
    ("text", "taken", "count", "exact"),
    [
        ("block_1", "block_10, block_11 (10 of its 15", 15, "block_1(?![0-9])"),
        (".*block_1.*", "block_10, block_11 (10 of its 15", 15, ".*block_1(?![0-9]).*"),
        ("block_[1-2]", "block_10, block_11 (10 of its 20", 20, "block_[1-2](?![0-9])"),
        ("(block_1|block_2)", "block_10, block_11 (10 of its 20", 20,
         "(block_1(?![0-9])|block_2)"),
        ("weights-1", "", 0, ""),
        ("(?#path)weights-1", "layer_with_weights-1", 0, ""),
    ],
    ids=["bare", "wrapped", "set", "alternatives", "no-match", "path-single"],
)  # fmt: skip
def test_a_number_that_takes_longer_numbers(text: str, taken: str, count: int, exact: str) -> None:
    expected = [
        f"ODF205 warning 1: freeze_variables: '{text}' also takes {taken} variables), as a number "
        f"goes on; if that is not meant, write '{exact}'"
    ]
    assert told(patterns.takes_longer_numbers, case_of(text)) == (expected if count else [])


@pytest.mark.parametrize(
    "text",
    ["block_1_", "block_10", r"block_1(?!\d)", "block_(1|2)_", r"block_1\d", "block_1[0-1]?",
     "block_[0-9]", r"block_\d", "block_", "Conv1", "(?<=block_1)0"],
)  # fmt: skip
def test_numbers_that_end_where_they_should_are_not_spoken_of(text: str) -> None:
    assert told(patterns.takes_longer_numbers, case_of(text)) == []


def test_three_and_more_numbers_in_a_row_are_a_range() -> None:
    more = [
        dataclasses.replace(v, name=(v.name or "").replace("block_2_", "block_12_"))
        for v in variables()
    ]
    (found,) = told(patterns.takes_longer_numbers, case_of("block_1", variables=more))
    assert "also takes block_10 to block_12 (15 of its 20 variables)" in found


@pytest.mark.parametrize(
    ("text", "speaks"), [("moving_", True), ("moving_mean$", True), ("bn_Conv1", False)]
)
def test_a_pattern_for_statistics_only(text: str, speaks: bool) -> None:
    found = told(patterns.only_statistics, case_of(text))
    assert [line[:18] for line in found] == (["ODF209 warning 1: "] if speaks else [])
    if speaks:
        assert "changes nothing" in found[0]


def test_a_runaway_variant_is_given_up_quietly() -> None:
    case = case_of("block_1")
    for text in ("(a+)+$|block[1-2]*", "((block)*)*1"):
        broken = dataclasses.replace(
            case.selection, patterns=(dataclasses.replace(case.selection.patterns[0], text=text),)
        )
        case = dataclasses.replace(case, selection=broken)
        assert told(patterns.decides_nothing, case) == []
        assert told(patterns.takes_longer_numbers, case) == []
