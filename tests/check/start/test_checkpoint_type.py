"""What is said of the checkpoint's type and version, and of the fields beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from odfreeze.check.start import checkpoint_type as rules
from odfreeze.check.start.checkpoint_type import accepted_types
from odfreeze.check.subject import Subject
from odfreeze.findings import Finding
from odfreeze.textproto import apply_edits
from tests.check.planted import said, subject_of
from tests.support.bundle_writer import Spec, write_checkpoint, write_named_checkpoint
from tests.support.tiny_detector import specs

Rule = Callable[[Subject], Iterator[Finding]]

SSD = 'model { ssd { feature_extractor { type: "ssd_mobilenet_v2_fpn_keras" } } }'
TF1 = 'model { ssd { feature_extractor { type: "ssd_mobilenet_v2" } } }'
FASTER_RCNN = 'model { faster_rcnn { feature_extractor { type: "faster_rcnn_resnet50_keras" } } }'
CENTERNET = 'model { center_net { feature_extractor { type: "resnet_v1_50_fpn" } } }'
HOURGLASS = 'model { center_net { feature_extractor { type: "hourglass_104" } } }'


def of(*fields: str, model: str = SSD, path: Path | str = "PATH/TO/ckpt-0") -> Subject:
    """A config with the model on line 1, the checkpoint on line 3, then a field a line."""
    lines = [model, "train_config {", f'  fine_tune_checkpoint: "{path}"']
    if isinstance(path, Path):
        lines[2] = f'  fine_tune_checkpoint: "{path.as_posix()}"'
    return subject_of("\n".join([*lines, *(f"  {field}" for field in fields), "}", ""]))


def mended(rule: Rule, subject: Subject) -> list[str]:
    """The lines that the rule's fixes add or change."""
    edits = [edit for finding in rule(subject) for edit in finding.edits]
    before = subject.config.data.decode()
    after = apply_edits(subject.config.data, edits).decode()
    return [line.strip() for line in after.splitlines() if line not in before.splitlines()]


def kind(name: str) -> str:
    return f'fine_tune_checkpoint_type: "{name}"'


# --- without a look at the checkpoint --------------------------------------------------


@pytest.mark.parametrize(
    ("written", "line", "what"),
    [
        ((), 3, "is missing, and its default is V1"),
        (("fine_tune_checkpoint_version: V1",), 4, "is V1"),
        (("fine_tune_checkpoint_version: 1",), 4, "is V1"),
        (("fine_tune_checkpoint_version: V2", "fine_tune_checkpoint_version: V1"), 5, "is V1"),
    ],
    ids=["missing", "v1", "number", "last-wins"],
)
def test_311_version_1(written: tuple[str, ...], line: int, what: str) -> None:
    assert said(rules.version_is_v1(of(*written))) == [
        f"ODF311 error {line}: fine_tune_checkpoint_version {what}, which the TF2 OD API refuses; "
        "write fine_tune_checkpoint_version: V2"
    ]
    assert mended(rules.version_is_v1, of(*written))[-1:] in (
        ["fine_tune_checkpoint_version: V2"],
        [],  # the line with V2 was there already
    )


@pytest.mark.parametrize(
    "subject",
    [
        of("fine_tune_checkpoint_version: V2"),
        of("fine_tune_checkpoint_version: UNKNOWN"),
        of("fine_tune_checkpoint_version: v2"),
        of("fine_tune_checkpoint_version { }"),
        of(model=TF1),
        of(path=""),
    ],
    ids=["v2", "unknown", "misspelt", "message", "tf1", "no-checkpoint"],
)
def test_311_not_for(subject: Subject) -> None:
    assert said(rules.version_is_v1(subject)) == []


