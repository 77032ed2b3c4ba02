"""Preview: what the patterns of a config do to the variables of a checkpoint or a live model.

Names come from the checkpoint's index, and nothing is run; or from the model itself, which a
child process builds (`odfreeze.training.live_preview`). States come from `odfreeze.selection`,
findings from `odfreeze.check`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from odfreeze.check import Case, findings_of
from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import Place
from odfreeze.findings import Finding
from odfreeze.garbage import collector_paused
from odfreeze.model_source import open_checkpoint
from odfreeze.restore import Restore, restore
from odfreeze.selection import (
    FrozenBatchNorm,
    Pattern,
    PatternField,
    Selection,
    match_columns,
    select,
)

if TYPE_CHECKING:
    from odfreeze.pipeline import PipelineConfig
    from odfreeze.rates import RatedSelection
    from odfreeze.stages.conduct import Rate
    from odfreeze.variables import Variable

__all__ = ["Preview", "case_of", "preview"]

_FIELDS: tuple[PatternField, ...] = ("freeze_variables", "update_trainable_variables")


@dataclass(frozen=True, slots=True)
class Preview:
    """What the patterns of a config do to the variables of a checkpoint or a live model.

    Attributes:
      config: The config's file, as it was given.
      checkpoint: Prefix of the checkpoint that was read, "" for none.
      resolution: What was taken for a path that is no prefix, and why; or "".
      checkpoint_type: ``fine_tune_checkpoint_type`` as it takes effect.
      meta_architecture: Name of the field set under ``model``, or None.
      names_missing: Why the checkpoint holds no names, or "".
      selection: The state of each variable, and the patterns that match it.
      restored: For each variable, whether the checkpoint with its type gives its value.
      findings: What is likely not meant, the gravest first.
      live: Version by module of what built the model whose variables these are; {} where they
        are those of the checkpoint.
      rated: The selection with the shares of the learning rate that were given.
    """

    config: str
    checkpoint: str
    resolution: str
    checkpoint_type: str
    meta_architecture: str | None
    names_missing: str
    selection: Selection
    restored: tuple[bool, ...]
    findings: tuple[Finding, ...]
    live: dict[str, str] = field(default_factory=dict)
    rated: RatedSelection | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what ``odfreeze preview --format=json`` prints, as plain Python values.

        A variable has ``rate_scale`` only where a rate gives it another than 1.
        """
        selection = self.selection
        rows = zip(
            selection.variables, selection.states, selection.matched_by, self.restored,
            self.scales(), strict=True,
        )  # fmt: skip
        return {
            "version": 1,
            "config": self.config,
            "checkpoint": self.checkpoint,
            "resolution": self.resolution,
            "live": self.live or None,
            "fine_tune_checkpoint_type": self.checkpoint_type,
            "names_missing": self.names_missing,
            "patterns": [
                {"field": pattern.field, "pattern": pattern.text, "matches": count}
                for pattern, count in zip(selection.patterns, selection.match_counts(), strict=True)
            ],
            "rates": [] if self.rated is None else self.rated.to_json(),
            "variables": [
                {
                    "name": variable.name,
                    "object_path": variable.object_path,
                    "shape": list(variable.shape),
                    "dtype": variable.dtype,
                    "state": state,
                    "matched_by": list(by),
                    "restored": given,
                    **({} if scale == 1 else {"rate_scale": scale}),
                }
                for variable, state, by, given, scale in rows
            ],
            "totals": {
                state: {
                    "variables": total.variables,
                    "parameters": total.parameters,
                    "bytes": total.bytes,
                }
                for state, total in selection.totals().items()
            },
            "findings": [finding.to_json() for finding in self.findings],
        }

    def scales(self) -> tuple[float, ...]:
        """Returns for each variable its share of the learning rate; 1 where it does not learn."""
        return (1.0,) * len(self.restored) if self.rated is None else self.rated.scales


def preview(
    config: PipelineConfig | str | os.PathLike[str],
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    freeze_variables: Sequence[str] | None = None,
    update_trainable_variables: Sequence[str] | None = None,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    rates: Sequence[Rate] = (),
    live: bool = False,
    watch: Callable[[float], None] | None = None,
) -> Preview:
    """Returns what a config's patterns do to the variables of its checkpoint, or of its model.

    Args:
      config: A pipeline.config, or its path.
      checkpoint: Taken in place of the config's ``fine_tune_checkpoint``.
      freeze_variables: Taken in place of the config's; an empty sequence for none. Among them
        can be names of sets such as ``@backbone`` (`odfreeze.groups.names`).
      update_trainable_variables: Likewise.
      frozen_batch_norm: ``hold``, or ``update`` to leave frozen batch norm layers' statistics
        updating.
      rates: Shares of the learning rate; a pattern can be the name of a set likewise.
      live: Whether to list the variables of the model that the config describes. A checkpoint
        then tells only what is restored, and need not be there. The model is built in a child
        process; its list is kept, so that the next time takes no TensorFlow.
      watch: Called about once a second while the model is built, with the seconds since.

    Raises:
      ConfigError: The config cannot be read; or, with ``live``, the OD API refuses its model.
      UsageError: No checkpoint is known.
      MissingDependencyError: With ``live``: TensorFlow or the OD API is not installed.
      CheckpointError: The checkpoint cannot be read; with the place where the config names it.
      RemotePathError: The checkpoint is on a remote file system.
      PatternError: A pattern is no regular expression, or takes too long.
    """
    with collector_paused():
        if isinstance(config, (str, os.PathLike)):
            from odfreeze.pipeline import PipelineConfig

            config = PipelineConfig.read(config)
        patterns = _patterns(config, freeze_variables, update_trainable_variables)
        if live:
            return _preview_live(config, checkpoint, patterns, frozen_batch_norm, rates, watch)
        with open_checkpoint(config, checkpoint) as source:
            patterns = _with_sets(patterns, source.variables)
            case = case_of(config, source, frozen_batch_norm, patterns, rates)
            return _preview_of(config, case, source.path, source.resolution)


