"""What stock does with the faults of ODF5xx: what the pages of check say, and quote.

The records are those that the default tests write by hand; TensorFlow reads them here, so that
it is also told that they are what TensorFlow takes for TFRecords.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.data.evaluation import METRICS
from odfreeze.check.data.image_size import _SMALLEST, _uneven
from odfreeze.check.pages import read_page
from odfreeze.label_map import read_label_map
from odfreeze.training import compat
from tests.conftest import ROOT
from tests.support.records import detection, example, write_label_map, write_records
from tests.training.models import CONFIGS, SSD
from tests.training.tiny import stock_extractors

pytestmark = pytest.mark.train

BOX = (0.1, 0.2, 0.5, 0.6)


@pytest.fixture(scope="module")
def tf() -> Any:
    compat.prepare()
    import tensorflow

    return tensorflow


@pytest.fixture(scope="module")
def png(tf: Any) -> bytes:
    return tf.io.encode_png(tf.zeros((40, 50, 3), tf.uint8)).numpy()


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_label_map(Path("map.pbtxt"), cat=1, dog=2)


def dataset(paths: str, fields: str = "label_map_path: 'map.pbtxt'", batch: int = 1) -> Any:
    """The training input of a reader, without a model: images keep their size."""
    import tensorflow as tf
    from google.protobuf import text_format
    from object_detection import inputs
    from object_detection.builders import dataset_builder
    from object_detection.protos import input_reader_pb2

    def resize(image: Any, masks: Any = None) -> Any:
        return (image, tf.shape(image)) if masks is None else (image, masks, tf.shape(image))

    def transform(tensors: dict[str, Any]) -> dict[str, Any]:
        shapes = functools.partial(
            inputs.transform_input_data,
            model_preprocess_fn=lambda image: (image, tf.shape(image)[None, 1:]),
            image_resizer_fn=resize,
            num_classes=2,
        )
        return inputs.pad_input_data_to_static_shapes(
            shapes(tensors), max_num_boxes=3, num_classes=2, spatial_image_shape=[-1, -1]
        )

    reader = input_reader_pb2.InputReader()
    records = f"tf_record_input_reader {{ {paths} }}" if paths is not None else ""
    text_format.Merge(f"{fields} shuffle: false {records}", reader)
    return dataset_builder.build(reader, batch_size=batch, transform_input_data_fn=transform)


def first(paths: str, **options: Any) -> dict[str, Any]:
    """The first batch of a reader; boxes, classes and how many there are."""
    names = ("groundtruth_boxes", "groundtruth_classes", "num_groundtruth_boxes")
    for batch in dataset(paths, **options).take(1):
        return {name: batch[name].numpy()[0].tolist() for name in names}
    raise AssertionError("no batch")


def record(png: bytes, *records: bytes, name: str = "a.record", **options: Any) -> str:
    """Writes a file, of one record that is made of the options if none is given."""
    write_records(Path(name), *(records or [detection(image__encoded=[png], **options)]))
    return f"input_path: '{name}'"


def core(text: str) -> str:
    """What is the same everywhere of a TensorFlow error."""
    text = re.sub(r"\{\{[^}]*\}\}\s*", "", text).strip()
    return re.split(r"\n|\s*\[Op:", text)[0].strip()


def assert_quoted(code: str, caught: pytest.ExceptionInfo[BaseException]) -> None:
    """The page has the text: between any of the words that change from case to case."""
    said = core(str(caught.value))
    assert said in read_page(code).text.replace("\n", " "), said


# --- files -----------------------------------------------------------------------------


def test_records_written_by_hand_are_records(tf: Any, png: bytes) -> None:
    assert first(record(png, names=["dog"], ids=[2], boxes=[BOX])) == {
        "groundtruth_boxes": [pytest.approx(BOX), [0.0] * 4, [0.0] * 4],
        "groundtruth_classes": [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]],
        "num_groundtruth_boxes": 1,
    }


def test_no_file(tf: Any) -> None:
    """ODF501."""
    with pytest.raises(RuntimeError) as caught:
        dataset("input_path: 'data/train.record'")
    assert f"RuntimeError: {caught.value}" in read_page("ODF501").text


@pytest.mark.parametrize("records", ["", None], ids=["no-path", "no-reader"])
def test_no_input_path(tf: Any, records: str | None) -> None:
    """ODF501."""
    with pytest.raises(ValueError, match="nput") as caught:
        dataset(records)
    assert f"ValueError: {caught.value}" in read_page("ODF501").text


def test_wildcards_and_what_is_none(tf: Any, png: bytes) -> None:
    """ODF501: what is said of ~, of @10 and of several paths in one string."""
    for index in range(2):
        record(png, name=f"a-{index:05d}-of-00002")
    assert first("input_path: 'a-?????-of-00002'")
    assert first("input_path: 'a-0000[01]-of-*'")
    for path in ("~/a-00000-of-00002", "a@2", "a-00000-of-00002,a-00001-of-00002"):
        with pytest.raises(RuntimeError, match="Did not find any input files"):
            dataset(f"input_path: '{path}'")


def test_an_empty_file_is_waited_over_for_ever() -> None:
    """ODF502: a run of its own, which is ended when it has hung long enough."""
    write_records(Path("empty.record"))
    code = (
        "from tests.training.test_stock_data import compat, first; compat.prepare();"
        "print('begins', flush=True);"
        "first(\"input_path: 'empty.record'\"); print('ends', flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stdout.readline() == "begins\n"
        with pytest.raises(subprocess.TimeoutExpired):
            run.communicate(timeout=5)
        run.kill()


def test_a_file_of_another_kind(tf: Any) -> None:
    """ODF502."""
    Path("notes.record").write_text("a text is no record, however long it is")
    with pytest.raises(tf.errors.DataLossError) as caught:
        first("input_path: 'notes.record'")
    assert_quoted("ODF502", caught)


def test_a_directory(tf: Any) -> None:
    """ODF510."""
    Path("data/train").mkdir(parents=True)
    with pytest.raises(tf.errors.FailedPreconditionError) as caught:
        first("input_path: 'data/train'")
    assert_quoted("ODF510", caught)


def test_one_weight_too_few(tf: Any, png: bytes) -> None:
    """ODF520."""
    record(png)
    with pytest.raises(TypeError) as caught:
        dataset("input_path: ['a.record', 'a.record']", fields="sample_from_datasets_weights: [1]")
    assert f"TypeError: {caught.value}" in read_page("ODF520").text


def test_a_worker_without_a_file(tf: Any, png: bytes) -> None:
    """ODF523."""
    from object_detection.builders import dataset_builder
    from object_detection.protos import input_reader_pb2

    record(png)
    reader = input_reader_pb2.InputReader()
    second = dataset_builder.shard_function_for_context(tf.distribute.InputContext(2, 1, 2))
    records = dataset_builder.read_dataset(
        tf.data.TFRecordDataset, ["a.record"], reader, filename_shard_fn=second
    )
    with pytest.raises(StopIteration) as caught:
        next(iter(records))
    assert f"```\n{type(caught.value).__name__}{caught.value}\n```" in read_page("ODF523").text


# --- label maps ------------------------------------------------------------------------


def test_no_label_map(tf: Any, png: bytes) -> None:
    """ODF503."""
    with pytest.raises(tf.errors.NotFoundError) as caught:
        dataset(record(png), fields="label_map_path: 'data/label_map.pbtxt'")
    assert_quoted("ODF503", caught)


def test_evaluation_needs_one(tf: Any) -> None:
    """ODF503."""
    from object_detection.utils import label_map_util

    with pytest.raises(tf.errors.NotFoundError):
        label_map_util.create_category_index_from_labelmap("")


@pytest.mark.parametrize("item", ["id: 0 name: 'cat'", "name: 'cat'", "id: -1 name: 'cat'"])
def test_ids_below_one(tf: Any, png: bytes, item: str) -> None:
    """ODF504."""
    Path("map.pbtxt").write_text(f"item {{ {item} }}")
    with pytest.raises(ValueError, match="Label map id") as caught:
        dataset(record(png))
    assert f"ValueError: {caught.value}" in read_page("ODF504").text


@pytest.mark.parametrize("item", ["id: 0 name: 'background'", "id: 0 display_name: 'background'"])
def test_the_background_may_have_0(tf: Any, png: bytes, item: str) -> None:
    """ODF504."""
    Path("map.pbtxt").write_text(f"item {{ {item} }} item {{ id: 1 name: 'cat' }}")
    assert dataset(record(png))


@pytest.mark.parametrize("text", ["item { id: 1 nam: 'cat' }", "cat\ndog", "item { id: 1"])
def test_a_label_map_that_cannot_be_read(tf: Any, png: bytes, text: str) -> None:
    """ODF511: an error that says nothing of the text, which protobuf's version decides."""
    Path("map.pbtxt").write_text(text)
    with pytest.raises(Exception, match=r"bytes|Error parsing|wire|type") as caught:
        dataset(record(png))
    assert type(caught.value).__name__ in read_page("ODF511").text


