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
    "runs.account": ("Account", "read_account"),
    "check.linter": ("Checked", "check_config", "fix_config"),
    "check.subject": ("RunFlags",),
    "checkpoint": ("Checkpoint",),
    "runs.comparison": ("ComparedRun", "Comparison", "Difference"),
    "stages.conduct": ("Conduct", "Rate", "Until"),
    "findings": ("Finding",),
    "groups.grouping": ("Group", "Groups", "group"),
    "pipeline": ("PipelineConfig",),
    "stages.plan": ("Plan", "Stage", "read_plan"),
    "stages.drafting": ("Draft", "draft_plan", "write_draft"),
    "preview": ("Preview", "preview"),
    "selection": ("Pattern", "Selection", "select"),
    "stages.staging": ("StagedConfig", "plan_stages", "write_stages"),
    "groups.synthesis": ("patterns_for",),
    "training.comparison": ("compare_plans", "compare_runs"),
    "training.demo": ("run_demo",),
    "training.launch": ("TrainingResult", "train"),
    "training.staged": ("train_plan", "train_stages"),
    "variables": ("Variable",),
    "runs.verify": ("Verification", "verify"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from odfreeze.check.linter import Checked as Checked
    from odfreeze.check.linter import check_config as check_config
    from odfreeze.check.linter import fix_config as fix_config
    from odfreeze.check.subject import RunFlags as RunFlags
    from odfreeze.checkpoint import Checkpoint as Checkpoint
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
    from odfreeze.groups.grouping import Group as Group
    from odfreeze.groups.grouping import Groups as Groups
    from odfreeze.groups.grouping import group as group
    from odfreeze.groups.synthesis import patterns_for as patterns_for
    from odfreeze.pipeline import PipelineConfig as PipelineConfig
    from odfreeze.preview import Preview as Preview
    from odfreeze.preview import preview as preview
    from odfreeze.runs.account import Account as Account
    from odfreeze.runs.account import read_account as read_account
    from odfreeze.runs.comparison import ComparedRun as ComparedRun
    from odfreeze.runs.comparison import Comparison as Comparison
    from odfreeze.runs.comparison import Difference as Difference
    from odfreeze.runs.verify import Verification as Verification
    from odfreeze.runs.verify import verify as verify
    from odfreeze.selection import Pattern as Pattern
    from odfreeze.selection import Selection as Selection
    from odfreeze.selection import select as select
    from odfreeze.stages.conduct import Conduct as Conduct
    from odfreeze.stages.conduct import Rate as Rate
    from odfreeze.stages.conduct import Until as Until
    from odfreeze.stages.drafting import Draft as Draft
    from odfreeze.stages.drafting import draft_plan as draft_plan
    from odfreeze.stages.drafting import write_draft as write_draft
    from odfreeze.stages.plan import Plan as Plan
    from odfreeze.stages.plan import Stage as Stage
    from odfreeze.stages.plan import read_plan as read_plan
    from odfreeze.stages.staging import StagedConfig as StagedConfig
    from odfreeze.stages.staging import plan_stages as plan_stages
    from odfreeze.stages.staging import write_stages as write_stages
    from odfreeze.training.comparison import compare_plans as compare_plans
    from odfreeze.training.comparison import compare_runs as compare_runs
    from odfreeze.training.demo import run_demo as run_demo
    from odfreeze.training.launch import TrainingResult as TrainingResult
    from odfreeze.training.launch import train as train
    from odfreeze.training.staged import train_plan as train_plan
    from odfreeze.training.staged import train_stages as train_stages
    from odfreeze.variables import Variable as Variable

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