def _preview_live(
    config: PipelineConfig,
    checkpoint: str | os.PathLike[str] | None,
    patterns: tuple[Pattern, ...],
    frozen_batch_norm: FrozenBatchNorm,
    rates: Sequence[Rate],
    watch: Callable[[float], None] | None,
) -> Preview:
    from odfreeze.live_restore import given_to
    from odfreeze.training.live_preview import list_live_variables

    match_columns((), patterns)  # a pattern that cannot be used is told of before anything is built
    found = list_live_variables(config, watch=watch)
    selection = select(
        found.variables,
        _with_sets(patterns, found.variables),
        frozen_batch_norm=frozen_batch_norm,
        config_holds=config.holds_statistic,
    )
    given = given_to(
        found.variables,
        config.fine_tune_checkpoint if checkpoint is None else checkpoint,
        config.fine_tune_checkpoint_type,
        config.meta_architecture,
    )
    case = replace(
        _case(config, selection, given.restore, frozen_batch_norm),
        checkpoint_missing=given.missing,
        is_live=True,
        names_elsewhere=lambda: given.names,
        rated=_rated(selection, rates),
    )
    return _preview_of(config, case, given.path, given.note, found.versions)


def _preview_of(
    config: PipelineConfig,
    case: Case,
    checkpoint: str,
    resolution: str,
    live: dict[str, str] | None = None,
) -> Preview:
    return Preview(
        config=config.file,
        checkpoint=checkpoint,
        resolution=resolution,
        checkpoint_type=case.checkpoint_type,
        meta_architecture=config.meta_architecture,
        names_missing=case.names_missing,
        selection=case.selection,
        restored=case.restore.restored,
        findings=findings_of(case),
        live=live or {},
        rated=case.rated,
    )


def case_of(
    config: PipelineConfig,
    source: Checkpoint,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    patterns: Sequence[Pattern] | None = None,
    rates: Sequence[Rate] = (),
) -> Case:
    """Returns what rules look at: a config's patterns on the variables of a checkpoint.

    Args:
      config: The config.
      source: The checkpoint.
      frozen_batch_norm: As for `preview`.
      patterns: Taken in place of the config's.
      rates: As for `preview`.

    Raises:
      PatternError: A pattern is no regular expression, or takes too long.
      CheckpointError: The checkpoint's graph cannot be read.
    """
    selection = select(
        source.variables,
        _patterns(config, None, None) if patterns is None else patterns,
        frozen_batch_norm=frozen_batch_norm,
        config_holds=config.holds_statistic,
    )
    given = restore(
        source.variables,
        config.fine_tune_checkpoint_type,
        config.meta_architecture,
        object_based=source.format == "object",
    )
    return replace(
        _case(config, selection, given, frozen_batch_norm),
        names_missing=source.names_missing,
        names_elsewhere=lambda: _kept_names(config),
        rated=_rated(selection, rates),
    )


def _kept_names(config: PipelineConfig) -> dict[str, str]:
    """Returns the names of the live model by object path, {} where its list is not kept."""
    from odfreeze.training.live_preview import kept_live_variables

    found = kept_live_variables(config)
    variables = () if found is None else found.variables
    return {v.object_path: v.name for v in variables if v.name is not None}


def _case(
    config: PipelineConfig,
    selection: Selection,
    given: Restore,
    frozen_batch_norm: FrozenBatchNorm,
) -> Case:
    return Case(
        selection=selection,
        restore=given,
        meta_architecture=config.meta_architecture,
        checkpoint_type=config.fine_tune_checkpoint_type,
        type_place=_place(config, "fine_tune_checkpoint_type")
        or _place(config, "fine_tune_checkpoint"),
        frozen_batch_norm=frozen_batch_norm,
        document=config.document,
    )


def _patterns(
    config: PipelineConfig, freeze: Sequence[str] | None, update: Sequence[str] | None
) -> tuple[Pattern, ...]:
    patterns = config.patterns()
    for name, texts in zip(_FIELDS, (freeze, update), strict=True):
        if texts is not None:
            others = tuple(p for p in patterns if p.field != name)
            patterns = (*others, *(Pattern(name, text) for text in texts))
    return tuple(sorted(patterns, key=lambda pattern: _FIELDS.index(pattern.field)))


def _with_sets(patterns: tuple[Pattern, ...], variables: Sequence[Variable]) -> tuple[Pattern, ...]:
    """Returns given patterns with what names of sets among them stand for (``@backbone``)."""
    if not any(p.place is None and p.text.startswith("@") for p in patterns):
        return patterns
    from odfreeze.groups.names import expanded

    return tuple(
        replace(pattern, text=text)
        for pattern in patterns
        for text in (
            (pattern.text,) if pattern.place else expanded((pattern.text,), lambda: variables)
        )
    )


def _rated(selection: Selection, rates: Sequence[Rate]) -> RatedSelection | None:
    if not rates:
        return None
    from odfreeze.rates import expanded_rates, rate_selection

    return rate_selection(selection, expanded_rates(rates, lambda: selection.variables))


def _place(config: PipelineConfig, field: str) -> Place | None:
    from odfreeze.textproto import last

    found = last(config.document, f"train_config.{field}")
    return None if found is None else found.place
