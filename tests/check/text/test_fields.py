"""Field names that do not exist, or stand in the wrong block."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from odfreeze.check import linter
from odfreeze.check.linter import check_config, fix_config
from odfreeze.check.subject import Subject
from odfreeze.check.text.fields import (
    field_in_the_wrong_block,
    later_field,
    unknown_field,
)
from odfreeze.findings import Finding
from odfreeze.textproto import apply_edits
from tests.check.planted import CONFIGS, EFFICIENTDET, SAMPLES, said, subject_of

REFUSED = "and the OD API refuses the config"


def mended(text: str, findings: list[Finding]) -> str:
    """The text with the edits of findings."""
    return apply_edits(text.encode(), [e for f in findings for e in f.edits]).decode()


class TestUnknownField:
    @pytest.mark.parametrize(
        ("text", "message", "after"),
        [
            (
                'train_config {\n  freeze_vars: "a"\n}',
                "ODF101 error 2: there is no field 'freeze_vars': the OD API refuses the config, "
                "and nothing is frozen by it; write 'freeze_variables' in train_config",
                'train_config {\n  freeze_variables: "a"\n}',
            ),
            (
                'train_config {\n  freeze_layers: ["a", "b"]\n}',
                "ODF101 error 2: there is no field 'freeze_layers': the OD API refuses the config, "
                "and nothing is frozen by it; write 'freeze_variables' in train_config",
                'train_config {\n  freeze_variables: ["a", "b"]\n}',
            ),
            (
                "train_config {\n  freeze_layers: 3\n}",
                "ODF101 error 2: there is no field 'freeze_layers': the OD API refuses the config, "
                "and nothing is frozen by it; write 'freeze_variables' in train_config",
                "train_config {\n  freeze_layers: 3\n}",
            ),
            (
                'train_config {\n  num_steps: 1\n}\nfreeze_vars: "a"\nmodel { }',
                "ODF101 error 4: there is no field 'freeze_vars': the OD API refuses the config, "
                "and nothing is frozen by it; write 'freeze_variables' in train_config",
                'train_config {\n  num_steps: 1\n  freeze_variables: "a"\n}\nmodel { }',
            ),
            (
                "train_config { num_step: 5 }",
                f"ODF101 error 1: train_config has no field 'num_step', {REFUSED}; did you mean "
                "'num_steps'?",
                "train_config { num_steps: 5 }",
            ),
            (
                'train_config { num_step: "5" }',
                f"ODF101 error 1: train_config has no field 'num_step', {REFUSED}; did you mean "
                "'num_steps'?",
                'train_config { num_step: "5" }',
            ),
            (
                "trainconfig { num_steps: 5 }\nmodel { }",
                "ODF101 error 1: the top level of a pipeline.config has no field 'trainconfig', "
                f"{REFUSED}; did you mean 'train_config'?",
                "train_config { num_steps: 5 }\nmodel { }",
            ),
            (
                "train_config { batch: 8 }",
                f"ODF101 error 1: train_config has no field 'batch', {REFUSED}; did you mean "
                "'batch_size'?",
                "train_config { batch: 8 }",
            ),
            (
                "model { ssd { matcher { zzz: 8 } } }",
                f"ODF101 error 1: model.ssd.matcher has no field 'zzz', {REFUSED}; it has "
                "argmax_matcher, bipartite_matcher (a field of a fork needs that fork, and an "
                "ignore comment)",
                "model { ssd { matcher { zzz: 8 } } }",
            ),
            (
                "model { ssd { zzzzzz: 8 } }",
                f"ODF101 error 1: model.ssd has no field 'zzzzzz', {REFUSED}; remove it (a field "
                "of a fork needs that fork, and an ignore comment)",
                "model { ssd { zzzzzz: 8 } }",
            ),
        ],
        ids=[
            "tutorial", "tutorial-list", "value-does-not-fit", "tutorial-outside", "near",
            "near-value-does-not-fit", "block", "far-is-not-mended", "small-message",
            "nothing-near",
        ],
    )  # fmt: skip
    def test_is_told_with_the_nearest_name(self, text: str, message: str, after: str) -> None:
        findings = list(unknown_field(subject_of(text)))
        assert said(findings) == [message]
        assert mended(text, findings) == after

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_a_sample_has_none(self, sample: str) -> None:
        subject = subject_of((CONFIGS / sample).read_text(encoding="utf-8"))
        assert not list(unknown_field(subject))
        assert not list(field_in_the_wrong_block(subject))
        assert not list(later_field(subject))


class TestWrongBlock:
    @pytest.mark.parametrize(
        ("text", "message", "after"),
        [
            (
                "model {\n  ssd {\n  }\n}\ntrain_config {\n  freeze_batchnorm: true\n}",
                f"ODF102 error 6: 'freeze_batchnorm' is no field of train_config, {REFUSED}; it "
                "belongs in model.ssd",
                "model {\n  ssd {\n    freeze_batchnorm: true\n  }\n}\ntrain_config {\n}",
            ),
            (
                "model { faster_rcnn { } }\ntrain_config {\n  num_classes: 3\n}",
                f"ODF102 error 3: 'num_classes' is no field of train_config, {REFUSED}; it belongs "
                "in model.faster_rcnn",
                None,
            ),
            (
                "train_config {\n  num_classes: 3\n}",
                f"ODF102 error 2: 'num_classes' is no field of train_config, {REFUSED}; it belongs "
                "in model.faster_rcnn or model.ssd or model.center_net",
                None,
            ),
            (
                "model { ssd { } }\ntrain_config { }\neval_config {\n  freeze_variables: 'a'\n}",
                f"ODF102 error 4: 'freeze_variables' is no field of eval_config, {REFUSED}; it "
                "belongs in train_config",
                "model { ssd { } }\ntrain_config { freeze_variables: 'a' }\neval_config {\n}",
            ),
            (
                "train_config {\n  train_config { freeze_vars: 'a' }\n}",
                f"ODF102 error 2: train_config stands inside train_config, {REFUSED}; take out the "
                "inner 'train_config {' and its '}'",
                "train_config {\n  freeze_vars: 'a'\n}",
            ),
            (
                "train_config {\n  optimizer {\n    momentum_optimizer { }\n  num_steps: 5\n"
                "  batch_size: 3\n}\n}",
                f"ODF102 error 4: 'num_steps' is no field of train_config.optimizer but of "
                f"train_config, {REFUSED}; a '}}' is probably missing before line 4: close "
                "optimizer there",
                None,
            ),
            (
                "train_config {\n  num_steps: 5\ntrain_input_reader {\n}\neval_config { }\n}",
                f"ODF102 error 3: 'train_input_reader' is no field of train_config but of the top "
                f"level, {REFUSED}; a '}}' is probably missing before line 3: close train_config "
                "there",
                None,
            ),
        ],
        ids=["only-one-has-it", "several-one-is-here", "several", "patterns", "pasted-into-itself",
             "missing-brace", "missing-brace-of-a-block"],
    )  # fmt: skip
    def test_is_told_with_the_right_one(self, text: str, message: str, after: str | None) -> None:
        findings = list(field_in_the_wrong_block(subject_of(text)))
        assert said(findings) == [message]
        assert mended(text, findings) == (after or text)
        assert not list(unknown_field(subject_of(text)))

    def test_a_field_that_is_there_already_is_not_moved(self) -> None:
        text = "model { ssd { freeze_batchnorm: false } }\ntrain_config { freeze_batchnorm: true }"
        (finding,) = field_in_the_wrong_block(subject_of(text))
        assert finding.edits == ()


class TestLaterField:
    def test_is_told(self) -> None:
        text = "model { ssd { feature_extractor { use_hardswish: true } } }"
        assert said(later_field(subject_of(text))) == [
            "ODF114 warning 1: model.ssd.feature_extractor.use_hardswish is a field of later heads "
            "of tensorflow/models; the OD API of PyPI (2.8.0.post1) refuses the config; remove it, "
            "or train with such a head"
        ]


class TestSnippetOfATutorial:
    """`train_config { freeze_vars: … }`, put into an EfficientDet config in three ways."""

    SNIPPET = 'train_config { freeze_vars: ".*backbone/.*" }'

    @pytest.fixture(params=["appended", "field", "pasted inside"])
    def config(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        text = (CONFIGS / EFFICIENTDET).read_text(encoding="utf-8")
        lines = [one for one in text.splitlines() if not one.startswith("  freeze_variables")]
        inside = {"field": '  freeze_vars: ".*backbone/.*"', "pasted inside": f"  {self.SNIPPET}"}
        if request.param == "appended":
            lines.append(self.SNIPPET)
        else:
            lines.insert(lines.index("train_config {") + 1, inside[request.param])
        path = tmp_path / "pipeline.config"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def test_one_run_tells_of_the_name_and_of_the_pattern(
        self, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def seen(subject: Subject) -> Iterator[Finding]:
            for pattern in subject.config.patterns():
                yield Finding("ODF201", "warning", pattern.text, pattern.place)

        monkeypatch.setattr(linter, "_MODULES", ("text.blocks", "seen"))
        monkeypatch.setitem(sys.modules, "odfreeze.check.seen", _Rules((seen,)))
        checked = check_config(config, ignore=["ODF109"])
        lines = config.read_text().splitlines()
        line = next(n for n, one in enumerate(lines, 1) if "freeze_vars" in one)
        by_code = {f.code: f for f in checked.findings if f.code in {"ODF101", "ODF201"}}
        named, matched = by_code["ODF101"], by_code["ODF201"]
        assert "write 'freeze_variables'" in named.message
        assert named.place and matched.place
        assert (named.place.line, matched.place.line) == (line, line)
        assert named.place.column == lines[line - 1].index("freeze_vars") + 1
        assert matched.message == ".*backbone/.*"
        assert matched.place.column == lines[line - 1].index('"') + 1
        assert matched.place.source == lines[line - 1]

    def test_with_the_checkpoint_the_right_pattern_is_named(
        self, config: Path, corpus: Path
    ) -> None:
        prefix = corpus / "checkpoints" / "efficientdet_d0_names_only" / "ckpt-0"
        text = config.read_text(encoding="utf-8")
        config.write_text(
            re.sub(r'(fine_tune_checkpoint: )".*"', rf'\g<1>"{prefix.as_posix()}"', text)
        )
        found = {f.code: f.message for f in check_config(config, ignore=["ODF109"]).findings}
        assert "write 'freeze_variables'" in found["ODF101"]
        assert "no name here holds 'backbone'" in found["ODF201"]
        assert "selects the backbone (311 variables)" in found["ODF201"]

    def test_fix_repairs_the_name_and_nothing_else(self, config: Path) -> None:
        before = config.read_text(encoding="utf-8").splitlines()
        after = fix_config(config, select=["ODF101", "ODF102"]).data.decode().splitlines()
        ((old, new),) = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        inner = "train_config { freeze_vars" in old and not old.startswith("train_config")
        want = old.replace("freeze_vars", "freeze_variables")
        assert new == ('  freeze_variables: ".*backbone/.*"' if inner else want)


class _Rules:
    """Stands for a module of rules."""

    def __init__(self, rules: tuple[Callable[[Subject], Iterator[Finding]], ...]) -> None:
        self.RULES = rules