def test_a_label_map_without_an_item(tf: Any) -> None:
    """ODF511."""
    from object_detection.utils import label_map_util

    Path("map.pbtxt").write_text("")
    with pytest.raises(ValueError, match="empty") as caught:
        label_map_util.create_category_index_from_labelmap("map.pbtxt")
    assert re.search(r"(max\(\)|iterable).*empty", str(caught.value))
    assert "arg is an empty sequence" in read_page("ODF511").text


def test_names_are_looked_up_as_stock_does(tf: Any, png: bytes) -> None:
    """ODF512, ODF506: names and display names, the last of a name, the higher id of both."""
    Path("map.pbtxt").write_text(
        "item { id: 1 name: 'a' } item { id: 2 name: 'a' } item { id: 2 name: 'b' } "
        "item { id: 1 display_name: 'b' }"
    )
    found = first(record(png, names=["a", "b", "c"], ids=[1, 1, 1], boxes=[BOX] * 3))
    ids = [row.index(1.0) + 1 if 1.0 in row else None for row in found["groundtruth_classes"]]
    known = read_label_map("map.pbtxt").ids()
    assert ids == [known["a"], known["b"], None] == [2, 2, None]


# --- records ---------------------------------------------------------------------------


def test_names_that_are_not_known_disappear(tf: Any, png: bytes) -> None:
    """ODF506."""
    found = first(record(png, names=["cat", "Dog"], ids=[1, 2], boxes=[BOX, BOX]))
    assert found["num_groundtruth_boxes"] == 1


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("fields", ["", "label_map_path: 'map.pbtxt'"], ids=["bare", "with-map"])
def test_ids_that_are_not_known_are_of_no_class(tf, png: bytes, number: int, fields: str) -> None:
    """ODF505, ODF506: a box is there, and no class."""
    found = first(record(png, names=[], ids=[number]), fields=fields)
    assert found["num_groundtruth_boxes"] == 1
    assert found["groundtruth_classes"] == [[0.0, 0.0]] * 3