@pytest.mark.parametrize(
    ("model", "written", "message", "fix"),
    [
        (SSD, "fine_tune", "is none that an SSD takes: "
         '"classification" or "detection" or "full"', []),
        (FASTER_RCNN, "detektion", "is none that a Faster R-CNN takes: "
         '"classification" or "detection" or "full"; did you mean \'detection\'?', []),
        (FASTER_RCNN, "Full", 'is none that a Faster R-CNN takes: write "full"',
         [kind("full")]),
        (CENTERNET, "fine_tune", 'was given up for CenterNet: "detection" does the same',
         [kind("detection")]),
        (HOURGLASS, "classification", "is none that a CenterNet with hourglass_104 takes: "
         '"detection" or "full"', []),
        (HOURGLASS, " detection", "is none that a CenterNet with hourglass_104 takes: "
         'write "detection"', [kind("detection")]),
        ("", "none", 'is none that it takes: "classification" or "detection" or "full"', []),
    ],
    ids=["ssd", "misspelt", "case", "fine_tune", "hourglass", "blank", "no-model"],
)  # fmt: skip
def test_312_a_type_that_is_not_taken(
    model: str, written: str, message: str, fix: list[str]
) -> None:
    subject = of(kind(written), model=model)
    assert said(rules.type_not_accepted(subject)) == [
        f'ODF312 error 4: fine_tune_checkpoint_type "{written}" {message}'
    ]
    assert mended(rules.type_not_accepted, subject) == fix


def test_312_the_default_of_an_hourglass() -> None:
    (found,) = said(rules.type_not_accepted(of(model=HOURGLASS)))
    assert found.startswith(
        'ODF312 error 3: fine_tune_checkpoint_type "classification", which a missing type means, '
        "is none that "
    )
    assert said(rules.type_missing(of(model=HOURGLASS))) == []


@pytest.mark.parametrize("model", [SSD, FASTER_RCNN, CENTERNET, HOURGLASS])
def test_312_not_for_a_type_that_is_taken(model: str) -> None:
    taken = [
        one
        for one in ("classification", "detection", "full", "fine_tune")
        if said(rules.type_not_accepted(of(kind(one), model=model))) == []
    ]
    assert taken == ["classification", "detection", "full"][model == HOURGLASS :]
    assert tuple(taken) == accepted_types(
        of(model=model).meta_architecture, of(model=model).extractor_type
    )


def test_313_no_type() -> None:
    assert said(rules.type_missing(of())) == [
        'ODF313 warning 3: fine_tune_checkpoint_type is missing, which means "classification": the '
        "checkpoint of an image classifier. For that of a detector write "
        '"detection" (all but the heads) or "full"'
    ]
    assert said(rules.type_missing(of(kind("full")))) == []
    assert said(rules.type_missing(of(model=TF1))) == []


def test_313_the_older_field_decides() -> None:
    subject = of("from_detection_checkpoint: true")
    assert said(rules.type_missing(subject)) == [
        "ODF313 info 4: fine_tune_checkpoint_type is missing; from_detection_checkpoint, which is "
        'deprecated, makes it "detection": write that'
    ]
    assert mended(rules.type_missing, subject) == [kind("detection")]


def test_317_a_field_that_tf2_refuses() -> None:
    field = "load_all_detection_checkpoint_vars: true"
    subject = of(kind("detection"), field)
    assert said(rules.loads_all_variables(subject)) == [
        "ODF317 error 5: load_all_detection_checkpoint_vars is refused by the TF2 training loop; "
        'remove it, and to restore the heads too write fine_tune_checkpoint_type: "full"'
    ]
    assert not any(finding.edits for finding in rules.loads_all_variables(subject))
    assert said(rules.loads_all_variables(of(field.replace("true", "false")))) == []
    assert said(rules.loads_all_variables(of(field, model=TF1))) == []


@pytest.mark.parametrize(
    "subject",
    [
        of(kind("full"), "load_all_detection_checkpoint_vars: true"),
        of("load_all_detection_checkpoint_vars: true", path=""),
    ],
    ids=["full", "no-checkpoint"],
)
def test_317_is_removed_where_that_changes_nothing(subject: Subject) -> None:
    (finding,) = rules.loads_all_variables(subject)
    assert b"load_all" not in apply_edits(subject.config.data, finding.edits)


