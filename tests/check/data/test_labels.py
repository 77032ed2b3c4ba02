"""What is said of label maps and the number of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.data import labels
from odfreeze.check.linter import check_config
from tests.check.planted import said, subject_of

TF1 = 'feature_extractor { type: "ssd_mobilenet_v1" }'


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(classes: int | None = 2, path: str = "map.pbtxt", extra: str = "") -> str:
    written = "" if classes is None else f"num_classes: {classes}"
    return (
        f"model {{ ssd {{ {written} {extra} }} }}\n"
        f'train_input_reader {{\n  label_map_path: "{path}"\n}}\n'
        f'eval_input_reader {{\n  label_map_path: "{path}"\n}}\n'
    )


def label_map(text: str, name: str = "map.pbtxt") -> None:
    Path(name).write_text(text, encoding="utf-8")


def found(rule: Any, text: str) -> list[str]:
    """Findings, the file of the place named where it is not the config."""
    result = []
    for finding, line in zip(found_by(rule, text), said(found_by(rule, text)), strict=True):
        place = finding.place
        result.append(line if place is None or place.file == "a.config" else f"{place.file} {line}")
    return result


def found_by(rule: Any, text: str) -> list[Any]:
    return list(rule(subject_of(text)))


GOOD = "item { id: 1 name: 'cat' }\nitem { id: 2 name: 'dog' }\n"


@pytest.mark.parametrize("rule", labels.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    ("text", "map_"),
    [
        (config(), GOOD),
        ("", GOOD),
        (config(), "item { id: 0 name: 'background' } " + GOOD),
        (config(path="PATH_TO_BE_CONFIGURED/map.pbtxt"), GOOD),
        (config(path="gs://bucket/map.pbtxt"), GOOD),
        (config(0, "nowhere.pbtxt", TF1), GOOD),
        ("model { experimental_model { name: 'mine' } }", GOOD),
        ("train_input_reader { }", GOOD),
        ('train_input_reader { label_map_path: "" }', GOOD),
    ],
    ids=["fine", "empty", "background", "to-be-configured", "remote", "TF1", "another-model",
         "training-without", "empty-path"],
)  # fmt: skip
def test_nothing_is_said_of_what_is_fine_or_cannot_be_known(rule: Any, text: str, map_) -> None:
    label_map(map_)
    assert found(rule, text) == []


# --- ODF503, ODF511 ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "hint"),
    [("nowhere/map.pbtxt", "there is no directory nowhere"), ("map.pbtxt", "check the path")],
)
def test_a_label_map_that_is_not_there(path: str, hint: str) -> None:
    """Once, though both readers name it."""
    assert found(labels.label_map_missing, config(path=path)) == [
        f"ODF503 error 3: label_map_path: there is no file {path}; {hint}"
    ]


def test_a_label_map_that_counts_from_the_config(directory: Path) -> None:
    (directory / "configs").mkdir()
    label_map(GOOD, "configs/map.pbtxt")
    file = directory / "configs" / "pipeline.config"
    file.write_text(config(), encoding="utf-8")
    assert [one.message for one in check_config(file, select=["ODF503"]).findings] == [
        "label_map_path: there is no file map.pbtxt; it is beside the config, but a path counts "
        "from where training is started"
    ]


def test_evaluation_needs_a_label_map() -> None:
    text = "train_input_reader {\n}\neval_input_reader {\n  label_map_path: 'nowhere.pbtxt'\n}\n"
    assert found(labels.label_map_missing, text) == [
        "ODF503 warning 4: label_map_path: there is no file nowhere.pbtxt; check the path"
    ]
    label_map(GOOD)
    text = "train_input_reader { label_map_path: 'map.pbtxt' }\neval_input_reader { }\n"
    assert found(labels.label_map_missing, text) == [
        "ODF503 warning 2: eval_input_reader has no label_map_path, without which evaluation "
        "breaks off; write the one that training uses"
    ]


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("item {\n  id: 1\n  nam: 'cat'\n}",
         "map.pbtxt ODF511 error 3: the label map cannot be read: "),
        ("cat\ndog\n", "map.pbtxt ODF511 error 2: the label map cannot be read: "),
        ("", "ODF511 error 3: the label map map.pbtxt holds no item; write one for each class, "
         "item { id: 1 name: '…' }"),
    ],
    ids=["field", "list", "empty"],
)  # fmt: skip
def test_a_label_map_that_cannot_be_read(text: str, begins: str) -> None:
    label_map(text)
    (message,) = found(labels.label_map_unreadable, config())
    assert message.startswith(begins)


def test_a_place_in_a_label_map_stays_there_when_the_config_is_mended(directory: Path) -> None:
    """Places move with the fixes of a config's text, those of another file do not."""
    label_map("\n\nitem { id: 0 name: 'cat' }\n")
    file = directory / "pipeline.config"
    file.write_text("train_config { freeze_vars: 'a' }\n" + config(), encoding="utf-8")
    (finding,) = check_config(file, select=["ODF504"]).findings
    assert finding.place is not None
    assert (finding.place.file, finding.place.line, finding.place.column) == ("map.pbtxt", 3, 12)


