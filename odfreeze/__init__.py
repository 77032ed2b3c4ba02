"""Freezing for the TensorFlow Object Detection API: edit, preview, stage, train, verify.

Names are loaded on first use: importing ``odfreeze`` imports neither TensorFlow
nor protobuf.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "errors": (
        "CheckpointCorruptError", "CheckpointError", "CheckpointNotFoundError",
        "CheckpointUnsupportedError", "ConfigError", "MissingDependencyError", "OdfreezeError",
        "OutputError", "PatternError", "PatternTimeoutError", "Place", "PlanError",
        "RecordError", "RemotePathError", "SelectionMismatchError", "TextProtoError",
        "TrainingFailedError", "TrainingRefusedError", "UnknownFieldError", "UsageError",
    ),
    "account": ("Account", "read_account"),
    "check.linter": ("Checked", "check_config", "fix_config"),
    "check.subject": ("RunFlags",),
    "checkpoint": ("Checkpoint",),
    "comparison": ("ComparedRun", "Comparison", "Difference"),
    "conduct": ("Conduct", "Rate", "Until"),
    "findings": ("Finding",),
    "groups": ("Group", "Groups", "group"),
    "pipeline": ("PipelineConfig",),
    "plan": ("Plan", "Stage", "read_plan"),
    "planning": ("Draft", "draft_plan", "write_draft"),
    "preview": ("Preview", "preview"),
    "selection": ("Pattern", "Selection", "select"),
    "stages": ("StagedConfig", "plan_stages", "write_stages"),
    "synthesis": ("patterns_for",),
    "training.comparison": ("compare_plans", "compare_runs"),
    "training.demo": ("run_demo",),
    "training.launch": ("TrainingResult", "train"),
    "training.staged": ("train_plan", "train_stages"),
    "variables": ("Variable",),
    "verify": ("Verification", "verify"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from odfreeze.account import Account as Account
    from odfreeze.account import read_account as read_account
    from odfreeze.check.linter import Checked as Checked
    from odfreeze.check.linter import check_config as check_config
    from odfreeze.check.linter import fix_config as fix_config
    from odfreeze.check.subject import RunFlags as RunFlags
    from odfreeze.checkpoint import Checkpoint as Checkpoint
    from odfreeze.comparison import ComparedRun as ComparedRun
    from odfreeze.comparison import Comparison as Comparison
    from odfreeze.comparison import Difference as Difference
    from odfreeze.conduct import Conduct as Conduct
    from odfreeze.conduct import Rate as Rate
    from odfreeze.conduct import Until as Until
    from odfreeze.errors import CheckpointCorruptError as CheckpointCorruptError
    from odfreeze.errors import CheckpointError as CheckpointError
    from odfreeze.errors import CheckpointNotFoundError as CheckpointNotFoundError
    from odfreeze.errors import CheckpointUnsupportedError as CheckpointUnsupportedError
    from odfreeze.errors import ConfigError as ConfigError
    from odfreeze.errors import MissingDependencyError as MissingDependencyError
    from odfreeze.errors import OdfreezeError as OdfreezeError
    from odfreeze.errors import OutputError as OutputError
    from odfreeze.errors import PatternError as PatternError
    from odfreeze.errors import PatternTimeoutError as PatternTimeoutError
    from odfreeze.errors import Place as Place
    from odfreeze.errors import PlanError as PlanError
    from odfreeze.errors import RecordError as RecordError
    from odfreeze.errors import RemotePathError as RemotePathError
    from odfreeze.errors import SelectionMismatchError as SelectionMismatchError
    from odfreeze.errors import TextProtoError as TextProtoError
    from odfreeze.errors import TrainingFailedError as TrainingFailedError
    from odfreeze.errors import TrainingRefusedError as TrainingRefusedError
    from odfreeze.errors import UnknownFieldError as UnknownFieldError
    from odfreeze.errors import UsageError as UsageError
    from odfreeze.findings import Finding as Finding
    from odfreeze.groups import Group as Group
    from odfreeze.groups import Groups as Groups
    from odfreeze.groups import group as group
    from odfreeze.pipeline import PipelineConfig as PipelineConfig
    from odfreeze.plan import Plan as Plan
    from odfreeze.plan import Stage as Stage
    from odfreeze.plan import read_plan as read_plan
    from odfreeze.planning import Draft as Draft
    from odfreeze.planning import draft_plan as draft_plan
    from odfreeze.planning import write_draft as write_draft
    from odfreeze.preview import Preview as Preview
    from odfreeze.preview import preview as preview
    from odfreeze.selection import Pattern as Pattern
    from odfreeze.selection import Selection as Selection
    from odfreeze.selection import select as select
    from odfreeze.stages import StagedConfig as StagedConfig
    from odfreeze.stages import plan_stages as plan_stages
    from odfreeze.stages import write_stages as write_stages
    from odfreeze.synthesis import patterns_for as patterns_for
    from odfreeze.training.comparison import compare_plans as compare_plans
    from odfreeze.training.comparison import compare_runs as compare_runs
    from odfreeze.training.demo import run_demo as run_demo
    from odfreeze.training.launch import TrainingResult as TrainingResult
    from odfreeze.training.launch import train as train
    from odfreeze.training.staged import train_plan as train_plan
    from odfreeze.training.staged import train_stages as train_stages
    from odfreeze.variables import Variable as Variable
    from odfreeze.verify import Verification as Verification
    from odfreeze.verify import verify as verify

__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Returns a public name from the module it lives in, importing that module now."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Returns the public names, loaded or not."""
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """This package; importing its module ``preview`` must not hide its function ``preview``."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME_OF and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
