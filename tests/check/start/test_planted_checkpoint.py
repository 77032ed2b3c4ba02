"""Faults of the checkpoint to start from, planted in the sample configs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odfreeze.check.linter import check_config, fix_config
from tests.check.planted import (
    CENTERNET,
    CONFIGS,
    EFFICIENTDET,
    FASTER_RCNN,
    SAMPLES,
    SSD,
    Fault,
    assert_found,
)
from tests.support.bundle_writer import Spec, write_checkpoint, write_named_checkpoint
from tests.support.tiny_detector import BACKBONE
from tests.support.tiny_detector import specs as tiny

PATHS = {
    SSD: '"PATH/TO/ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8/checkpoint/ckpt-0"',
    EFFICIENTDET: '"PATH/TO/efficientdet_d0_coco17_tpu-32/checkpoint/ckpt-0"',
    FASTER_RCNN: '"PATH/TO/faster_rcnn_resnet50_v1_640x640_coco17_tpu-8/checkpoint/ckpt-0"',
    CENTERNET: '"PATH/TO/centernet_resnet50_v1_fpn_512x512_coco17_tpu-8/checkpoint/ckpt-0"',
}
TYPE = '  fine_tune_checkpoint_type: "detection"\n'
VERSION = "  fine_tune_checkpoint_version: V2\n"


def path(name: str, config: str, value: str, code: str, *says: str) -> Fault:
    """Another value of fine_tune_checkpoint."""
    return Fault(name, config, PATHS[config], value, code, says)


def kind(name: str, config: str, value: str, code: str, *says: str) -> Fault:
    """Other lines in place of the one with the type."""
    return Fault(name, config, TYPE, value, code, says)


FAULTS = [
    path("index", SSD, '"zoo/checkpoint/ckpt-0.index"', "ODF305", "ends in '.index'"),
    path("data", EFFICIENTDET, '"zoo/ckpt-0.data-00000-of-00001"', "ODF305", "'zoo/ckpt-0'"),
    path("second-shard", CENTERNET, "'zoo/ckpt-0.data-00001-of-00002'", "ODF305", ".data-00001-of"),
    path("here", FASTER_RCNN, '"."', "ODF306", "is a directory"),
    path("missing", SSD, '"no/such/zoo/checkpoint/ckpt-0"', "ODF307", "does not exist",
         "a relative path is taken from where training is started"),
    path("absolute", FASTER_RCNN, '"/no/such/zoo/ckpt-0"', "ODF307", "does not exist"),
    path("drive", EFFICIENTDET, r'"C:\\zoo\\checkpoint\\ckpt-0"', "ODF309",
         "write slashes: 'C:/zoo/checkpoint/ckpt-0'"),
    path("share", CENTERNET, r"'\\\\server\\zoo\\ckpt-0'", "ODF309", "'//server/zoo/ckpt-0'"),
    path("bucket", SSD, '"gs://bucket/zoo/checkpoint/ckpt-0"', "ODF320", "not on this machine"),
    path("home", FASTER_RCNN, '"~/zoo/checkpoint/ckpt-0"', "ODF323", "write the whole path"),
    path("variable", EFFICIENTDET, '"${ZOO}/ckpt-0"', "ODF323", "no shell sees"),
    Fault("v1", SSD, VERSION, VERSION.replace("V2", "V1"), "ODF311", ("is V1",)),
    Fault("no-version", FASTER_RCNN, f"{PATHS[FASTER_RCNN]}\n{VERSION}",
          f"{PATHS[FASTER_RCNN]}\n", "ODF311", ("is missing, and its default is V1",)),
    kind("fine_tune", SSD, TYPE.replace("detection", "fine_tune"), "ODF312", "an SSD takes"),
    kind("fine_tune-of-centernet", CENTERNET, TYPE.replace("detection", "fine_tune"), "ODF312",
         '"detection" does the same'),
    kind("capital", EFFICIENTDET, TYPE.replace("detection", "Detection"), "ODF312",
         'write "detection"'),
    kind("misspelt", FASTER_RCNN, TYPE.replace("detection", "clasification"), "ODF312",
         "did you mean 'classification'?"),
    kind("old-type", FASTER_RCNN, "@  from_detection_checkpoint: true\n", "ODF313",
         'makes it "detection"'),
    kind("load-all", SSD, f"{TYPE}@  load_all_detection_checkpoint_vars: true\n", "ODF317",
         "refused by the TF2 training loop"),
    kind("no-dummy", EFFICIENTDET,
         f"{TYPE}@  run_fine_tune_checkpoint_dummy_computation: false\n", "ODF318",
         "nobody notices"),
    kind("no-dummy-no-backbone", FASTER_RCNN,
         f"{TYPE.replace('detection', 'classification')}"
         "@  run_fine_tune_checkpoint_dummy_computation: false\n", "ODF318", "the OD API stops"),
    kind("contradiction", CENTERNET,
         f"{TYPE.replace('detection', 'classification')}@  from_detection_checkpoint: true\n",
         "ODF326", "keep the one that is meant"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_at_its_line(fault: Fault, tmp_path: Path) -> None:
    assert_found(fault, tmp_path)


def test_313_a_type_that_is_missing(tmp_path: Path) -> None:
    config = tmp_path / SSD
    text = (CONFIGS / SSD).read_text(encoding="utf-8")
    config.write_text(text.replace(TYPE, ""), encoding="utf-8")
    (found,) = check_config(config, select=["ODF3"]).findings
    assert (found.code, found.severity) == ("ODF313", "warning")
    assert found.place is not None
    assert "fine_tune_checkpoint:" in found.place.source


def test_325_patterns_without_a_checkpoint(tmp_path: Path) -> None:
    text = (CONFIGS / SSD).read_text(encoding="utf-8")
    config = tmp_path / SSD
    config.write_text(text.replace(PATHS[SSD], '""'), encoding="utf-8")
    (found,) = check_config(config, select=["ODF3"]).findings
    assert found.code == "ODF325"
    assert found.place is not None
    assert "freeze_variables:" in found.place.source


@pytest.mark.parametrize("sample", SAMPLES)
def test_of_the_samples_themselves_nothing_is_said(sample: str) -> None:
    assert check_config(CONFIGS / sample, select=["ODF3"]).findings == ()


# --- held against a checkpoint ---------------------------------------------------------


def specs() -> dict[str, Spec]:
    """The tiny detector with a first layer as wide as that of a MobileNet."""
    first = ("Conv1/kernel", "float32", (3, 3, 3, 32), None)
    return tiny() | {f"{BACKBONE}/layer_with_weights-0/kernel": first}


def other_root(root: str) -> dict[str, Spec]:
    return {path.replace("model/", root, 1): spec for path, spec in specs().items()}


def backbone() -> dict[str, Spec]:
    return {
        path.replace("model/_feature_extractor", "feature_extractor"): spec
        for path, spec in specs().items()
        if "/classification_backbone/" in path
    }


def scores(classes: int) -> dict[str, Spec]:
    heads = "model/_box_predictor/_prediction_heads/class_predictions_with_background"
    boxes = "model/_box_predictor/_box_prediction_head/_box_encoder_layers/0/bias"
    return specs() | {
        f"{heads}/_class_predictor_layers/0/bias": ("s", "float32", (6 * (classes + 1),), None),
        boxes: ("b", "float32", (6 * 4,), None),
    }


def resnet() -> dict[str, Spec]:
    root = "model/_feature_extractor/classification_backbone/layer_with_weights"
    names = [f"conv3_block{n}_3_conv" for n in range(1, 5)]
    names += [f"conv4_block{n}_3_conv" for n in range(1, 24)]
    return {
        f"{root}-{n}/kernel": (f"{name}/kernel", "float32", (1,), None)
        for n, name in enumerate(names)
    }


def damage(prefix: Path) -> None:
    Path(f"{prefix}.index").write_bytes(b"<html>404</html>" * 9)


def cut_off(prefix: Path) -> None:
    data = Path(f"{prefix}.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-1])


def lose(prefix: Path) -> None:
    Path(f"{prefix}.data-00000-of-00001").unlink()


Harm = Callable[[Path], None] | None
#: Code: what the checkpoint holds, the type, what happens to its files, the line's words.
ON_CHECKPOINT: dict[str, tuple[dict[str, Spec], str, Harm, str]] = {
    "ODF301": (specs(), "detection", None, "fine_tune_checkpoint_type:"),
    "ODF302": (other_root("net/"), "full", None, "fine_tune_checkpoint_type:"),
    "ODF304": (backbone(), "classification", None, "fine_tune_checkpoint_type:"),
    "ODF308": (specs(), "detection", lose, "fine_tune_checkpoint:"),
    "ODF314": (backbone(), "detection", None, "fine_tune_checkpoint_type:"),
    "ODF315": (resnet(), "detection", None, 'type: "ssd_mobilenet_v2_fpn_keras"'),
    "ODF316": (scores(90), "full", None, "fine_tune_checkpoint_type:"),
    "ODF322": (specs(), "detection", damage, "fine_tune_checkpoint:"),
    "ODF324": (specs(), "detection", cut_off, "fine_tune_checkpoint:"),
}


def planted(directory: Path, prefix: Path, written: str = "detection") -> Path:
    """The SSD with a checkpoint, and with a pattern that freezes a head."""
    text = (CONFIGS / SSD).read_text(encoding="utf-8")
    text = text.replace(PATHS[SSD], f'"{prefix.as_posix()}"')
    text = text.replace(TYPE, TYPE.replace("detection", written))
    start = text.index("  freeze_variables:")
    text = f'{text[:start]}  freeze_variables: "^Predictor/BoxHead"\n{text[start:]}'
    path = directory / SSD
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("code", ON_CHECKPOINT)
def test_a_fault_against_a_checkpoint_is_found_at_its_line(code: str, tmp_path: Path) -> None:
    holds, written, harm, words = ON_CHECKPOINT[code]
    prefix = write_checkpoint(tmp_path / "ckpt-0", holds)
    if harm is not None:
        harm(prefix)
    findings = check_config(planted(tmp_path, prefix, written), select=["ODF3"]).findings
    (found,) = [one for one in findings if one.code == code]
    assert found.place is not None
    assert words in found.place.source
    graver = {one.code for one in findings if one.severity == "error"} - {code}
    assert graver == set()


def test_310_a_checkpoint_of_tf1(tmp_path: Path) -> None:
    prefix = write_named_checkpoint(tmp_path / "model.ckpt", {"w": ("float32", (1,), None)})
    findings = check_config(planted(tmp_path, prefix), select=["ODF3"]).findings
    assert [one.code for one in findings] == ["ODF310"]


def test_of_a_checkpoint_that_fits_nothing_is_said(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path / "ckpt-0", scores(3))
    assert check_config(planted(tmp_path, prefix, "full"), select=["ODF3"]).findings == ()


# --- mended ----------------------------------------------------------------------------


MENDED = {
    "index": '  fine_tune_checkpoint: "zoo/checkpoint/ckpt-0"',
    "data": '  fine_tune_checkpoint: "zoo/ckpt-0"',
    "drive": '  fine_tune_checkpoint: "C:/zoo/checkpoint/ckpt-0"',
    "v1": VERSION,
    "no-version": VERSION,
    "fine_tune-of-centernet": TYPE,
    "capital": TYPE,
    "old-type": TYPE,
}


@pytest.mark.parametrize("name", MENDED)
def test_what_can_be_mended_is_mended_and_nothing_else(name: str, tmp_path: Path) -> None:
    (fault,) = (one for one in FAULTS if one.name == name)
    config = tmp_path / fault.config
    config.write_text(fault.text(), encoding="utf-8")
    done = fix_config(config, select=["ODF3"]).data.decode().splitlines()
    before = fault.text().splitlines()
    assert [line for line in done if line not in before] == [MENDED[name].rstrip("\n")]
    assert len(done) - len(before) == (name in ("no-version", "old-type"))


def test_the_type_of_another_checkpoint_is_mended(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path / "ckpt-0", scores(3))
    config = planted(tmp_path, prefix, "classification")
    done = fix_config(config, select=["ODF3"])
    assert done.data == planted(tmp_path, prefix, "detection").read_bytes()
    assert [finding.code for finding in done.fixed] == ["ODF314"]
