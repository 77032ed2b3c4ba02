"""What lets the installed, unmodified OD API be imported and run: one small measure a symptom.

Each :class:`Measure` is applied only where its symptom would occur, in this process and at
run time; nothing in the installed packages is touched. :func:`prepare` applies all of them
and must run before the first import of TensorFlow or ``object_detection``. Other programs of
the OD API run under them with ``python -m odfreeze.training.compat -m MODULE …``.
"""

from __future__ import annotations

from odfreeze.errors import MissingDependencyError
from odfreeze.training.compat import names, proto_modules
from odfreeze.training.compat.measure import Measure, Need
from odfreeze.training.environment import Environment, inspect_environment

__all__ = ["MEASURES", "Measure", "Need", "prepare"]

#: All measures, in the order in which they must be applied.
MEASURES: tuple[Measure, ...] = (
    Measure(
        "legacy-keras",
        "AttributeError: module 'keras._tf_keras.keras.layers' has no attribute 'experimental'",
        "sets TF_USE_LEGACY_KERAS=1, so that tf.keras is tf_keras",
        names.judge_legacy_keras,
        names.choose_legacy_keras,
    ),
    Measure(
        "proto-modules",
        "TypeError: Descriptors cannot be created directly.",
        "makes the classes from the descriptors in the installed modules",
        proto_modules.judge_old,
        proto_modules.hook_proto_modules,
    ),
    Measure(
        "newer-proto-modules",
        "google.protobuf.runtime_version.VersionError: Detected incompatible Protobuf"
        " Gencode/Runtime versions",
        "makes the classes from the descriptors in the installed modules",
        proto_modules.judge_newer,
        proto_modules.hook_proto_modules,
    ),
    Measure(
        "absent-proto-modules",
        "ImportError: cannot import name 'pipeline_pb2' from 'object_detection.protos'",
        "supplies the modules from its own copy of the schema",
        proto_modules.judge_absent,
        proto_modules.hook_proto_modules,
    ),
    Measure(
        "tensorflow-io",
        "ModuleNotFoundError: No module named 'tensorflow_io'",
        "supplies a module of that name with the one function that is called",
        names.judge_tensorflow_io,
        names.supply_tensorflow_io,
    ),
    Measure(
        "number-types",
        "AttributeError: module 'numpy' has no attribute 'float'.",
        "restores np.float and its like as the Python types that they were",
        names.judge_number_types,
        names.restore_number_types,
    ),
    Measure(
        "estimator-names",
        "ImportError: cannot import name 'estimator' from 'tensorflow.compat.v1'",
        "supplies the names, which the TF2 path only mentions",
        names.judge_estimator,
        names.supply_estimator,
    ),
    Measure(
        "control-flow-names",
        "AttributeError: module 'tensorflow.python.ops.control_flow_ops' has no attribute 'case'",
        "puts the functions back under their old names",
        names.judge_control_flow,
        names.restore_control_flow,
    ),
    Measure(
        "resnet-builder",
        "AttributeError: module 'keras.applications.resnet' has no attribute 'ResNet'",
        "gives the OD API the builder from where Keras keeps it",
        names.judge_resnet,
        names.restore_resnet,
    ),
    Measure(
        "font-size",
        "AttributeError: 'FreeTypeFont' object has no attribute 'getsize'",
        "gives fonts a getsize that asks getbbox",
        names.judge_font_size,
        names.restore_font_size,
    ),
)


def prepare(environment: Environment | None = None) -> tuple[str, ...]:
    """Applies every measure that is needed here.

    Args:
      environment: What is installed; looked up when it is not given.

    Returns:
      The names of the measures that were applied.

    Raises:
      MissingDependencyError: If something that training needs is not installed, or not in a
        version that works; the message is that of ``odfreeze doctor``.
    """
    from odfreeze.training.doctor import obstacles  # which lists the measures

    if environment is None:
        environment = inspect_environment()
    for finding in obstacles(environment):
        raise MissingDependencyError(finding.message)
    applied = []
    for measure in MEASURES:
        if measure.judge(environment).needed:
            measure.apply()
            applied.append(measure.name)
    return tuple(applied)
