"""What stands before training and staging."""

from __future__ import annotations

import pytest

from odfreeze.check import gate
from odfreeze.check.gate import refuse_errors
from odfreeze.check.linter import Checked
from odfreeze.check.subject import RunFlags
from odfreeze.errors import Place, TrainingRefusedError
from odfreeze.findings import Finding
from odfreeze.pipeline import PipelineConfig

CONFIG = PipelineConfig.parse(b"train_config { }", "a.config")
INFO = Finding("ODF219", "info", "good to know")
WARNING = Finding("ODF402", "warning", "not a multiple of 100", Place("a.config", 2, 3))
ERROR = Finding("ODF405", "error", "the warm-up is too high", Place("a.config", 3, 1, "x: 1"))
OTHER = Finding("ODF501", "error", "no data")


def gated(monkeypatch: pytest.MonkeyPatch, *findings: Finding, **options) -> tuple[Finding, ...]:
    checked = Checked("a.config", findings, 0, b"", b"")
    monkeypatch.setattr(gate, "check_config", lambda *args, **kwargs: checked)
    return refuse_errors(CONFIG, RunFlags(), **options)


def test_what_is_no_error_is_passed_on_the_gravest_first(monkeypatch) -> None:
    assert gated(monkeypatch, INFO, WARNING) == (WARNING, INFO)


def test_an_error_refuses_with_its_place_and_the_way_out(monkeypatch) -> None:
    with pytest.raises(TrainingRefusedError) as caught:
        gated(monkeypatch, WARNING, ERROR)
    assert str(caught.value) == (
        "a.config:3:1: ODF405: the warm-up is too high (`odfreeze explain ODF405` tells more;"
        " --ignore ODF405 goes on all the same)\nx: 1\n^"
    )


@pytest.mark.parametrize(
    ("others", "more", "codes"),
    (
        ([OTHER], "; 1 more error: `odfreeze check` shows all", "ODF405,ODF501"),
        ([OTHER, ERROR], "; 2 more errors: `odfreeze check` shows all", "ODF405,ODF501"),
    ),
    ids=["one", "two"],
)
def test_several_errors(monkeypatch, others: list[Finding], more: str, codes: str) -> None:
    with pytest.raises(TrainingRefusedError) as caught:
        gated(monkeypatch, ERROR, *others)
    assert caught.value.message == (
        f"ODF405: the warm-up is too high{more} (`odfreeze explain ODF405` tells more;"
        f" --ignore {codes} goes on all the same)"
    )


def test_lenient_errors_are_passed_on(monkeypatch) -> None:
    assert gated(monkeypatch, WARNING, OTHER, lenient=["ODF5"]) == (OTHER, WARNING)


def test_the_true_check_knows_what_to_leave_out() -> None:
    broken = PipelineConfig.parse(b"train_config { } # odfreeze: ignore[ODF999]", "a.config")
    kept = refuse_errors(broken, RunFlags(), lenient=["ODF"])
    assert "ODF190" in [finding.code for finding in kept]
    kept = refuse_errors(broken, RunFlags(), lenient=["ODF"], ignore=["ODF190"])
    assert "ODF190" not in [finding.code for finding in kept]
