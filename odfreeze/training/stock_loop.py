"""Enforced freezing for any program that calls ``model_lib_v2.train_loop`` itself."""

from __future__ import annotations

import contextlib
import logging
import types
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from odfreeze.errors import UsageError
from odfreeze.files import refuse_remote
from odfreeze.pipeline import PipelineConfig
from odfreeze.refusal import check_allowances
from odfreeze.selection import FrozenBatchNorm
from odfreeze.training import compat
from odfreeze.training.launch import TrainingResult
from odfreeze.training.precheck import latest_step, precheck
from odfreeze.training.request import TrainingRequest
from odfreeze.training.run_report import RunFacts, keep_verification, peak_memory_bytes

if TYPE_CHECKING:
    from odfreeze.training.precheck import Precheck

__all__ = ["enforced"]

_LOG = logging.getLogger("odfreeze")


@dataclass(frozen=True, slots=True, eq=False)
class _Enforced:
    """One ``with enforced():`` that is in force.

    Attributes:
      stock: Does what stock's ``train_loop`` did.
      undo: Gives stock's ``train_loop`` back.
      measures: The measures of compatibility that were applied.
      frozen_batch_norm: ``hold`` or ``update``.
      allow: Names of allowances.
      watch: Called with each event, or None.
      results: Of the runs so far.
    """

    stock: Callable[..., None]
    undo: Callable[[], None]
    measures: tuple[str, ...]
    frozen_batch_norm: FrozenBatchNorm
    allow: tuple[str, ...]
    watch: Callable[[dict[str, Any]], None] | None
    results: list[TrainingResult] = field(default_factory=list)


#: Those in force, the innermost last.
_IN_FORCE: list[_Enforced] = []


@contextlib.contextmanager
def enforced(
    *,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    allow: Collection[str] = (),
    watch: Callable[[dict[str, Any]], None] | None = None,
) -> Iterator[list[TrainingResult]]:
    """Makes every ``model_lib_v2.train_loop`` called meanwhile honour the config's patterns.

    Such a call does what ``odfreeze train`` does, in this process: what would not be what was
    meant is refused, the freezing is enforced, exactly as many steps are taken as asked for
    (``num_steps_per_iteration`` is chosen for that), the last one is saved, a record is kept in
    ``model_dir/odfreeze`` and the result verified. The same call again resumes the run.
    Layers are named as in a process that trains this one model.
    ``config_override`` and the other overrides of ``train_loop`` count. It is the function
    itself that is redirected, so that a name that was imported before stands for it too; behind
    the block it is stock's again, after an error too. The rules of ``odfreeze check`` are not run.

    What happens is logged by the logger ``odfreeze``.

    Args:
      frozen_batch_norm: ``hold`` keeps the statistics of frozen batch norm layers as they are,
        ``update`` lets them follow the new data.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` to go on in spite of.
      watch: Called with each event, see :func:`odfreeze.train`.

    Yields:
      A list to which each call adds its result.

    Raises:
      MissingDependencyError: TensorFlow or the OD API is not installed, or does not work.
      UsageError: ``train_loop`` is not stock's any more, or ``allow`` holds no such name.

    From ``train_loop``: TrainingRefusedError, UsageError, ConfigError, RemotePathError and
    whatever stock raises.
    """
    check_allowances(allow)
    measures = compat.prepare()
    from object_detection import model_lib_v2

    stock, undo = (
        (_IN_FORCE[-1].stock, _IN_FORCE[-1].undo)
        if _IN_FORCE
        else _redirect(model_lib_v2.train_loop)
    )
    one = _Enforced(stock, undo, measures, frozen_batch_norm, tuple(allow), watch)
    _IN_FORCE.append(one)
    try:
        yield one.results
    finally:
        _IN_FORCE.remove(one)
        if not _IN_FORCE:  # whichever was entered first
            undo()


def _redirect(train_loop: Any) -> tuple[Callable[..., None], Callable[[], None]]:
    """Makes stock's function call ours.

    Returns:
      A function that does what stock's did, and one that makes stock's do so again.
    """
    if not isinstance(train_loop, types.FunctionType) or train_loop.__closure__:
        raise UsageError(
            "model_lib_v2.train_loop is not stock's function but what another program put in its"
            " place; enter enforced() before that"
        )
    code, defaults, named = (
        train_loop.__code__,
        train_loop.__defaults__,
        train_loop.__kwdefaults__,
    )
    stock = types.FunctionType(code, train_loop.__globals__, train_loop.__name__, defaults)
    stock.__kwdefaults__ = named

    def undo() -> None:
        train_loop.__code__ = code
        train_loop.__defaults__, train_loop.__kwdefaults__ = defaults, named

    train_loop.__code__ = _hand_over.__code__
    train_loop.__defaults__ = train_loop.__kwdefaults__ = None
    return stock, undo


