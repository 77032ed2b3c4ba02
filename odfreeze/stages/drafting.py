"""Drafts a plan for a model: the head first, then the neck, then the backbone from its top.

What was restored should not be moved by gradients that come through layers which still hold
random values, so the head learns alone first. Then the network opens from the head down, each
stage with a lower rate than the one before: what lies near the image is the most general.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from odfreeze.errors import OutputError, UsageError
from odfreeze.files import refuse_remote, write_atomically
from odfreeze.groups.grouping import Group, Groups, group
from odfreeze.groups.names import SIGN, expanded
from odfreeze.pipeline import PipelineConfig
from odfreeze.selection import Pattern, Selection, select
from odfreeze.stages.plan import LARGEST_NUMBER, LARGEST_PLAN, Plan, Stage
from odfreeze.textproto.strings import quote
from odfreeze.variables import Variable

__all__ = ["Draft", "DraftStage", "draft_plan", "write_draft"]

#: Learning rates of the head alone and of head and neck, as multiples of the config's.
_HEAD_SCALE, _NECK_SCALE = 1.0, 0.5
#: That of the first stage in which the backbone learns; each later one has half of it.
_BACKBONE_SCALE = 0.2
#: Shares of the steps for the head and the neck; the backbone's stages have the rest.
_HEAD_SHARE, _NECK_SHARE = 0.2, 0.2


@dataclass(frozen=True, slots=True)
class DraftStage:
    """A stage of a draft, with what it does to the model.

    Attributes:
      stage: The stage; its patterns are names of sets, such as ``@backbone/1..3``.
      opens: What learns in it and did not before, in words.
      selection: The state of each variable of the model.
    """

    stage: Stage
    opens: str
    selection: Selection


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan drafted for a model.

    Attributes:
      config: The base config's file.
      stages: The stages in order.
      notes: What could not be told of the model's structure.
    """

    config: str
    stages: tuple[DraftStage, ...]
    notes: tuple[str, ...]

    def to_plan(self, file: str | os.PathLike[str] = "") -> Plan:
        """Returns the plan that `to_text` writes for a file."""
        return Plan(Path(self.config), tuple(one.stage for one in self.stages), os.fspath(file))

    def to_text(self, directory: str | os.PathLike[str] = ".") -> str:
        """Returns the plan as a commented text proto.

        Args:
          directory: Where the file is going to be: the base config is named from there.
        """
        return "\n".join(_lines(self, Path(directory))) + "\n"


def draft_plan(
    config: PipelineConfig,
    variables: Sequence[Variable],
    *,
    stages: int = 2,
    num_steps: int | None = None,
) -> Draft:
    """Drafts a plan.

    A model without a neck has no stage for it. Batch norm layers of what is frozen are held, so
    that the backbone's move only where it learns.

    Args:
      config: The base config.
      variables: All variables of its model.
      stages: In how many steps the backbone opens, from its top; 0 leaves it frozen.
      num_steps: Steps of all stages together; the config's when None.

    Raises:
      UsageError: The model has no head or no backbone that is known; there are more stages than
        blocks or than steps; no number of steps is known.
    """
    groups = group(variables)
    blocks = groups.blocks
    if not blocks or not groups.in_part("head"):
        missing = "backbone" if not blocks else "head"
        raise UsageError(
            f"{config.file}: no {missing} is known in this model, so there is no plan to draft; "
            "write one by hand (protos/odfreeze/plan.proto describes it)"
        )
    if not 0 <= stages <= min(len(blocks), LARGEST_PLAN - 2):
        raise UsageError(
            f"--stages is {stages}; this backbone has {len(blocks)} blocks: give 0 to "
            f"{min(len(blocks), LARGEST_PLAN - 2)}"
        )
    total = num_steps if num_steps is not None else config.num_steps
    outline = list(_outline(groups, stages))
    if not total or total < len(outline):
        counted = "1 step is" if total == 1 else f"{total} steps are"
        problem = counted if total else "0, endless, is"
        raise UsageError(
            f"{config.file}: {problem} too few for {len(outline)} stages; give the steps of all "
            "stages together (--num_steps N)"
        )
    shares = _shared_out(total, [share for *_, share in outline])
    if max(shares) > LARGEST_NUMBER:
        raise UsageError(
            f"{config.file}: {total} steps are more than the stages of a plan can have, each up to"
            f" {LARGEST_NUMBER}; give fewer (--num_steps N)"
        )
    drafted = []
    for (name, freeze, opens, scale, _), steps in zip(outline, shares, strict=True):
        stage = Stage(
            name,
            steps,
            freeze_variables=freeze,
            learning_rate_scale=None if scale == 1.0 else scale,
        )
        drafted.append(DraftStage(stage, opens, _selected(config, freeze, variables)))
    return Draft(config.file, tuple(drafted), groups.notes)


