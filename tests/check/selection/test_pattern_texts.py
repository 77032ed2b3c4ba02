"""What is said of the text of a single pattern, with a checkpoint and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.check.selection import pattern_texts
from odfreeze.check.subject import Subject
from odfreeze.pipeline import PipelineConfig
from odfreeze.textproto import apply_edits
from tests.check.planted import said, subject_of
from tests.support.tiny_detector import write_detector

KERAS = 'model { ssd { feature_extractor { type: "ssd_mobilenet_v2_keras" } } }\n'


def config(*lines: str, field: str = "freeze_variables", model: str = KERAS) -> str:
    written = "".join(f"  {field}: {line}\n" for line in lines)
    return f"{model}train_config {{\n{written}}}\n"


def fixed(subject: Subject, rule) -> str:
    (finding,) = rule(subject)
    return apply_edits(subject.config.data, finding.edits).decode()


def on_tiny(directory: Path, *patterns: str, field: str = "freeze_variables") -> Subject:
    path = write_detector(directory, *patterns, field=field)
    return Subject(PipelineConfig.read(path))


# --- ODF212 ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['""', "''", '"(?#path)"', '"(?#a note)"'])
def test_an_empty_pattern_freezes_everything(text: str) -> None:
    assert said(pattern_texts.empty_pattern(subject_of(config('"a"', text)))) == [
        "ODF212 warning 4: freeze_variables: an empty pattern matches every variable, so that "
        "nothing is left to learn; remove it"
    ]


def test_an_empty_update_pattern_limits_nothing() -> None:
    subject = subject_of(config('""', field="update_trainable_variables"))
    assert said(pattern_texts.empty_pattern(subject)) == [
        "ODF212 warning 3: update_trainable_variables: an empty pattern matches every variable, so "
        "that the field limits nothing; remove it"
    ]


def test_patterns_that_say_something_are_not_empty() -> None:
    assert not list(pattern_texts.empty_pattern(subject_of(config('".*"', '"a"', '" "'))))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (config('"a"', '""', '"b"  # kept'), config('"a"', '"b"  # kept')),
        (config('["a", "", "b"]'), config('["a", "b"]')),
        (config('""'), config()),
    ],
    ids=["lines", "list", "alone"],
)
def test_an_empty_pattern_is_removed(before: str, after: str) -> None:
    assert fixed(subject_of(before), pattern_texts.empty_pattern) == after


def test_beside_a_value_that_is_no_string_nothing_is_edited() -> None:
    (finding,) = pattern_texts.empty_pattern(subject_of(config('""', "5")))
    assert finding.edits == ()


# --- ODF213 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what", "values"),
    [
        ("Conv1, block_1_", "is one regular expression, and no name holds a comma or a blank",
         "'Conv1', 'block_1_'"),
        ("Conv1,block_1_;bn_", "is one regular expression, and no name holds a comma or a blank",
         "'Conv1', 'block_1_', 'bn_'"),
        ("['Conv1', 'block_1_']", "is a set of letters, and takes every name with one of them",
         "'Conv1', 'block_1_'"),
    ],
    ids=["comma", "no-blank", "python"],
)  # fmt: skip
def test_several_patterns_in_one_string(text: str, what: str, values: str) -> None:
    subject = subject_of(config(f'"{text}"'))
    assert said(pattern_texts.several_in_one(subject)) == [
        f"ODF213 warning 3: freeze_variables: '{text}' {what}; write {values} as values apart"
    ]


@pytest.mark.parametrize(
    "text",
    ["a", "a{1,2}", "[a,b]x", "(a,b)", "a,", ",", "['a']", "a|b", "*, b", r"a\\,b"],
)
def test_one_pattern_is_one(text: str) -> None:
    assert not list(pattern_texts.several_in_one(subject_of(config(f'"{text}"'))))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (config('"a, b"', '"c"  # kept'), config('"a"', '"b"', '"c"  # kept')),
        (config("['a, b', 'c']"), config("['a', 'b', 'c']")),
        (config("\"['a', 'b']\""), config('"a"', '"b"')),
    ],
    ids=["lines", "list", "python"],
)
def test_several_patterns_are_written_apart(before: str, after: str) -> None:
    assert fixed(subject_of(before), pattern_texts.several_in_one) == after


def test_where_one_of_several_matches_nothing_the_person_decides(tmp_path: Path) -> None:
    (finding,) = pattern_texts.several_in_one(on_tiny(tmp_path, "Conv1, zzz"))
    assert finding.edits == ()
    (finding,) = pattern_texts.several_in_one(on_tiny(tmp_path, "Conv1, block_1_"))
    assert finding.edits


def test_a_list_in_a_string_is_told_though_it_matches(tmp_path: Path) -> None:
    (finding,) = pattern_texts.several_in_one(on_tiny(tmp_path, "['Conv1', 'block_1_']"))
    assert finding.edits


# --- ODF215 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        (".*FeatureExtractor.*", "FeatureExtractor"),
        ("FeatureExtractor/MobilenetV2/", "FeatureExtractor"),
        ("MobilenetV1/Conv2d_0", "MobilenetV1"),
        ("InceptionV2", "InceptionV2"),
        ("resnet_v1_101/block1", "resnet_v1_101"),
        ("^BoxPredictor_0/", "BoxPredictor_0"),
        ("SecondStageBoxPredictor", "SecondStageBoxPredictor"),
        ("block1/unit_1/bottleneck_v1/", "bottleneck_v1"),
    ],
)
def test_a_pattern_for_tf1(text: str, scope: str) -> None:
    assert said(pattern_texts.written_for_tf1(subject_of(config(f'"{text}"')))) == [
        f"ODF215 warning 3: freeze_variables: '{text}' is for the names of TF1: TF2's hold no "
        f"'{scope}', so it matches nothing; `odfreeze preview CONFIG` lists the names that there "
        "are"
    ]


@pytest.mark.parametrize(
    ("text", "scope", "part"),
    [
        ("FeatureExtractor/", "FeatureExtractor", "'^(Conv|bn_|block_)' selects the backbone "
         "(25 variables)"),
        ("BoxPredictor_0", "BoxPredictor_0", "'^Predictor/' selects the heads (7 variables)"),
    ],
)  # fmt: skip
def test_with_a_checkpoint_the_part_is_named(
    tmp_path: Path, text: str, scope: str, part: str
) -> None:
    assert said(pattern_texts.written_for_tf1(on_tiny(tmp_path, text))) == [
        f"ODF215 warning 10: freeze_variables: '{text}' is for the names of TF1: TF2's hold no "
        f"'{scope}', so it matches nothing; here {part}"
    ]


@pytest.mark.parametrize(
    "text",
    ["FirstStageBoxPredictor/", "WeightSharedConvolutionalBoxPredictor/", "BoxPredictor/",
     "(?#path)FeatureExtractor", "ResNet50V1_FPN/", "conv1_", "mobilenet"],
)  # fmt: skip
def test_names_that_tf2_has_too(text: str) -> None:
    assert not list(pattern_texts.written_for_tf1(subject_of(config(f'"{text}"'))))


def test_in_a_model_of_tf1_the_names_are_right() -> None:
    model = 'model { ssd { feature_extractor { type: "ssd_mobilenet_v2" } } }\n'
    subject = subject_of(config('"FeatureExtractor"', model=model))
    assert not list(pattern_texts.written_for_tf1(subject))


def test_a_pattern_that_matches_is_right(tmp_path: Path) -> None:
    subject = on_tiny(tmp_path, "FeatureExtractor|Conv1")
    assert not list(pattern_texts.written_for_tf1(subject))


# --- ODF222 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what", "right"),
    [
        ("^(?#path)model/", "(?#path) counts at the very beginning only", "(?#path)^model/"),
        (" (?#path)model/", "(?#path) counts at the very beginning only", "(?#path)model/"),
        ("^model/_feature_extractor/", "it is written for object paths, and held against names",
         "(?#path)^model/_feature_extractor/"),
        (".*model/_box_predictor", "it is written for object paths, and held against names",
         "(?#path).*model/_box_predictor"),
    ],
)  # fmt: skip
def test_an_object_path_without_its_prefix(text: str, what: str, right: str) -> None:
    subject = subject_of(config(f'"{text}"'))
    assert said(pattern_texts.misplaced_path_prefix(subject)) == [
        f"ODF222 warning 3: freeze_variables: '{text}': {what}; write '{right}'"
    ]
    assert fixed(subject, pattern_texts.misplaced_path_prefix) == config(f'"{right}"')


@pytest.mark.parametrize("text", ["(?#path)^model/", "(?#note)^block", "model", "box_predictor"])
def test_patterns_that_stand_where_they_should(text: str) -> None:
    subject = subject_of(config(f'"{text}"'))
    assert not list(pattern_texts.misplaced_path_prefix(subject))


# --- ODF223 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "right"), [("Conv1/kernel:0", "Conv1/kernel"), ("kernel:0$", "kernel$")]
)
def test_the_ending_of_a_tensor(text: str, right: str) -> None:
    subject = subject_of(config(f'"{text}"'))
    assert said(pattern_texts.with_output_number(subject)) == [
        f"ODF223 warning 3: freeze_variables: '{text}' ends in ':0', which names are held against "
        f"patterns without, so it matches nothing; write '{right}'"
    ]
    assert fixed(subject, pattern_texts.with_output_number) == config(f'"{right}"')


def test_where_the_rest_matches_nothing_either_the_person_decides(tmp_path: Path) -> None:
    (finding,) = pattern_texts.with_output_number(on_tiny(tmp_path, "zzz:0"))
    assert finding.edits == ()
    (finding,) = pattern_texts.with_output_number(on_tiny(tmp_path, "kernel:0"))
    assert finding.edits


@pytest.mark.parametrize(
    ("text", "model"),
    [("kernel", KERAS), ("a:0b", KERAS), ("kernel(:0)?$", KERAS),
     ("kernel:0", 'model { ssd { feature_extractor { type: "ssd_mobilenet_v2" } } }\n')],
    ids=["plain", "inside", "optional", "tf1"],
)  # fmt: skip
def test_endings_that_are_fine(text: str, model: str) -> None:
    subject = subject_of(config(f'"{text}"', model=model))
    assert not list(pattern_texts.with_output_number(subject))