@pytest.mark.parametrize(
    ("model", "written", "severity"),
    [
        (SSD, "detection", "warning"),
        (SSD, "classification", "error"),
        (FASTER_RCNN, "classification", "error"),
        (CENTERNET, "classification", "warning"),
        (SSD.replace("mobilenet_v2_fpn", "efficientnet-b0_bifpn"), "classification", "warning"),
    ],
    ids=["silent", "ssd", "faster_rcnn", "center_net", "efficientdet"],
)
def test_318_a_model_that_is_not_built(model: str, written: str, severity: str) -> None:
    field = "run_fine_tune_checkpoint_dummy_computation: false"
    (found,) = said(rules.mismatch_unnoticed(of(kind(written), field, model=model)))
    assert found.startswith(f"ODF318 {severity} 5: {field} restores before the model ")
    built = of(kind(written), field.replace("false", "true"), model=model)
    assert said(rules.mismatch_unnoticed(built)) == []
    assert said(rules.mismatch_unnoticed(of(kind(written), model=model))) == []


def test_325_patterns_without_a_checkpoint() -> None:
    pattern = 'freeze_variables: "^block_"'
    assert said(rules.nothing_to_start_from(of(pattern, path=""))) == [
        "ODF325 warning 4: freeze_variables is given and no fine_tune_checkpoint: what is frozen "
        "would stay at its random start; name a checkpoint to start from"
    ]
    assert said(rules.nothing_to_start_from(of(pattern))) == []
    assert said(rules.nothing_to_start_from(of(path=""))) == []
    assert said(rules.nothing_to_start_from(of(pattern, path="", model=TF1))) == []


def test_325_not_for_a_run_that_goes_on(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "ckpt-1", specs())
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "ckpt-1"\n', encoding="utf-8")
    subject = of('freeze_variables: "a"', path="")
    subject.flags = dataclasses.replace(subject.flags, model_dir=str(tmp_path))
    assert said(rules.nothing_to_start_from(subject)) == []
    subject.close()


def test_326_the_older_field_says_another_thing() -> None:
    field = "from_detection_checkpoint: true"
    assert said(rules.old_type_ignored(of(field, kind("classification")))) == [
        "ODF326 warning 4: from_detection_checkpoint: true is not looked at, since "
        'fine_tune_checkpoint_type is written and says "classification"; keep the one that is meant'
    ]
    for others in ((field, kind("detection")), (field,), (kind("classification"),)):
        assert said(rules.old_type_ignored(of(*others))) == []


# --- with a look at the checkpoint ---------------------------------------------------


def detector() -> dict[str, Spec]:
    return specs()


def classifier() -> dict[str, Spec]:
    return {
        path.replace("model/_feature_extractor", "feature_extractor"): spec
        for path, spec in specs().items()
        if "_feature_extractor/classification" in path
    }


def both() -> dict[str, Spec]:
    return {**detector(), **classifier()}


def test_310_a_checkpoint_of_tf1(tmp_path: Path) -> None:
    prefix = write_named_checkpoint(tmp_path / "model.ckpt", {"w": ("float32", (2,), None)})
    assert said(rules.checkpoint_of_tf1(of(path=prefix))) == [
        "ODF310 error 3: fine_tune_checkpoint is a checkpoint of TF1, keyed by names, which the "
        "TF2 OD API refuses; download the TF2 model of the same architecture (its checkpoint is "
        "called checkpoint/ckpt-0)"
    ]
    assert said(rules.checkpoint_of_tf1(of(path=prefix, model=TF1))) == []
    assert said(rules.type_disagrees(of(path=prefix))) == []
    assert said(rules.no_save_counter(of(path=prefix))) == []


def test_310_not_for_one_of_tf2(tmp_path: Path) -> None:
    subject = of(path=write_checkpoint(tmp_path / "ckpt-0", detector()))
    assert said(rules.checkpoint_of_tf1(subject)) == []


CLASSIFIER_WANTED = (
    "asks for 'feature_extractor/', the network of a classifier, and the checkpoint is that of a "
    "detector: it has 'model/'; set fine_tune_checkpoint_type: \"detection\" (all but the heads) "
    'or "full"'
)
REFUSED = "refuses a checkpoint with 'feature_extractor/' at its root, as a classifier's has it; "