def test_records_that_cannot_be_decoded(tf: Any, png: bytes) -> None:
    """ODF513."""
    for options, words in (
        ({"image__encoded": [b"hello"]}, "Unknown image file format."),
        ({"image__object__bbox__xmin": [3]}, "Data types don't match."),
        ({"image__object__bbox__xmin": [0.1, 0.2]}, "must be equal: shape[0] = [1,"),
        ({"names": ["cat"], "ids": [1], "boxes": [BOX, BOX]}, "indices[1] = 1 is not in [0, 1)"),
        ({"boxes": [(0.1, 0.5, 0.2, 0.1)]}, "assertion failed: [[0.5]"),
    ):
        data = detection(**{"image__encoded": [png], **options})
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            first(record(png, data))
        assert words in str(caught.value)
        assert words in read_page("ODF513").text


def test_records_without_an_image(tf: Any, png: bytes) -> None:
    """ODF513."""
    with pytest.raises(tf.errors.InvalidArgumentError, match="Input is empty"):
        first(record(png, detection(image__encoded=[])))


def test_what_the_rules_let_pass_is_decoded(tf: Any, png: bytes) -> None:
    """ODF513: no false alarm about more classes than boxes; boxes in pixels are silent."""
    classes = {"names": ["cat"] * 3, "ids": [1] * 3, "boxes": [BOX, BOX]}
    assert first(record(png, **classes))["num_groundtruth_boxes"] == 2
    pixels = first(record(png, boxes=[(10.0, 20.0, 30.0, 40.0)]))
    assert pixels["groundtruth_boxes"][0] == [10.0, 20.0, 30.0, 40.0]