def write_draft(draft: Draft, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Writes a draft's text to a file, atomically.

    Args:
      draft: The draft.
      path: Where to.
      force: Whether a file that is there may be overwritten.

    Raises:
      OutputError: A file is there, or it cannot be written; it is the base config, which is never
        overwritten.
      RemotePathError: The path is not local.
    """
    refuse_remote(path)
    if Path(path).is_dir():
        raise OutputError(
            f"{path} is a directory; give a file in it, such as {Path(path) / 'my.plan'}",
            path=str(path),
        )
    if os.path.realpath(path) == os.path.realpath(draft.config):
        raise OutputError(
            f"{path} is the config that the plan is for; give another --output", path=str(path)
        )
    data = draft.to_text(Path(path).parent).encode("utf-8")
    if Path(path).exists() and not (force or Path(path).read_bytes() == data):
        raise OutputError(
            f"{path} is there already; give another --output, or --force to overwrite it",
            path=str(path),
        )
    write_atomically(path, data)


def _outline(
    groups: Groups, stages: int
) -> Iterator[tuple[str, tuple[str, ...], str, float, float]]:
    """Yields name, what is frozen, what opens, learning rate scale and share of the steps."""
    blocks = groups.blocks
    has_neck = bool(groups.in_part("neck"))
    backbone = f"{SIGN}backbone"
    if has_neck:
        yield "head", (f"{SIGN}neck", backbone), "the head", _HEAD_SCALE, _HEAD_SHARE
        yield "head_and_neck", (backbone,), "the neck", _NECK_SCALE, _NECK_SHARE
    else:
        yield "head", (backbone,), "the head", _HEAD_SCALE, _HEAD_SHARE + _NECK_SHARE
    if not stages:
        return
    bounds = [len(blocks) * (stages - n) // stages for n in range(stages + 1)]
    share = (1 - _HEAD_SHARE - _NECK_SHARE) / stages
    for number, (top, bottom) in enumerate(pairwise(bounds), 1):
        frozen = (f"{backbone}/1..{bottom}",) if bottom else ()
        yield (
            f"from_{_folder_name(blocks[bottom])}" if bottom else "all",
            frozen,
            _opened(blocks[bottom:top]),
            _BACKBONE_SCALE / 2 ** (number - 1),
            share,
        )


def _opened(blocks: Sequence[Group]) -> str:
    """Returns what blocks are called, from the top down."""
    top, bottom = blocks[-1], blocks[0]
    name = [f"block {one.block}" + (f" ({one.kind})" if one.kind else "") for one in (top, bottom)]
    return f"the backbone's {name[0]}" + (f" to {name[1]}" if top is not bottom else "")


def _folder_name(block: Group) -> str:
    """Returns what a block is called where only letters, digits and ``_`` may stand."""
    return re.sub("[^A-Za-z0-9]+", "_", block.kind or f"block_{block.block}")[:40]


def _shared_out(total: int, shares: Sequence[float]) -> list[int]:
    """Returns whole numbers of at least 1 in these proportions that sum up to the total.

    >>> _shared_out(1000, [0.2, 0.2, 0.3, 0.3]), _shared_out(5, [0.2, 0.2, 0.3, 0.3])
    ([200, 200, 300, 300], [1, 1, 2, 1])
    """
    for least in (0, 1):  # evenly where that gives each a step
        found, given, upto = [], 0, 0.0
        for share in shares:
            upto += share / sum(shares)
            until = round((total - least * len(shares)) * upto)
            found.append(least + until - given)
            given = until
        if min(found) > 0:
            break
    return found


def _selected(
    config: PipelineConfig, freeze: Sequence[str], variables: Sequence[Variable]
) -> Selection:
    """Returns what freezing these sets does."""
    texts = expanded(freeze, lambda: variables)
    patterns = [Pattern("freeze_variables", text) for text in texts]
    return select(variables, patterns, config_holds=config.holds_statistic)


# --- text ---------------------------------------------------------------------------


def _lines(draft: Draft, directory: Path) -> Iterator[str]:
    base = _from(draft.config, directory)
    yield "# A staged fine-tuning, drafted by `odfreeze plan`: edit it as you like, then"
    yield "#"
    yield "#   odfreeze train --plan THIS_FILE --output_dir DIR"
    yield "#"
    yield "# Each stage starts from the end of the one before. Names such as @backbone/1..3 stand"
    yield "# for parts of the model, block 1 being next to the image; `odfreeze groups` lists them."
    for note in draft.notes:
        yield f"# Note: {note}."
    yield ""
    yield f"base_config: {quote(base).decode()}"
    for one in draft.stages:
        yield ""
        yield from _stage_lines(one)


def _stage_lines(one: DraftStage) -> Iterator[str]:
    stage, totals = one.stage, one.selection.totals()
    learning = totals["trainable"]
    total = learning.parameters + totals["frozen"].parameters
    yield f"# Opens {one.opens}."
    yield (
        f"# {learning.variables:,} variables learn, {_percent(learning.parameters, total)} of the"
        f" parameters; {totals['held'].variables:,} of"
        f" {totals['held'].variables + totals['updating'].variables:,} statistics stand still."
    )
    yield "stage {"
    yield f"  name: {quote(stage.name).decode()}"
    for text in stage.freeze_variables:
        yield f"  freeze_variables: {quote(text).decode()}"
    yield f"  num_steps: {stage.num_steps}"
    if stage.learning_rate_scale is not None:
        yield f"  learning_rate_scale: {stage.learning_rate_scale:g}"
    yield "}"


def _percent(part: int, whole: int) -> str:
    """Returns a share; one that is not 0 is never written as 0.

    >>> _percent(1, 3), _percent(1, 1000), _percent(0, 3)
    ('33 %', 'less than 1 %', '0 %')
    """
    share = 100 * part / whole if whole else 0.0
    return "less than 1 %" if 0 < share < 1 else f"{share:.0f} %"


def _from(path: str, directory: Path) -> str:
    """Returns a path as seen from a directory, with forward slashes; absolute on another drive."""
    try:
        found = os.path.relpath(path, directory)
    except ValueError:
        found = os.path.abspath(path)  # noqa: PTH100
    return found.replace(os.sep, "/")
