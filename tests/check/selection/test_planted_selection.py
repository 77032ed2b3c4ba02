"""Faults of selection and of the run's directory, planted in the sample configs."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.check.linter import check_config, fix_config
from odfreeze.check.subject import RunFlags
from odfreeze.pipeline import PipelineConfig
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
from tests.support.bundle_writer import write_checkpoint, write_state
from tests.support.tiny_detector import specs

OF_SSD = '  freeze_variables: "^(bn_)?Conv|^expanded_conv_|^block_[0-9]+_"'
OF_EFFICIENTDET = '  freeze_variables: "^top_|^logits/"'
OF_FASTER_RCNN = '  freeze_variables: "^conv1_|^conv2_block"'
OF_CENTERNET = '  freeze_variables: "(?#path)^model/_feature_extractor/_base_model/"'


def pattern(config: str, old: str, name: str, value: str, code: str, *says: str) -> Fault:
    """A pattern in place of the sample's; the finding is on its line."""
    return Fault(name, config, f"\n{old}\n", f"\n@  freeze_variables: {value}\n", code, says)


FAULTS = [
    pattern(SSD, OF_SSD, "glob", '"*block_1_*"', "ODF210", "nothing to repeat", "write '.*'"),
    pattern(EFFICIENTDET, OF_EFFICIENTDET, "parenthesis", '"^(stem|stack"', "ODF210",
            "missing ), unterminated subpattern"),
    pattern(FASTER_RCNN, OF_FASTER_RCNN, "bracket", "'conv[1-4_'", "ODF210", "unterminated"),
    pattern(CENTERNET, OF_CENTERNET, "range", '"conv[5-1]_"', "ODF210", "bad character range"),
    pattern(SSD, OF_SSD, "runaway", '"^([A-Za-z0-9_/-]+)+!"', "ODF210", "took longer than"),
    pattern(SSD, OF_SSD, "empty", '""', "ODF212", "nothing is left to learn"),
    pattern(CENTERNET, OF_CENTERNET, "empty-path", '"(?#path)"', "ODF212", "remove it"),
    Fault("empty-update", FASTER_RCNN, f"{OF_FASTER_RCNN}\n",
          "@  update_trainable_variables: ''\n", "ODF212", ("the field limits nothing",)),
    pattern(SSD, OF_SSD, "comma", '"^Conv1, ^block_1_"', "ODF213", "'^Conv1', '^block_1_'"),
    pattern(EFFICIENTDET, OF_EFFICIENTDET, "python-list", "\"['^stem_', '^stack_']\"", "ODF213",
            "is a set of letters"),
    pattern(FASTER_RCNN, OF_FASTER_RCNN, "semicolon", '"conv1_;conv2_"', "ODF213", "values apart"),
    pattern(SSD, OF_SSD, "tf1", '".*FeatureExtractor.*"', "ODF215", "names of TF1"),
    pattern(SSD, OF_SSD, "slim", '"FeatureExtractor/MobilenetV2/"', "ODF215", "FeatureExtractor"),
    pattern(FASTER_RCNN, OF_FASTER_RCNN, "slim-resnet", '"resnet_v1_50/block[12]"', "ODF215",
            "'resnet_v1_50'"),
    pattern(FASTER_RCNN, OF_FASTER_RCNN, "second-stage", '"SecondStageBoxPredictor"', "ODF215",
            "'SecondStageBoxPredictor'"),
    pattern(EFFICIENTDET, OF_EFFICIENTDET, "predictor-0", '"BoxPredictor_0/"', "ODF215",
            "BoxPredictor_0"),
    Fault("twice", EFFICIENTDET, f"{OF_EFFICIENTDET}\n",
          f"{OF_EFFICIENTDET}\n@{OF_EFFICIENTDET}\n", "ODF216", ("is there twice",)),
    Fault("twice-in-a-list", SSD, f"{OF_SSD}\n", '@  freeze_variables: ["^Conv", "^Conv"]\n',
          "ODF216", ("remove one of them",)),
    pattern(CENTERNET, OF_CENTERNET, "anchor-first", '"^(?#path)model/_feature_extractor/"',
            "ODF222", "write '(?#path)^model/_feature_extractor/'"),
    pattern(CENTERNET, OF_CENTERNET, "no-prefix", '"^model/_feature_extractor/_base_model/"',
            "ODF222", "held against names"),
    pattern(SSD, OF_SSD, "prefix-behind", '"model/_box_predictor/(?#path)"', "ODF222",
            "write '(?#path)model/_box_predictor/'"),
    pattern(FASTER_RCNN, OF_FASTER_RCNN, "tensor", '"conv1_conv/kernel:0"', "ODF223",
            "write 'conv1_conv/kernel'"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_at_its_line(fault: Fault, tmp_path: Path) -> None:
    assert_found(fault, tmp_path)


@pytest.mark.parametrize("sample", SAMPLES)
def test_of_each_sample_it_is_said_that_stock_ignores_its_patterns(sample: str) -> None:
    found = check_config(CONFIGS / sample, select=["ODF2"]).findings
    assert [finding.code for finding in found] == ["ODF219"]
    enforced = RunFlags(is_enforced=True)
    assert not check_config(CONFIGS / sample, select=["ODF2"], flags=enforced).findings


# --- held against a checkpoint ---------------------------------------------------------

ON_CHECKPOINT = {
    "backbone": ('@freeze_variables: ".*backbone/.*"', "ODF201", "selects the backbone"),
    "heads": ('freeze_variables: "Conv1"\n@freeze_variables: "^head"', "ODF201",
              "'^Predictor/' selects the heads"),
    "misspelt": ('@freeze_variables: "blok_11_"', "ODF201", "nearest to 'blok_11_'"),
    "everything": ('@freeze_variables: ".*"', "ODF202", "everything is frozen"),
    "nothing": ('@update_trainable_variables: ".*"', "ODF203", "nothing is frozen"),
    "optional": ('@freeze_variables: ".*block[0-1]*.*"', "ODF204", "decides nothing"),
    "numbers": ('@freeze_variables: "^block_1"', "ODF205", "also takes block_10, block_11"),
    "kernels": ('@freeze_variables: "kernel"', "ODF206", "left updating"),
    "match": ('@freeze_variables: "_expand"', "ODF207", "re.match"),
    "suffix": ('@freeze_variables: "gamma$"', "ODF208", "':0' ending"),
    "statistics": ('@freeze_variables: "moving_mean"', "ODF209", "only moving statistics"),
    "dot": ('@freeze_variables: "^v1.0_block"', "ODF214", "write '^v1[.]0_block'"),
    "covered": ('freeze_variables: "^block_"\n@freeze_variables: "^block_10_"', "ODF216",
                "matched by '^block_' too"),
    "much": ('@freeze_variables: "kernel|gamma|beta"', "ODF217", "only 1 variable"),
    "little": ('@freeze_variables: "v1[.]0_"\nfreeze_variables: "zz1"\nfreeze_variables: "zz2"',
               "ODF218", "3 patterns freeze no more than 0.1%"),
    "cancelled": ('freeze_variables: "^Conv1"\n@update_trainable_variables: "^Conv1"\n'
                  'update_trainable_variables: "block"', "ODF220", "freezing wins"),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_CHECKPOINT)
def test_a_fault_against_a_checkpoint_is_found_at_its_line(name: str, tmp_path: Path) -> None:
    lines, code, says = ON_CHECKPOINT[name]
    variables = dict(specs())
    for dotted in ("v1.0_block", "v1_0_block"):
        variables[f"model/_feature_extractor/{dotted}"] = (f"{dotted}/gamma", "float32", (1,), None)
    prefix = write_checkpoint(tmp_path / "ckpt-0", variables).as_posix()
    text = (CONFIGS / SSD).read_text(encoding="utf-8")
    start = text.index("PATH/TO/ssd_mobilenet")
    text = text[:start] + prefix + text[text.index('"', start) :]
    planted = text.replace(OF_SSD, lines)
    path = tmp_path / SSD
    path.write_text(planted.replace("@", ""), encoding="utf-8")
    line = planted.count("\n", 0, planted.index("@")) + 1
    found = [f for f in check_config(path).findings if f.code == code]
    assert [f.place and f.place.line for f in found] == [line], found
    assert says in found[0].message


FIXES = {
    "empty": '# one\n\n  freeze_variables: ["^a", ""]  # kept\n',
    "several": '\n  freeze_variables: "^a, ^b"  # kept\n',
    "twice": '\n  freeze_variables: "^a"\n  freeze_variables: "^a"\n',
    "prefix": '\n  freeze_variables: "^(?#path)model/"\n',
}
FIXED = {
    "empty": '# one\n\n  freeze_variables: ["^a"]  # kept\n',
    "several": '\n  freeze_variables: "^a"  # kept\n  freeze_variables: "^b"\n',
    "twice": '\n  freeze_variables: "^a"\n',
    "prefix": '\n  freeze_variables: "(?#path)^model/"\n',
}


@pytest.mark.parametrize("name", FIXES)
def test_what_can_be_mended_is_mended_and_nothing_else(name: str, tmp_path: Path) -> None:
    text = (CONFIGS / SSD).read_text(encoding="utf-8")
    path = tmp_path / SSD
    path.write_text(text.replace(f"\n{OF_SSD}\n", FIXES[name]), encoding="utf-8")
    done = fix_config(path, select=["ODF2"])
    assert done.data.decode() == text.replace(f"\n{OF_SSD}\n", FIXED[name])
    assert [finding.code for finding in done.findings] == ["ODF219"]


# --- the run's directory ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "code", "line"),
    [(5_000, "ODF601", "fine_tune_checkpoint:"), (20_000, "ODF602", "num_steps:")],
)
def test_a_used_directory_is_found_at_its_line(
    tmp_path: Path, step: int, code: str, line: str
) -> None:
    run = tmp_path / "run"
    write_checkpoint(run / "ckpt-5", {"model/w": ("w", "float32", (1,), None)}, step=step)
    write_state(run, "ckpt-5")
    flags = RunFlags(model_dir=str(run))
    (found,) = check_config(CONFIGS / SSD, flags=flags, select=["ODF6"]).findings
    assert found.code == code and found.place is not None
    assert line in found.place.source


ROOTS = {
    "ssd": "_box_predictor",
    "center_net": "_prediction_head_dict",
    "faster_rcnn": "_feature_extractor_for_proposal_features",
}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("meta", ROOTS)
def test_a_directory_of_another_architecture_is_found(
    tmp_path: Path, sample: str, meta: str
) -> None:
    path = f"model/{ROOTS[meta]}/kernel"
    write_checkpoint(tmp_path / "ckpt-5", {path: ("w", "float32", (1,), None)}, step=1)
    write_state(tmp_path, "ckpt-5")
    flags = RunFlags(model_dir=str(tmp_path))
    found = check_config(CONFIGS / sample, flags=flags, select=["ODF6"]).findings
    same = PipelineConfig.read(CONFIGS / sample).meta_architecture == meta
    assert [finding.code for finding in found] == ["ODF601" if same else "ODF603"]