def test_records_without_boxes_are_fine_to_stock(tf: Any, png: bytes) -> None:
    """ODF519."""
    other = example({"image/encoded": [png], "image/object/bndbox/xmin": [0.1]})
    assert first(record(png, other))["num_groundtruth_boxes"] == 0


def test_records_without_masks(tf: Any, png: bytes) -> None:
    """ODF514."""
    with pytest.raises(tf.errors.InvalidArgumentError, match="indices") as caught:
        first(record(png), fields="load_instance_masks: true mask_type: PNG_MASKS")
    assert_quoted("ODF514", caught)


def test_a_model_of_masks_asks_for_them(tf: Any) -> None:
    """ODF514: the text is there; to meet it takes a whole Mask R-CNN."""
    from object_detection.meta_architectures import faster_rcnn_meta_arch

    source = inspect.getsource(faster_rcnn_meta_arch.FasterRCNNMetaArch)
    (text,) = re.findall(r"raise ValueError\('(Groundtruth [^']*)'\s*'([^']*)'\)", source)
    assert f"ValueError: {''.join(text)}" in read_page("ODF514").text


# --- sizes -----------------------------------------------------------------------------


def test_images_of_different_sizes(tf: Any) -> None:
    """ODF522."""
    images = [tf.io.encode_png(tf.zeros((40, w, 3), tf.uint8)).numpy() for w in (50, 60)]
    path = record(b"", *[detection(image__encoded=[image]) for image in images])
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(dataset(path, batch=2).take(1))
    texts = (
        "Cannot batch tensors with different shapes in component 0.",
        "Cannot add tensor to the batch: number of elements does not match. Shapes are: [tensor]: "
        "[40,60,3], [batch]: [40,50,3]",
    )
    swapped = ("[tensor]: [40,50,3], [batch]: [40,60,3]", texts[1].partition("are: ")[2])
    said = str(caught.value).replace(*swapped)  # which image comes first is left to chance
    assert any(words in said for words in texts)
    assert all(words in read_page("ODF522").text for words in texts)


@pytest.mark.parametrize(
    ("resizer", "words"),
    [
        ("keep_aspect_ratio_resizer { max_dimension: 320 }", "min_dimension > max_dimension"),
        ("", "Invalid image resizer option: 'None'."),
        ("pad_to_multiple_resizer { multiple: 32 }", "Unknown image resizer type."),
    ],
)
def test_resizers_that_are_refused(tf: Any, resizer: str, words: str) -> None:
    """ODF521: by the builder, or by what training asks next."""
    from google.protobuf import text_format
    from object_detection.builders import image_resizer_builder
    from object_detection.protos import image_resizer_pb2
    from object_detection.utils import config_util

    message = image_resizer_pb2.ImageResizer()
    text_format.Merge(resizer, message)
    with pytest.raises(ValueError) as caught:
        image_resizer_builder.build(message)
        config_util.get_spatial_image_size(message)
    assert str(caught.value) == words
    assert f"ValueError: {words}" in read_page("ODF521").text


def test_the_smallest_image(tf: Any) -> None:
    """ODF507: the text, and the number of every SSD extractor that there is."""
    from object_detection.builders import model_builder
    from object_detection.utils import shape_utils

    with pytest.raises(ValueError, match="image size") as caught:
        shape_utils.check_min_image_dim(33, tf.zeros((1, 32, 32, 3)))
    assert f"ValueError: {caught.value}" in read_page("ODF507").text
    extractors = stock_extractors(model_builder.SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP)
    for name, extractor in extractors.items():
        source = "".join(inspect.getsource(sys.modules[one.__module__]) for one in
                         (extractor, extractor.__mro__[1]))  # fmt: skip
        (pixels,) = {int(n) for n in re.findall(r"check_min_image_dim\(\s*(\d+)", source)}
        assert [n for start, n in _SMALLEST.items() if name.startswith(start)] == [pixels], name


