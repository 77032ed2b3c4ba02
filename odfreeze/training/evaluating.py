"""Evaluates a model while it is trained, by the OD API's own evaluation, without touching it.

Stock evaluates in a process of its own that restores each new checkpoint. Here a second model is
built beside the one that learns, gets its values before each evaluation, and is run by
``model_lib_v2.eager_eval_loop`` on what ``eval_config`` and the first ``eval_input_reader`` name,
all of it set up as ``eval_continuously`` does (model_lib_v2.py:1080-1130, 1155).

All of this happens in a thread of its own, whose strategy, summary writer, name scopes and
learning phase are none of the training's, while the training waits. Nothing that the steps
compute with is read or written: a run with evaluations ends with the values of one without.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from odfreeze.errors import TrainingFailedError
from odfreeze.training.live import walk_variables

if TYPE_CHECKING:
    from odfreeze.training.loop import RunState
    from odfreeze.training.request import TrainingRequest

__all__ = ["Evaluator"]

_SAMPLE = "--sample_1_of_n_eval_examples="
_Result = TypeVar("_Result")


class Evaluator:
    """Evaluates a run's model; builds and traces its own once, at the first call.

    Args:
      request: What was asked for.
      run: The run, all values in place.
    """

    def __init__(self, request: TrainingRequest, run: RunState) -> None:
        self._request = request
        self._live = dict(_variables(run.model))
        self._built: _Built | None = None

    def __call__(self, run: RunState) -> dict[str, float]:
        """Returns every metric and loss of the evaluation, by the name that the OD API gives it.

        Raises:
          TrainingFailedError: The evaluation failed.
        """
        step = run.step
        try:
            return _in_a_thread(lambda: self._evaluate(run, step))
        except Exception as error:
            from odfreeze.training.child import summary_of

            raise TrainingFailedError(
                f"the evaluation at step {step} failed, and the log has more of it:"
                f" {summary_of(error)}",
                returncode=1,
            ) from error

    def _evaluate(self, run: RunState, step: int) -> dict[str, float]:
        if self._built is None:
            self._built = _Built(self._request, step)
        self._take_values(run)
        return self._built.evaluate(step)

    def _take_values(self, run: RunState) -> None:
        """Gives the second model the values of the first, or their moving averages."""
        assert self._built is not None
        averages = _averages(run.checkpoint.optimizer) if self._built.uses_averages else {}
        for path, variable in _variables(self._built.model):
            live = self._live[path]
            variable.assign(averages.get(id(live), live).read_value())


class _Built:
    """The second model with its data."""

    def __init__(self, request: TrainingRequest, step: int) -> None:
        from object_detection import inputs, model_lib_v2

        tf = model_lib_v2.tf
        sample = next((f for f in request.flags if f.startswith(_SAMPLE)), None)
        tools = model_lib_v2.MODEL_BUILD_UTIL_MAP
        configs = tools["merge_external_params_with_configs"](
            tools["get_configs_from_pipeline_file"](request.config),
            None,
            kwargs_dict={
                "sample_1_of_n_eval_examples": int(sample.removeprefix(_SAMPLE))
                if sample
                else None,
                "use_bfloat16": False,
                "eval_num_epochs": 1,
            },
        )
        self._configs, reader = configs, configs["eval_input_configs"][0]
        eval_config = configs["eval_config"]
        self.uses_averages = bool(eval_config.use_moving_averages)
        self.model = tools["detection_model_fn_base"](
            model_config=configs["model"], is_training=True
        )
        strategy = tf.compat.v2.distribute.get_strategy()
        self._data = strategy.experimental_distribute_dataset(
            inputs.eval_input(
                eval_config=eval_config,
                eval_input_config=reader,
                model_config=configs["model"],
                model=self.model,
            )
        )
        # The first image of the data makes all the variables, as stock does for the averages.
        model_lib_v2._ensure_model_is_built(self.model, self._data, eval_config.batch_size == 1)
        folder = Path(request.model_dir) / "eval" / reader.name
        self._writer = tf.compat.v2.summary.create_file_writer(str(folder))
        self._step = tf.compat.v2.Variable(step, trainable=False, dtype=tf.int64)
        self._tf = _Tracing(tf)

    def evaluate(self, step: int) -> dict[str, float]:
        """Runs the evaluation on the values that the model has."""
        from object_detection import model_lib_v2

        self._step.assign(step)
        before, model_lib_v2.tf = model_lib_v2.tf, self._tf
        try:
            with self._writer.as_default():
                found = model_lib_v2.eager_eval_loop(
                    self.model, self._configs, self._data, global_step=self._step
                )
        except TypeError as error:
            if "NoneType" in str(
                error
            ):  # stock logs what went wrong and goes on without evaluators
                raise ValueError("not one batch of images could be evaluated") from error
            raise
        finally:
            model_lib_v2.tf = before
        self._writer.flush()
        return {name: float(value) for name, value in found.items()}


class _Tracing(types.ModuleType):
    """``tf`` as ``eager_eval_loop`` sees it: the function it makes at each call is traced once.

    What it closes over is the same each time: the model and the configs.
    """

    def __init__(self, tf: Any) -> None:
        super().__init__(tf.__name__)
        self._stock = tf
        self._functions: dict[str, Any] = {}

    def function(self, python_function: Callable[..., Any]) -> Any:
        """Returns the traced function of that name."""
        name = python_function.__name__
        if name not in self._functions:
            self._functions[name] = self._stock.function(python_function)
        return self._functions[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)


def _variables(model: Any) -> list[tuple[str, Any]]:
    return [(path, value) for path, value, _, _ in walk_variables(model, "")]


def _averages(optimizer: Any) -> dict[int, Any]:
    """Returns the moving averages by the id of what they are of."""
    if not getattr(optimizer, "has_shadow_copy", False):
        return {}
    pairs = zip(optimizer._model_weights, optimizer._average_weights, strict=True)
    return {id(weight): average for weight, average in pairs}


def _in_a_thread(function: Callable[[], _Result]) -> _Result:
    """Returns what a function returns in a thread of its own, or raises what it raises."""
    from object_detection import model_lib_v2

    backend = model_lib_v2.tf.keras.backend
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    phase = backend.learning_phase()
    thread = threading.Thread(target=run, name="evaluation")
    thread.start()
    thread.join()
    if backend.learning_phase() != phase:
        backend.set_learning_phase(phase)
    if errors:
        raise errors[0]
    return results[0]
