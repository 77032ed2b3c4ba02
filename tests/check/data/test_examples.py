"""What is said of the first records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.data import examples
from tests.check.planted import said, subject_of
from tests.support.records import JPEG, detection, example, write_label_map, write_records

BOX = (0.1, 0.2, 0.5, 0.6)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_label_map(Path("map.pbtxt"), cat=1, dog=2)


def config(fields: str = "label_map_path: 'map.pbtxt'", name: str = "train_input_reader") -> str:
    return (
        "model { ssd { num_classes: 2 } }\n"
        f"{name} {{\n  {fields}\n  tf_record_input_reader {{\n    input_path: 'a.record'\n  }}\n}}"
    )


def found(rule: Any, *records: bytes, text: str | None = None) -> list[str]:
    write_records(Path("a.record"), *records)
    return said(rule(subject_of(config() if text is None else text)))


@pytest.mark.parametrize("rule", examples.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    "records",
    [
        [detection()],
        [detection(["cat", "dog"], [1, 2], [BOX, BOX]), detection([], [], [])],
        [detection(image__encoded=[JPEG], image__format=[b"jpeg"])],
        [detection(image__encoded=[b"\x00\x01"], image__format=[b"raw"])],
        [detection([], [2])],
        [detection(["dog"], [77])],
        [detection(boxes=[(0.0, -0.01, 1.0, 1.01)])],
        [detection(["cat"] * 3, [1] * 3, [BOX, BOX])],
        [],
    ],
    ids=["fine", "one-without-objects", "jpeg", "raw", "by-id", "by-name", "to-the-edge",
         "more-classes-than-boxes", "empty"],
)  # fmt: skip
def test_nothing_is_said_of_what_is_fine(rule: Any, records: list[bytes]) -> None:
    assert found(rule, *records) == []


def test_nothing_is_said_of_tf1() -> None:
    text = config().replace("num_classes: 2", 'feature_extractor { type: "ssd_mobilenet_v1" }')
    for rule in examples.RULES:
        assert found(rule, detection(["horse"], image__encoded=[]), text=text) == []


# --- ODF506 -----------------------------------------------------------------------


def test_names_that_the_label_map_lacks() -> None:
    records = [detection(["cat", "dgo"], [1, 2], [BOX, BOX]), detection(["dgo"])]
    assert found(examples.classes_not_known, *records) == [
        "ODF506 warning 3: the label map map.pbtxt lacks some class names of the first records of "
        "train_input_reader ('dgo'): 2 of 3 objects are left out of training, silently; did you "
        "mean 'dog'?"
    ]


def test_no_name_is_known() -> None:
    """A label map of another dataset."""
    names = ["car", "bus", "van", "lorry"]
    assert found(examples.classes_not_known, detection(names, [1] * 4, [BOX] * 4)) == [
        "ODF506 warning 3: the label map map.pbtxt has no class name of the first records of "
        "train_input_reader ('car', 'bus', 'van', …): 4 of 4 objects are left out of training, "
        "silently; did you mean 'cat'?"
    ]


def test_display_names_are_known_too() -> None:
    Path("map.pbtxt").write_text("item { id: 1 name: '/m/1' display_name: 'cat' }")
    assert found(examples.classes_not_known, detection(["cat", "/m/1"], [1, 1], [BOX, BOX])) == []


@pytest.mark.parametrize("text", [config(), config(fields="")], ids=["with-map", "without"])
def test_ids_that_the_model_lacks(text: str) -> None:
    records = [detection([], [0, 2], [BOX, BOX]), detection([], [7])]
    assert found(examples.classes_not_known, *records, text=text) == [
        "ODF506 warning 5: the first records of train_input_reader hold class ids outside 1 to 2 "
        "(num_classes): 0, 7; their objects are trained as no class at all; ids count from 1"
    ]


def test_without_a_label_map_names_do_not_count() -> None:
    (message,) = found(examples.classes_not_known, detection(["cat"], [3]), text=config(fields=""))
    assert "(num_classes): 3; their objects" in message


# --- ODF513 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (detection(image__encoded=[]), "there is no image in image/encoded, on which stock breaks "
         "off"),
        (detection(image__encoded=[b"hello"]), "image/encoded is no JPEG, PNG, GIF or BMP, on "
         "which stock breaks off"),
        (detection(**{"image/object/class/label": [1.0]}), "image/object/class/label holds float "
         "values, and stock refuses all but int64 ones"),
        (detection(**{"image/object/class/text": [1]}), "image/object/class/text holds int64 "
         "values, and stock refuses all but bytes ones"),
        (detection(**{"image/object/bbox/xmin": [3]}), "image/object/bbox/xmin holds int64 "
         "values, and stock refuses all but float ones"),
        (detection(**{"image/object/bbox/xmin": []}), "its boxes have 1 ymin, 0 xmin, 1 ymax, 1 "
         "xmax: stock breaks off where they are not as many"),
        (detection(boxes=[BOX, BOX]), "2 boxes and 1 classes: stock breaks off, write one for "
         "each box"),
        (detection([], [], [BOX]), "1 boxes and 0 classes: stock breaks off, write one for each "
         "box"),
        (detection(boxes=[(0.5, 0.2, 0.1, 0.6)]), "a box ends before it begins (a minimum above "
         "its maximum), on which stock breaks off"),
        (detection(boxes=[(0.1, 0.6, 0.5, 0.2)]), "a box ends before it begins (a minimum above "
         "its maximum), on which stock breaks off"),
        (detection(boxes=[(10.0, 20.0, 300.0, 640.0)]), "a box goes up to 640: coordinates are "
         "shares of the image, from 0 to 1, and stock trains on these as they are; divide pixels "
         "by width and height"),
    ],
    ids=["no-image", "no-image-file", "float-ids", "names-as-ids", "boxes-of-integers", "no-xmin",
         "fewer-classes", "no-classes", "height", "width", "pixels"],
)  # fmt: skip
def test_records_not_decodable(record: bytes, fault: str) -> None:
    assert found(examples.records_not_decodable, detection(), record) == [
        f"ODF513 error 5: a.record, record 1: {fault}"
    ]


def test_each_fault_is_told_once_and_of_evaluation_as_a_warning() -> None:
    text = config(name="eval_input_reader")
    record = detection(image__encoded=[])
    assert found(examples.records_not_decodable, record, record, text=text) == [
        "ODF513 warning 5: a.record, record 0: there is no image in image/encoded, on which stock "
        "breaks off"
    ]


def test_only_the_first_records_are_looked_at() -> None:
    records = [detection()] * 4 + [detection(image__encoded=[])]
    assert found(examples.records_not_decodable, *records) == []


# --- ODF519, ODF514 ---------------------------------------------------------------


def test_no_boxes_at_all() -> None:
    record = example({"image/encoded": [JPEG], "image/object/bndbox/xmin": [0.1]})
    assert found(examples.no_boxes_at_all, record, record) == [
        "ODF519 warning 5: none of the first 2 records of train_input_reader has a box: stock "
        "reads image/object/bbox/xmin, ymin, xmax and ymax (they hold image/object/bndbox/xmin), "
        "and trains without objects"
    ]
    assert found(examples.no_boxes_at_all, record, detection()) == []
    assert found(examples.no_boxes_at_all, record) == []  # one image without objects is no sign


MASK_RCNN = (
    "model { faster_rcnn { num_classes: 2 number_of_stages: 3 second_stage_box_predictor { "
    "mask_rcnn_box_predictor { predict_instance_masks: true } } } }\n"
)


def test_a_model_of_masks_whose_reader_loads_none() -> None:
    text = config().replace("model { ssd { num_classes: 2 } }\n", MASK_RCNN)
    assert found(examples.masks_missing, detection(), text=text) == [
        "ODF514 error 2: the model predicts instance masks, and train_input_reader does not load "
        "them, which stock refuses; write load_instance_masks: true, and the mask_type of the "
        "records, or number_of_stages: 2 for boxes alone"
    ]
    for other in ("number_of_stages: 2", "number_of_stages: 1"):
        boxes = text.replace("number_of_stages: 3", other)
        assert found(examples.masks_missing, detection(), text=boxes) == []


def test_records_without_the_masks_that_are_loaded() -> None:
    text = config("load_instance_masks: true")
    with_masks = detection(image__object__mask=[JPEG])
    assert found(examples.masks_missing, with_masks, detection([], [], []), text=text) == []
    assert found(examples.masks_missing, with_masks, detection(), text=text) == [
        "ODF514 error 3: a.record, record 1: load_instance_masks is true, and there is no "
        "image/object/mask beside its boxes, on which stock breaks off"
    ]
