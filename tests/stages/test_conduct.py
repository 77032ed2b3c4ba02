"""What a stage has beside its pipeline.config, and its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odfreeze.errors import ConfigError
from odfreeze.stages.conduct import Conduct, Rate, Until, conduct_beside, read_conduct

WHOLE = Conduct(
    rates=(Rate("^conv", 0.1), Rate("(?#path)^model/x", 0.01)),
    until=Until(300, "DetectionBoxes_Precision/mAP", 0.01, max_steps=900, every=50),
    handover="best",
    carry_optimizer=True,
)


@pytest.mark.parametrize(
    "conduct",
    (Conduct(), WHOLE, Conduct(until=Until(5))),
    ids=("plain", "whole", "defaults"),
)
def test_file_is_read_as_it_was_written(conduct: Conduct, tmp_path: Path) -> None:
    (tmp_path / "stage.json").write_bytes(conduct.to_bytes())
    assert read_conduct(tmp_path) == conduct


def test_stage_without_the_file_is_plain(tmp_path: Path) -> None:
    assert read_conduct(tmp_path).is_plain


def changed(**values: Any) -> dict[str, Any]:
    return {**WHOLE.to_json(), **values}


REFUSED: dict[str, tuple[object, str]] = {
    "no object": ([], "it is no JSON object"),
    "another version": (changed(version=2), "its version is 2, not 1"),
    "rates": (changed(rates=3), "'rates' is no list"),
    "scale": (changed(rates=[{"pattern": "a", "scale": "1"}]), "'scale' is no number"),
    "scale of 0": (changed(rates=[{"pattern": "a", "scale": 0}]), r"rate\[0\].scale: scale is 0"),
    "scale without end": (
        changed(rates=[{"pattern": "a", "scale": 10**400}]),
        "'scale' is too large",
    ),
    "handover": (changed(handover="worst"), "'handover' is 'worst'"),
    "carry": (changed(carry_optimizer=1), "'carry_optimizer' is neither true nor false"),
    "patience": (changed(until={"patience": True}), "'patience' is no whole number"),
    "until": (changed(until=[]), "'until' is no JSON object"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_the_file_is_said(content: object, message: str, tmp_path: Path) -> None:
    (tmp_path / "stage.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=message) as raised:
        read_conduct(tmp_path)
    assert "stage the plan again" in str(raised.value)


def test_file_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "stage.json").write_text("{")
    with pytest.raises(ConfigError, match=r"stage\.json is not what `odfreeze stage` wrote"):
        read_conduct(tmp_path)


@pytest.mark.parametrize(
    ("folder", "expected"),
    (("01_head", WHOLE), ("configs", Conduct())),
    ids=("a stage's", "another's"),
)
def test_conduct_beside_a_config(folder: str, expected: Conduct, tmp_path: Path) -> None:
    directory = tmp_path / folder
    directory.mkdir()
    (directory / "stage.json").write_bytes(WHOLE.to_bytes())
    assert conduct_beside(directory / "pipeline.config") == expected


class TestImproving:
    @pytest.mark.parametrize(
        ("metric", "value", "best", "improves"),
        (
            ("Loss/a", 1.0, None, True),
            ("Loss/a", 0.8, 1.0, True),
            ("Loss/a", 0.95, 1.0, False),
            ("Loss/a", float("nan"), None, False),
            ("Loss/a", float("inf"), None, False),
            ("mAP", 0.8, 1.0, False),
            ("mAP", 1.2, 1.0, True),
        ),
    )
    def test_a_value(self, metric: str, value: float, best: float | None, improves: bool) -> None:
        assert Until(10, metric, min_delta=0.1).improves(value, best) is improves