def _hand_over(*args: Any, **kwargs: Any) -> None:
    # Its code runs as that of stock's function, among the names of stock's module.
    from odfreeze.training.stock_loop import run_enforced

    run_enforced(*args, **kwargs)


def run_enforced(*args: Any, **kwargs: Any) -> None:
    """Does what a call of ``train_loop`` with these arguments asks for, as the innermost says."""
    import inspect

    one = _IN_FORCE[-1]
    given = inspect.signature(one.stock).bind(*args, **kwargs)
    arguments = dict(given.arguments)
    _train(one, arguments, arguments.pop("kwargs", {}))


def _train(one: _Enforced, arguments: dict[str, Any], overrides: dict[str, Any]) -> None:
    import tensorflow as tf

    # They need more than this module's import should.
    from odfreeze.training.hooks import EnforcingHooks
    from odfreeze.training.loop import train_loop_with_hooks

    path, model_dir = str(arguments["pipeline_config_path"]), str(arguments["model_dir"])
    config = _effective(path, arguments.get("config_override"), overrides)
    steps = arguments.get("train_steps")
    checked = precheck(config, model_dir, steps, one.frozen_batch_norm, one.allow)
    facts = RunFacts()

    def emit(kind: str, **data: Any) -> None:
        event = {"kind": kind, **data}
        facts(event)
        _log(event)
        if one.watch is not None:
            one.watch(event)

    emit("start", num_steps=checked.num_steps, resume_at=checked.step)
    is_chief = True
    if checked.steps_left > 0:
        request = _request(one, path, model_dir, checked, arguments)
        hooks = EnforcingHooks(request, one.measures, emit, config)
        # Else Keras numbers the layers of a second model anew, and patterns for names miss them.
        tf.keras.backend.reset_uids()
        try:
            run = train_loop_with_hooks(
                hooks, checked.num_steps, stock=one.stock, **arguments, **overrides
            )
        finally:
            hooks.close()
        is_chief = run.is_chief
        last, memory = run.manager.latest_checkpoint, peak_memory_bytes()
        emit("done", step=run.step, checkpoint=last, peak_memory_bytes=memory)
    one.results.append(_result(model_dir, checked, facts, is_chief=is_chief))


def _request(
    one: _Enforced, path: str, model_dir: str, checked: Precheck, arguments: dict[str, Any]
) -> TrainingRequest:
    return TrainingRequest(
        config=path,
        model_dir=model_dir,
        num_steps=checked.num_steps,
        frozen_batch_norm=one.frozen_batch_norm,
        allow=one.allow,
        expected=checked.expected,
        flags=(f"--checkpoint_every_n={arguments.get('checkpoint_every_n', 1000)}",),
    )


def _result(
    model_dir: str, checked: Precheck, facts: RunFacts, *, is_chief: bool
) -> TrainingResult:
    """Verifies the run, keeps what was found and says it."""
    from pathlib import Path

    from odfreeze.report.training import describe_verification
    from odfreeze.runs.verify import verify

    directory = Path(model_dir)
    verification = verify(directory)
    if is_chief:
        keep_verification(directory, verification, facts if checked.steps_left > 0 else None)
    level = logging.INFO if verification.ok else logging.ERROR
    _LOG.log(level, "%s: %s", directory, describe_verification(verification))
    step = latest_step(directory) or verification.after_step or 0
    return TrainingResult(directory, step, checked.steps_left > 0, verification)


def _effective(path: str, config_override: str | None, overrides: dict[str, Any]) -> PipelineConfig:
    """Returns the config as ``train_loop`` will have it: the file's, with what overrides it."""
    if not config_override and not overrides:
        return PipelineConfig.read(path)
    from google.protobuf import text_format
    from object_detection.utils import config_util

    refuse_remote(path)
    configs = config_util.get_configs_from_pipeline_file(path, config_override=config_override)
    configs = config_util.merge_external_params_with_configs(configs, None, kwargs_dict=overrides)
    pipeline = config_util.create_pipeline_proto_from_configs(configs)
    text: str = text_format.MessageToString(pipeline)
    return PipelineConfig.parse(text.encode("utf-8"), path)


def _log(event: dict[str, Any]) -> None:
    """Logs what neither stock nor the hooks log themselves."""
    kind = event["kind"]
    if kind == "start" and event["resume_at"] is not None:
        _LOG.info("at step %s of %s", event["resume_at"], event["num_steps"])
    elif kind == "saved":
        _LOG.info("saved %s", event["checkpoint"])
    elif kind == "done":
        _LOG.info("trained to step %s", event["step"])