@pytest.mark.parametrize(
    ("holds", "written", "message", "fix"),
    [
        (detector, "classification", CLASSIFIER_WANTED, [kind("detection")]),
        (classifier, "detection", f'{REFUSED}set fine_tune_checkpoint_type: "classification"',
         [kind("classification")]),
        (classifier, "full", "asks for 'model/', and the checkpoint is that of a classifier: it "
         "has 'feature_extractor/' alone; set fine_tune_checkpoint_type: \"classification\"",
         [kind("classification")]),
        (both, "detection", f'{REFUSED}download the model again, or set "full"', []),
    ],
    ids=["detector", "classifier", "classifier-full", "both"],
)  # fmt: skip
def test_314_the_type_for_another_checkpoint(
    holds: Callable[[], dict[str, Spec]],
    written: str,
    message: str,
    fix: list[str],
    tmp_path: Path,
) -> None:
    subject = of(kind(written), path=write_checkpoint(tmp_path / "ckpt-0", holds()))
    assert said(rules.type_disagrees(subject)) == [
        f'ODF314 error 4: fine_tune_checkpoint_type "{written}" {message}'
    ]
    assert mended(rules.type_disagrees, subject) == fix
    subject.close()


@pytest.mark.parametrize(
    ("holds", "written"),
    [
        (detector, "detection"),
        (detector, "full"),
        (classifier, "classification"),
        (both, "classification"),
        (both, "full"),
        (detector, "fine_tune"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_314_not_for_a_type_that_fits_or_is_none(
    holds: Callable[[], dict[str, Spec]], written: str, tmp_path: Path
) -> None:
    subject = of(kind(written), path=write_checkpoint(tmp_path / "ckpt-0", holds()))
    assert said(rules.type_disagrees(subject)) == []
    subject.close()


def test_314_the_default_is_told_once(tmp_path: Path) -> None:
    subject = of(path=write_checkpoint(tmp_path / "ckpt-0", detector()))
    (found,) = said(rules.type_disagrees(subject))
    assert found == (
        'ODF314 error 3: fine_tune_checkpoint_type "classification", which a missing type means, '
        f"{CLASSIFIER_WANTED}"
    )
    assert said(rules.type_missing(subject)) == []
    assert mended(rules.type_disagrees, subject) == [kind("detection")]
    subject.close()


def test_314_an_hourglass_has_no_other_type(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "ckpt-0", classifier())
    subject = of(kind("detection"), path=path, model=HOURGLASS)
    (found,) = said(rules.type_disagrees(subject))
    assert found.endswith("hourglass_104 takes none such: give the checkpoint of a detector")
    assert mended(rules.type_disagrees, subject) == []
    subject.close()


def test_313_is_no_more_than_good_to_know_where_the_default_fits(tmp_path: Path) -> None:
    subject = of(path=write_checkpoint(tmp_path / "ckpt-0", classifier()))
    (found,) = said(rules.type_missing(subject))
    assert found.startswith("ODF313 info 3: ")
    subject.close()


def test_327_no_save_counter(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "ckpt-0", detector(), counter=False)
    assert said(rules.no_save_counter(of(path=path))) == [
        "ODF327 error 3: the checkpoint has no save_counter, as after tf.train.Checkpoint.write() "
        "or Model.save_weights(), and the OD API refuses it for that; save it with "
        "tf.train.Checkpoint.save() or a tf.train.CheckpointManager"
    ]
    with_one = write_checkpoint(tmp_path / "ckpt-1", detector())
    assert said(rules.no_save_counter(of(path=with_one))) == []
    saved = write_checkpoint(tmp_path / "variables" / "variables", detector(), counter=False)
    assert said(rules.no_save_counter(of(path=saved))) == []


def test_of_a_config_that_is_right_nothing_is_said(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "ckpt-0", detector())
    subject = of(kind("detection"), "fine_tune_checkpoint_version: V2", path=path)
    assert said(finding for rule in rules.RULES for finding in rule(subject)) == []
    subject.close()
