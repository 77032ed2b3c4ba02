"""A live detection model: built without data, and its variables as records.

Needs TensorFlow and the OD API, imported inside the functions only. The records equal those
that a checkpoint of the same model yields, so one selection serves both.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odfreeze.errors import ConfigError, UsageError
from odfreeze.training import compat
from odfreeze.variables import Variable

__all__ = ["LiveVariable", "build_model", "live_variables", "save_checkpoint", "walk_variables"]

#: Under this name a model that has trained tracks the run's step (core/model.py:491).
_STEP = "_training_step"

#: Names under which a batch norm layer tracks its moving statistics.
_STATISTICS = frozenset({"moving_mean", "moving_variance"})

#: Side in pixels of the image that is fed to the trace; the config's resizer changes it.
_SIDE = 64


@dataclass(frozen=True, slots=True, eq=False)
class LiveVariable:
    """A variable of a live model with its record.

    Compared by identity: ``==`` of two ``tf.Variable`` compares their values.

    Attributes:
      record: What a checkpoint of the model would say about it.
      value: The ``tf.Variable``; under a distribution strategy the distributed one.
      owner: The object that tracks it, for a layer's weight that layer.
    """

    record: Variable
    value: Any
    owner: Any


def build_model(config: str | os.PathLike[str]) -> Any:
    """Builds the detection model of a pipeline.config, in training mode, with all variables.

    Layers create their variables on their first call, so the model's forward pass is traced
    once; nothing is computed. Takes 5 to 30 s. Names are those of a process that builds this
    model alone, whatever was built in this one before.

    Args:
      config: Path of a pipeline.config, or its text: a string that holds a ``{`` is text.

    Returns:
      The OD API's ``DetectionModel`` with freshly initialized variables.

    Raises:
      MissingDependencyError: If TensorFlow or the OD API is not installed.
      ConfigError: If the file cannot be read, is no pipeline.config, or the OD API
        refuses the model that it describes.
    """
    compat.prepare()
    import tensorflow as tf
    from object_detection.builders import model_builder

    pipeline = _read_config(config)
    tf.keras.backend.reset_uids()  # else a second SSD's neck is called …_1, and patterns miss it
    try:
        with _nothing_downloaded():
            model = model_builder.build(pipeline.model, is_training=True)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f"the OD API cannot build the model of {_called(config)}: {error}"
        ) from error

    def forward(images: Any) -> Any:
        _provide_groundtruth(model)
        preprocessed, true_shapes = model.preprocess(images)
        context = _context(pipeline.model.faster_rcnn.context_config.context_feature_length)
        predicted = model.predict(preprocessed, true_shapes, **model.get_side_inputs(context))
        _build_loss(model, pipeline.model.center_net.track_estimation_task.reid_embed_size)
        return predicted

    spec = tf.TensorSpec([1, _SIDE, _SIDE, 3], tf.float32)
    tf.function(forward).get_concrete_function(spec)
    return model


@contextmanager
def _nothing_downloaded() -> Iterator[None]:
    """Leaves a CenterNet's MobileNet V2 without the ImageNet weights that Keras would fetch.

    ``center_net_mobilenet_v2_feature_extractor.py:114`` asks for them, and where there is no
    network the model cannot be built; its variables are the same without.
    """
    from object_detection.models.keras_models import mobilenet_v2 as home

    build = home.mobilenet_v2

    def build_without(*args: Any, **kwargs: Any) -> Any:
        return build(*args, **{**kwargs, "weights": None})

    home.mobilenet_v2 = build_without
    try:
        yield
    finally:
        home.mobilenet_v2 = build


def _called(config: str | os.PathLike[str]) -> str:
    """Returns what an error message calls a config given as a path or as text."""
    text = os.fspath(config)
    return "the given text" if "{" in text else text


def _read_config(config: str | os.PathLike[str]) -> Any:
    """Returns the ``TrainEvalPipelineConfig`` in a file or a text."""
    from google.protobuf import text_format
    from object_detection.protos import pipeline_pb2

    text = os.fspath(config)
    if "{" not in text:
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {config}: {error}") from error
    pipeline = pipeline_pb2.TrainEvalPipelineConfig()
    try:
        text_format.Merge(text, pipeline)
    except text_format.ParseError as error:
        raise ConfigError(f"{_called(config)} is no pipeline.config: {error}") from error
    return pipeline


def _provide_groundtruth(model: Any) -> None:
    """Gives the model one box in one image.

    A Faster R-CNN in training mode samples its second stage's proposals by the groundtruth
    (``faster_rcnn_meta_arch.py``, ``_format_groundtruth_data``), so its forward pass needs some.
    """
    import tensorflow as tf

    classes = tf.one_hot([0], model.num_classes, dtype=tf.float32)
    model.provide_groundtruth(
        groundtruth_boxes_list=[tf.constant([[0.25, 0.25, 0.75, 0.75]], tf.float32)],
        groundtruth_classes_list=[classes],
        groundtruth_weights_list=[tf.ones([1], tf.float32)],
    )


def _context(length: int) -> dict[str, Any]:
    """Returns what a Context R-CNN asks for beside the image, of one object; no other model does.

    Args:
      length: How many numbers there are of each object; the first dimension of the kernels
        that project them.
    """
    import tensorflow as tf

    return {
        "context_features": tf.zeros([1, 1, length]),
        "valid_context_size": tf.ones([1], tf.int32),
    }


def _build_loss(model: Any, embedding_size: int) -> None:
    """Creates what only a loss uses: the net that tells a CenterNet's tracks from each other.

    It is made with the model and called in the loss alone (``center_net_meta_arch.py:2944,
    3708``); until then the model cannot even list its variables.
    """
    import tensorflow as tf

    tracks = getattr(model, "track_reid_classification_net", None)
    if tracks is not None:
        tracks(tf.zeros([1, 1, embedding_size]))


def live_variables(model: Any, root: str = "model") -> tuple[LiveVariable, ...]:
    """Lists a model's variables as a checkpoint of it would list them.

    The object paths are those of ``tf.train.Checkpoint(model=model)``: breadth first over what
    each object tracks, the first path to an object counts (``checkpoint/trackable_view.py``
    of TensorFlow, behind ``tf.train.TrackableView``).

    Args:
      model: A detection model or any other trackable, its variables created; inside a
        strategy's scope too, where a distributed variable is one variable.
      root: First part of the object paths.

    Returns:
      One entry a variable, in the order of the traversal; ``trainable`` tells whether the
      model's own ``trainable_variables`` hold the variable.
    """
    trainable = {id(value) for value in model.trainable_variables}
    found: list[LiveVariable] = []
    for path, value, owner, siblings in walk_variables(model, root):
        layer, _, name = path.rpartition("/")
        if name == _STEP:
            continue
        record = Variable(
            name=value.name.partition(":")[0],
            object_path=path,
            shape=tuple(value.shape.as_list()),
            dtype=value.dtype.base_dtype.name,
            trainable=id(value) in trainable,
            statistic=name in _STATISTICS and siblings >= _STATISTICS,
            layer=layer,
            order=len(found),
        )
        found.append(LiveVariable(record, value, owner))
    return tuple(found)


def walk_variables(root: Any, root_path: str) -> Iterator[tuple[str, Any, Any, Set[str]]]:
    """Walks what a trackable object tracks, breadth first, as the saver does.

    Args:
      root: The object to start from.
      root_path: Its object path; "" for the root of a checkpoint.

    Yields:
      For each variable its object path, the variable, the object that tracks it, and the names
      of everything that this object tracks.
    """
    import tensorflow as tf

    # Paths are kept with their objects: an id is only good as long as its object lives.
    seen: dict[int, Any] = {id(root): root}
    waiting: deque[tuple[Any, str]] = deque([(root, root_path)])
    while waiting:
        owner, path = waiting.popleft()
        tracked = tf.train.TrackableView.children(owner)
        for name, child in tracked.items():
            if id(child) in seen:
                continue
            seen[id(child)] = child
            child_path = f"{path}/{_escape(name)}" if path else _escape(name)
            waiting.append((child, child_path))
            if isinstance(child, tf.Variable):
                yield child_path, child, owner, tracked.keys()


def _escape(name: str) -> str:
    """Returns one part of an object path as the saver writes it: ``.`` doubled, ``/`` as ``.S``.

    >>> _escape("a.b/c")
    'a..b.Sc'
    """
    return name.replace(".", "..").replace("/", ".S")


def save_checkpoint(model: Any, prefix: str | os.PathLike[str]) -> str:
    """Writes a checkpoint of a model as the model zoo's are.

    Such a one holds ``model`` and ``save_counter``, no optimizer, and has a ``checkpoint``
    state file beside it (``exporter_lib_v2.py`` of the OD API).

    Args:
      model: A model with its variables created.
      prefix: Where to, such as ``…/checkpoint/ckpt-0``; directories are made.

    Returns:
      The prefix.

    Raises:
      UsageError: If the prefix does not end in a hyphen and a number.
    """
    import tensorflow as tf

    path = Path(prefix)
    name, _, number = path.name.rpartition("-")
    if not name or not number.isdecimal():
        raise UsageError(
            f"a checkpoint's prefix ends in -NUMBER, as ckpt-0 does, not {path.name!r}"
        )
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(model=model), str(path.parent), max_to_keep=1, checkpoint_name=name
    )
    return str(manager.save(checkpoint_number=int(number)))
