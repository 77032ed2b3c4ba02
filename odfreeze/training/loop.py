"""The stock ``model_lib_v2.train_loop``, with exact steps, a saved end and a moment to enforce.

``train_loop`` itself runs unchanged. For the time of one call, some things that it looks up
by name are replaced: the checkpoint manager (to know model, optimizer and step, to number
checkpoints by step, and to save the last one), ``tf.range`` in its namespace (so that the last
block of steps ends on ``num_steps``), the fine-tuning restore and the input function (to see
what was restored, and to build a model that nothing built yet), and ``summary.scalar`` (to see
the losses).

None of it alters what is computed: no random number is drawn and no image read that stock would
not draw or read, so that a run with nothing frozen gives stock's values, bit for bit.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["RunHooks", "block_of_steps", "train_loop_with_hooks"]


class RunHooks:
    """What a caller wants to happen during a run; the base class does nothing."""

    def before_restore(self, run: RunState) -> None:
        """Called before ``model_dir`` is looked at for a checkpoint to resume from."""

    def after_restore(self, run: RunState) -> None:
        """Called when all values are in place and before the first step."""

    def block_of_steps(self, num_steps: int, checkpoint_every_n: int) -> int:
        """Returns how many steps one call of the step function should take."""
        return block_of_steps(num_steps, checkpoint_every_n)

    def on_block(self, run: RunState, scalars: dict[str, float]) -> None:
        """Called after each block of steps with its losses, rate and ``steps_per_sec``.

        All of this run's processes may call ``run.end()`` for it to end here.
        """

    def before_save(self, run: RunState) -> None:
        """Called before each checkpoint is written."""

    def after_save(self, run: RunState, prefix: str) -> None:
        """Called after each checkpoint with its prefix."""

    def at_end(self, run: RunState) -> None:
        """Called after the last step, when its checkpoint is saved."""


class RunState:
    """What is known of a run while it goes on.

    Attributes:
      checkpoint: The ``tf.train.Checkpoint`` with ``model``, ``optimizer`` and ``step``.
      num_steps: Steps at which the run ends.
      resumed: Whether a checkpoint in ``model_dir`` was restored.
      restore_status: What TensorFlow gave for that restore, or None before it.
      saved_step: Step of the checkpoint that was saved last or resumed from, or None.
      built: Whether stock has run the model once, so that all its variables exist.
      protected_steps: Steps whose checkpoints are kept however many come after them.
      fine_tune_checkpoint: The checkpoint that was restored for fine-tuning, or None.
      restored: The objects that the fine-tuning checkpoint was restored into, by name, or
        None when there was no fine-tuning restore.
    """

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps
        self.checkpoint: Any = None
        self.manager: Any = None
        self.restored: dict[str, Any] | None = None
        self.resumed = False
        self.restore_status: Any = None
        self.saved_step: int | None = None
        self.dataset: Any = None
        self.unpad_groundtruth_tensors = True
        self.built = False
        self.fine_tune_checkpoint: str | None = None
        self.protected_steps: frozenset[int] = frozenset()
        self._is_ended = False

    def end(self) -> None:
        """Makes the run end with the block of steps that it has just taken."""
        self._is_ended = True

    @property
    def is_ended(self) -> bool:
        """Whether it was told to."""
        return self._is_ended

    @property
    def model(self) -> Any:
        """The detection model."""
        return self.checkpoint.model

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return int(self.checkpoint.step.numpy())

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes checkpoints."""
        from object_detection import model_lib_v2

        strategy = model_lib_v2.tf.compat.v2.distribute.get_strategy()
        return bool(strategy.extended.should_checkpoint)

    def build(self) -> None:
        """Creates the model's variables by tracing it once, on the shapes of the run's input.

        Unlike stock's own way (model_lib_v2.py:149), which runs it, that reads no image: the
        order in which the run will see them, and its random numbers, stay as they were.
        """
        from object_detection import model_lib, model_lib_v2

        tf = model_lib_v2.tf.compat.v2
        strategy = tf.distribute.get_strategy()

        def forward(features: Any, labels: Any) -> None:
            self.model._is_training = False
            tf.keras.backend.set_learning_phase(False)
            labels = model_lib.unstack_batch(labels, self.unpad_groundtruth_tensors)
            model_lib_v2._compute_losses_and_predictions_dicts(
                self.model, features, labels, training_step=0
            )

        @tf.function  # type: ignore[untyped-decorator]
        def on_every_replica(features: Any, labels: Any) -> None:
            strategy.run(forward, args=(features, labels))

        on_every_replica.get_concrete_function(*self.dataset.element_spec)
        self.built = True