def pyramid(tf: Any, kind: str) -> Any:
    """A small feature pyramid of the real kind."""
    from google.protobuf import text_format
    from object_detection.builders import hyperparams_builder
    from object_detection.models import bidirectional_feature_pyramid_generators as bifpn
    from object_detection.models import feature_map_generators
    from object_detection.protos import hyperparams_pb2

    message = hyperparams_pb2.Hyperparams()
    text_format.Merge(
        "regularizer { l2_regularizer { } } initializer { random_normal_initializer { } }", message
    )
    options = {
        "is_training": False,
        "conv_hyperparams": hyperparams_builder.KerasLayerHyperparams(message),
        "freeze_batchnorm": False,
    }
    if kind == "fpn":
        return feature_map_generators.KerasFpnTopDownFeatureMaps(num_levels=3, depth=4, **options)
    return bifpn.KerasBiFpnFeatureMaps(
        bifpn_num_iterations=1, bifpn_num_filters=4, fpn_min_level=3, fpn_max_level=7,
        input_max_level=5, **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "coarsest", "side"),
    [*[("fpn", 5, side) for side in (256, 288, 300, 320, 576)], ("bifpn", 7, 256),
     ("bifpn", 7, 576)],
)  # fmt: skip
def test_sizes_that_fit_a_pyramid(tf: Any, kind: str, coarsest: int, side: int) -> None:
    """ODF507: the rule against the real pyramids."""
    features = [
        (f"level_{level}", tf.zeros((1, -(-side // 2**level), -(-side // 2**level), 4)))
        for level in (3, 4, 5)
    ]
    try:
        pyramid(tf, kind)(features)
        fits = True
    except (ValueError, tf.errors.InvalidArgumentError):
        fits = False
    assert fits == (_uneven(side, 3, coarsest) is None)


@pytest.mark.parametrize("stages", [1, 2, 3])
@pytest.mark.parametrize("side", [80, 96, 100])
def test_sizes_that_fit_an_hourglass(tf: Any, stages: int, side: int) -> None:
    """ODF507: behind the stride of 4 that an hourglass begins with."""
    from object_detection.models.keras_models import hourglass_network

    block = hourglass_network.EncoderDecoderBlock(
        num_stages=stages, channel_dims=[4] * (stages + 1), blocks_per_stage=[1] * (stages + 1)
    )
    try:
        block(tf.zeros((1, side // 4, side // 4, 4)))
        fits = True
    except (ValueError, tf.errors.InvalidArgumentError):
        fits = False
    assert fits == (_uneven(side, 2, 2 + stages) is None)


def test_a_model_without_a_class_is_built(tf: Any) -> None:
    """ODF517: silent."""
    from object_detection.builders import model_builder
    from object_detection.utils import config_util

    model = config_util.get_configs_from_pipeline_file(str(CONFIGS / SSD))["model"]
    model.ssd.ClearField("num_classes")
    assert model_builder.build(model, is_training=True).num_classes == 0


# --- evaluation ------------------------------------------------------------------------


def test_averages_that_are_not_there(tf: Any) -> None:
    """ODF508."""
    from tests.training.test_stock_schedule import build

    rate = "learning_rate { constant_learning_rate { learning_rate: 0.1 } }"
    optimizer, _, _ = build(tf, f"momentum_optimizer {{ {rate} }} use_moving_average: false")
    with pytest.raises(AttributeError) as caught:
        optimizer.shadow_copy(None)
    assert f"AttributeError: {caught.value}" in read_page("ODF508").text


def test_the_first_reader_is_evaluated(tf: Any) -> None:
    """ODF509."""
    from object_detection import model_lib_v2, model_main_tf2

    assert inspect.signature(model_lib_v2.eval_continuously).parameters["eval_index"].default == 0
    assert "eval_index" not in inspect.getsource(model_main_tf2)


def test_metrics(tf: Any) -> None:
    """ODF518."""
    from object_detection import eval_util
    from object_detection.protos import eval_pb2

    assert sorted(eval_util.EVAL_METRICS_CLASS_DICT) == sorted(METRICS)
    config = eval_pb2.EvalConfig(metrics_set=["coco_metrics"])
    with pytest.raises(ValueError, match="Metric") as caught:
        eval_util.get_evaluators(config, [{"id": 1, "name": "cat"}])
    assert f"ValueError: {caught.value}" in read_page("ODF518").text