# --- ODF504 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("id: 0 name: 'cat'", "map.pbtxt ODF504 error 2: the id of 'cat' is 0, which is the "
         "background's: stock refuses it; number classes from 1"),
        ("name: 'cat'", "map.pbtxt ODF504 error 2: the id of 'cat' is 0, which is the "
         "background's: stock refuses it; number classes from 1"),
        ("id: -1 display_name: 'Cat'", "map.pbtxt ODF504 error 2: the id of 'Cat' is -1, below 1: "
         "stock refuses it; number classes from 1"),
    ],
    ids=["zero", "not-written", "negative"],
)  # fmt: skip
def test_ids_below_one(item: str, message: str) -> None:
    label_map(f"\nitem {{ {item} }}\n")
    assert found(labels.ids_below_one, config()) == [message]


def test_a_file_of_wrong_ids_is_told_of_three_times() -> None:
    label_map("item { name: 'x' }\n" * 50)
    assert len(found(labels.ids_below_one, config())) == 3


def test_what_only_evaluation_reads_is_a_warning() -> None:
    label_map("item { name: 'x' }\n")
    text = "eval_input_reader { label_map_path: 'map.pbtxt' }"
    assert found(labels.ids_below_one, text)[0].startswith("map.pbtxt ODF504 warning 1: ")


# --- ODF505, ODF517 ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "messages"),
    [
        (1, ["ODF505 warning 1: num_classes is 1, and the label map map.pbtxt has ids up to 2 "
             "('dog'): objects of 1 class are trained as no class at all; write num_classes: 2"]),
        (5, ["ODF505 info 1: num_classes is 5, and the label map map.pbtxt has ids up to 2: 3 "
             "classes of the model have no name and no object; write num_classes: 2, unless the "
             "heads of a checkpoint are to be kept (fine_tune_checkpoint_type full)"]),
        (2, []),
        (0, []),
    ],
    ids=["fewer", "more", "as-many", "none"],
)  # fmt: skip
def test_classes_of_model_and_label_map(classes: int, messages: list[str]) -> None:
    label_map(GOOD)
    assert found(labels.ids_and_num_classes, config(classes)) == messages


@pytest.mark.parametrize("model", ["faster_rcnn", "center_net"])
def test_classes_of_other_architectures(model: str) -> None:
    label_map(GOOD)
    text = config(1).replace("ssd", model)
    assert found(labels.ids_and_num_classes, text)[0].startswith("ODF505 warning 1: ")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("model {\n  ssd { }\n}", ["ODF517 error 2: num_classes is not written, which makes it 0: "
                                   "there is no class to learn; write how many there are"]),
        ("model { ssd {\n  num_classes: 0\n} }", ["ODF517 error 2: num_classes is 0: there is no "
                                                  "class to learn; write how many there are"]),
        ("model { faster_rcnn { number_of_stages: 1 } }", []),
        ("model { ssd { num_classes: 'two' } }", []),
    ],
    ids=["not-written", "zero", "proposals-only", "no-number"],
)  # fmt: skip
def test_a_model_without_a_class(text: str, messages: list[str]) -> None:
    assert found(labels.no_classes, text) == messages


# --- ODF512 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("map_", "message"),
    [
        ("item { id: 1 name: 'cat' }\nitem { id: 1 name: 'dog' }",
         "map.pbtxt ODF512 warning 2: id 1 is that of 'cat' and of 'dog': they are trained as one "
         "class, and evaluation calls it by the first name; give each class an id of its own"),
        ("item { id: 1 name: 'cat' }\nitem { id: 2 name: 'cat' }",
         "map.pbtxt ODF512 warning 2: 'cat' is the name of id 1 and of id 2: all its objects are "
         "trained as 2; give each class a name of its own"),
    ],
    ids=["id", "name"],
)  # fmt: skip
def test_ids_and_names_that_stand_twice(map_: str, message: str) -> None:
    label_map(map_)
    assert found(labels.ids_and_names_twice, config()) == [message]


def test_a_name_that_is_not_written_stands_not_twice() -> None:
    label_map("item { id: 1 display_name: 'a' } item { id: 2 display_name: 'b' }")
    assert found(labels.ids_and_names_twice, config()) == []


def test_what_a_terminal_would_obey_does_not_reach_it() -> None:
    label_map('item { id: 0 name: "\\033[2Jcat" }')
    (message,) = found(labels.ids_below_one, config())
    assert "\x1b" not in message
