"""Faults planted in real configs: what `odfreeze check` must find, and on which line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odfreeze.check.linter import Checked, check_config
from odfreeze.check.subject import RunFlags, Subject
from odfreeze.pipeline import PipelineConfig
from tests.conftest import ROOT

CONFIGS = ROOT / "sample_configs"
SSD = "ssd_mobilenet_v2_fpnlite_320x320.config"
EFFICIENTDET = "efficientdet_d0_512x512.config"
FASTER_RCNN = "faster_rcnn_resnet50_640x640.config"
CENTERNET = "centernet_resnet50_v1_fpn_512x512.config"
SAMPLES = (SSD, EFFICIENTDET, FASTER_RCNN, CENTERNET)


@dataclass(frozen=True)
class Fault:
    """A fault in one of the sample configs.

    Attributes:
      name: Test id.
      config: The sample.
      old: Text that occurs once in it.
      new: What it is replaced by; a ``@`` in it marks the line where the finding must be, and
        is taken out. Without one the finding is on the first line of ``new``.
      code: The finding's code.
      says: Words that its message must hold.
      flags: How the config is run.
    """

    name: str
    config: str
    old: str
    new: str
    code: str
    says: Sequence[str] = ()
    flags: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """The config with the fault in it."""
        return self._planted().replace("@", "", 1) if "@" in self.new else self._planted()

    def line(self) -> int:
        """The line where the finding must be."""
        planted = self._planted()
        mark = planted.index(self.new) + max(self.new.find("@"), 0)
        return planted.count("\n", 0, mark) + 1

    def _planted(self) -> str:
        text = (CONFIGS / self.config).read_text(encoding="utf-8")
        assert text.count(self.old) == 1, f"{self.name}: {self.old!r} occurs {text.count(self.old)}"
        return text.replace(self.old, self.new)

    def check(self, directory: Path) -> Checked:
        """What is found in the config with the fault."""
        path = directory / self.config
        path.write_text(self.text(), encoding="utf-8")
        return check_config(path, flags=RunFlags(**self.flags))


def assert_found(fault: Fault, directory: Path) -> None:
    """Fails unless the fault is found, at its line, and is not there without it."""
    found = [f for f in fault.check(directory).findings if f.code == fault.code]
    assert fault.line() in [f.place.line if f.place else None for f in found], found
    there = next(f for f in found if f.place and f.place.line == fault.line())
    assert all(words in there.message for words in fault.says), there.message
    clean = check_config(CONFIGS / fault.config, flags=RunFlags(**fault.flags)).findings
    assert not [f for f in clean if f.code == fault.code and f.message == there.message]


def subject_of(text: str, file: str = "a.config", **flags: Any) -> Subject:
    """A config given as text, ready for a rule."""
    return Subject(PipelineConfig.parse(text.encode(), file), RunFlags(**flags))


def said(findings: Any) -> list[str]:
    """Findings as ``CODE severity line: message``."""
    return [
        f"{f.code} {f.severity} {f.place.line if f.place else '-'}: {f.message}" for f in findings
    ]