class _Ended(Exception):  # noqa: N818 it is no error
    """Leaves ``train_loop`` before its last step; never seen outside of this module."""


def block_of_steps(num_steps: int, checkpoint_every_n: int, most: int = 100) -> int:
    """Returns how many steps one call of the step function should take.

    A divisor of ``num_steps`` of at least half of ``most``, so that blocks, summaries and the
    end coincide; else the largest block, whose last repetition is cut short.

    >>> block_of_steps(300, 1000), block_of_steps(250, 1000), block_of_steps(251, 1000)
    (100, 50, 100)
    >>> block_of_steps(40, 1000), block_of_steps(40, 10)
    (40, 10)
    """
    largest = max(1, min(most, num_steps, checkpoint_every_n))
    for block in range(largest, (largest - 1) // 2, -1):
        if num_steps % block == 0:
            return block
    return largest


def train_loop_with_hooks(
    hooks: RunHooks, num_steps: int, *, stock: Callable[..., None] | None = None, **kwargs: Any
) -> RunState:
    """Runs ``model_lib_v2.train_loop`` for exactly ``num_steps`` steps and saves the last.

    Args:
      hooks: What to do on the way.
      num_steps: Steps to end at, counted from the start of the run.
      stock: Stock's ``train_loop``, where something else stands under that name.
      **kwargs: What stock's ``train_loop`` takes; ``train_steps`` and
        ``num_steps_per_iteration`` are set here.

    Returns:
      The run as it ended.
    """
    from object_detection import model_lib_v2

    run = RunState(num_steps)
    kwargs["train_steps"] = num_steps
    kwargs["num_steps_per_iteration"] = hooks.block_of_steps(
        num_steps, kwargs.get("checkpoint_every_n", 1000)
    )
    with _replaced(model_lib_v2, run, hooks):
        with contextlib.suppress(_Ended):
            (stock or model_lib_v2.train_loop)(**kwargs)
        run.manager.save()
        hooks.at_end(run)
    strategy = model_lib_v2.tf.compat.v2.distribute.get_strategy()
    summaries = model_lib_v2.get_filepath(strategy, os.path.join(kwargs["model_dir"], "train"))  # noqa: PTH118
    for directory in (run.manager.directory, summaries):  # where other workers than the chief write
        model_lib_v2.clean_temporary_directories(strategy, directory)
    return run


@contextlib.contextmanager
def _replaced(model_lib_v2: Any, run: RunState, hooks: RunHooks) -> Iterator[None]:
    tf = model_lib_v2.tf
    replacements = [
        (tf.compat.v2.train, "CheckpointManager", _manager_class(tf, run, hooks)),
        (tf.compat.v2.summary, "scalar", _scalar(tf, run, hooks)),
        (model_lib_v2, "tf", _namespace_with_bounded_range(tf, run)),
        (model_lib_v2, "load_fine_tune_checkpoint", _restore(model_lib_v2, run)),
        (model_lib_v2, "_ensure_model_is_built", _build(model_lib_v2, run)),
        (model_lib_v2.inputs, "train_input", _train_input(model_lib_v2.inputs.train_input, run)),
    ]
    with contextlib.ExitStack() as stack:
        for home, name, value in replacements:
            stack.callback(setattr, home, name, getattr(home, name))
            setattr(home, name, value)
        yield


def _manager_class(tf: Any, run: RunState, hooks: RunHooks) -> type:
    stock = tf.compat.v2.train.CheckpointManager

    class StepCheckpointManager(stock):  # type: ignore[misc, valid-type]
        """Numbers checkpoints by step, so that the last one's name is known beforehand."""

        def __init__(self, checkpoint: Any, directory: str, *args: Any, **kwargs: Any) -> None:
            super().__init__(checkpoint, directory, *args, **kwargs)
            run.checkpoint, run.manager = checkpoint, self
            stock_restore = checkpoint.restore
            _keep_step_untracked(checkpoint.model)
            hooks.before_restore(run)

            def restore(path: str | None, *args: Any, **kwargs: Any) -> Any:
                status = run.restore_status = stock_restore(path, *args, **kwargs)
                run.resumed = path is not None
                run.saved_step = run.step if f"{path}".endswith(f"-{run.step}") else None
                hooks.after_restore(run)
                return status

            object.__setattr__(checkpoint, "restore", restore)

        def save(self, *args: Any, **kwargs: Any) -> Any:
            """Saves under the step's number, unless that is what was saved last."""
            if run.saved_step == run.step:  # the same for all workers, who save together
                return f"{self._checkpoint_prefix}-{run.step}"
            hooks.before_save(run)
            saved = super().save(checkpoint_number=run.step)
            run.saved_step = run.step
            hooks.after_save(run, saved)
            return saved

        def _sweep(self) -> None:
            """Prunes as stock does, all but the protected checkpoints."""
            kept = {
                path: stamp
                for path, stamp in self._maybe_delete.items()
                if path != self._latest_checkpoint and _number_of(path) in run.protected_steps
            }
            for path in kept:
                del self._maybe_delete[path]
            super()._sweep()
            for path, stamp in reversed(kept.items()):
                self._maybe_delete[path] = stamp
                self._maybe_delete.move_to_end(path, last=False)

    return StepCheckpointManager


def _number_of(path: str) -> int:
    """Returns the number in a checkpoint's name.

    >>> _number_of("run-7/ckpt-300")
    300
    """
    return int(re.split(r"\D", path)[-1] or -1)


def _keep_step_untracked(model: Any) -> None:
    """Keeps the run's step from becoming a part of the model, in memory and in checkpoints.

    Stock sets it as an attribute of the model, a Keras layer, which tracks it (core/model.py:491).
    A checkpoint of such a run, restored with type ``full``, makes the step of the next run jump
    to the old one's while its first step is traced; with it go schedule and end of that run.
    """
    stock = model.provide_groundtruth

    def provide_groundtruth(*args: Any, training_step: Any = None, **kwargs: Any) -> None:
        stock(*args, **kwargs)
        if training_step is not None:
            object.__setattr__(model, "_training_step", training_step)

    object.__setattr__(model, "provide_groundtruth", provide_groundtruth)


def _namespace_with_bounded_range(tf: Any, run: RunState) -> types.ModuleType:
    """Returns ``tf`` as ``model_lib_v2`` sees it, with a ``range`` that ends on ``num_steps``.

    ``train_loop`` calls it once, for all steps of a block but the last (model_lib_v2.py:666).
    Where the blocks end on ``num_steps`` by themselves, it is what stock's is.
    """

    def _is_whole(limit: int) -> bool:
        with tf.init_scope():  # while the step is traced, its variable can be read outside
            return (run.num_steps - run.step) % (limit + 1) == 0

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def bounded_range(limit: Any, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or run.checkpoint is None or _is_whole(limit):
            return tf.range(limit, *args, **kwargs)
        left = run.num_steps - 1 - tf.cast(run.checkpoint.step.read_value(), tf.int32)
        return tf.range(tf.minimum(limit, left))

    class Namespace(types.ModuleType):
        range = staticmethod(bounded_range)

        def __getattr__(self, name: str) -> Any:
            return getattr(tf, name)

    return Namespace(tf.__name__)


def _scalar(tf: Any, run: RunState, hooks: RunHooks) -> Callable[..., Any]:
    """Returns ``summary.scalar`` that also gathers what ``train_loop`` logs after a block."""
    stock = tf.compat.v2.summary.scalar
    gathered: dict[str, float] = {}
    thread = threading.get_ident()

    def scalar(name: str, data: Any, *args: Any, **kwargs: Any) -> Any:
        of_training = threading.get_ident() == thread  # evaluations run in one of their own
        if of_training and tf.executing_eagerly() and run.checkpoint is not None:
            gathered[name] = float(data)
            if name == "learning_rate":  # the last that train_loop writes for a block
                hooks.on_block(run, dict(gathered))
                gathered.clear()
        written = stock(name, data, *args, **kwargs)
        if run.is_ended:
            raise _Ended
        return written

    return scalar


def _restore(model_lib_v2: Any, run: RunState) -> Callable[..., Any]:
    stock = model_lib_v2.load_fine_tune_checkpoint

    def load_fine_tune_checkpoint(model: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        run.fine_tune_checkpoint = path
        stock_objects = model.restore_from_objects

        def restore_from_objects(*args: Any, **kwargs: Any) -> Any:
            run.restored = stock_objects(*args, **kwargs)
            return run.restored

        object.__setattr__(model, "restore_from_objects", restore_from_objects)
        try:
            return stock(model, path, *args, **kwargs)
        finally:
            object.__delattr__(model, "restore_from_objects")

    return load_fine_tune_checkpoint


def _build(model_lib_v2: Any, run: RunState) -> Callable[..., Any]:
    stock = model_lib_v2._ensure_model_is_built

    def ensure_model_is_built(*args: Any, **kwargs: Any) -> None:
        stock(*args, **kwargs)
        run.built = True

    return ensure_model_is_built


def _train_input(stock: Callable[..., Any], run: RunState) -> Callable[..., Any]:
    def train_input(train_config: Any, *args: Any, **kwargs: Any) -> Any:
        run.unpad_groundtruth_tensors = train_config.unpad_groundtruth_tensors
        run.dataset = stock(train_config, *args, **kwargs)
        return run.dataset

    return train_input
