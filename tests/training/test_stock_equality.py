"""With the same seed and nothing frozen, odfreeze ends where ``model_main_tf2`` ends, bit for bit.

Both are run as users run them, each in a process of its own, for two of stock's blocks of 100
steps. The detector is tiny but has what draws random numbers: dropout, augmented images, their
shuffled order and, from scratch, initial values.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from odfreeze.runs.record import read_record
from odfreeze.training.launch import TrainingResult, run_stock, train
from tests.conftest import ROOT
from tests.training.tiny import ADAM, Tiny, register

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(os.name != "posix", reason="needs executable scripts"),
]

SEED = 7
#: Not a multiple of any block of steps: the last block of such a run is cut short.
CUT = 211

_PYTHON = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.training.tiny import register
register()
from odfreeze.training.child import run_child
from odfreeze.training.request import TrainingRequest
sys.exit(run_child(TrainingRequest.read(Path(sys.argv[3]))))
"""
_RANDOM = """
  data_augmentation_options { random_horizontal_flip {} }
  data_augmentation_options { random_adjust_brightness {} }
"""
#: Two files, read at once: which is ahead is left to chance without a seed.
_READER = " num_readers: 2 shuffle: true"


@dataclass(frozen=True)
class Place:
    """Where the tiny detector is trained: configs, data, and a Python that knows it."""

    tiny: Tiny
    python: str

    def config(self, name: str, *, start: Path | None = None, **options) -> Path:
        """Writes a config with dropout, from scratch or to go on from a checkpoint."""
        tiny = dataclasses.replace(self.tiny, checkpoint=start or self.tiny.checkpoint)
        path = tiny.config(name, extra=_RANDOM, **options)
        text = path.read_text().replace("num_steps: 3", "num_steps: 200")
        text = text.replace("kernel_size: 1", "kernel_size: 1 use_dropout: true")
        text = text.replace("train_input_reader {", "train_input_reader {" + _READER)
        records = f'"{self.tiny.records.as_posix()}"'
        text = text.replace(records, f"[{records}, {records}]", 1)
        if start is None:
            text = "\n".join(line for line in text.splitlines() if "fine_tune" not in line)
        path.write_text(text)
        return path

    def stock(self, config: Path, seed: int = SEED) -> Path:
        model_dir = self.tiny.root / f"stock-{config.stem}"
        flags = ["--checkpoint_every_n=100"]
        run_stock(config, model_dir, flags=flags, seed=seed, python=self.python)
        return model_dir

    def train(self, name: str, config: Path, **options) -> TrainingResult:
        """Trains with odfreeze; its check does not know the tiny detector."""
        chosen = {"seed": SEED, "checkpoint_every_n": 100, "ignore": ["ODF113"], **options}
        return train(config, self.tiny.root / name, python=self.python, **chosen)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    from odfreeze.training.shapes import write_shapes

    register()
    root = tmp_path_factory.mktemp("equality")
    data = write_shapes(root / "data", "train", images=8, size=32)
    python = root / "python"
    python.write_text(_PYTHON)
    python.chmod(0o755)
    return Place(Tiny(root, data.label_map, data.records, root / "none"), str(python))


@pytest.fixture(scope="module")
def scratch(place) -> tuple[Path, TrainingResult]:
    """From scratch with momentum: stock, odfreeze."""
    config = place.config("scratch", freeze="")
    return place.stock(config), place.train("scratch", config)


@pytest.fixture(scope="module")
def tuned(place, scratch) -> tuple[Path, TrainingResult]:
    """From a checkpoint, with Adam and moving averages; odfreeze for eleven steps more."""
    start = scratch[1].model_dir / "ckpt-200"
    config = place.config("tuned", start=start, freeze="", optimizer=ADAM, average=True)
    return place.stock(config), place.train("tuned", config, num_train_steps=CUT)


@pytest.fixture(scope="module")
def frozen(place) -> Callable[..., TrainingResult]:
    """Makes short runs from scratch with a frozen backbone."""
    config = place.config("frozen")

    def run(name: str, *, steps: int = 20, seed: int = SEED) -> TrainingResult:
        options = {"num_train_steps": steps, "allow": ["random_frozen"]}
        return place.train(name, config, seed=seed, **options)

    return run


@pytest.fixture(scope="module")
def first(frozen) -> TrainingResult:
    return frozen("frozen-1")


def starts(result: TrainingResult) -> dict[str, str]:
    """Returns the digests of the values that a run began with."""
    return {one.object_path: one.digest for one in read_record(result.model_dir).variables}


def values(prefix: Path | str) -> dict[str, bytes]:
    """Returns all of a checkpoint: values, slots, averages, the step; but for how it was saved."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(prefix))
    keys = reader.get_variable_to_shape_map()
    bookkeeping = ("_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter", "model/_training_step")
    return {
        key: reader.get_tensor(key).tobytes() for key in keys if not key.startswith(bookkeeping)
    }


def curve(model_dir: Path) -> dict[tuple[int, str], bytes]:
    """Returns what TensorBoard shows of the losses and the rate, to the bit."""
    import tensorflow as tf

    found = {}
    for file in sorted((model_dir / "train").glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.tag.startswith("Loss/") or value.tag == "learning_rate":
                    found[event.step, value.tag] = value.tensor.SerializeToString()
    return found


def latest(model_dir: Path) -> str:
    import tensorflow as tf

    return tf.train.latest_checkpoint(str(model_dir))


def test_from_scratch_every_value_and_slot_is_stocks(scratch) -> None:
    stock, ours = scratch
    there = values(latest(stock))
    assert values(ours.model_dir / "ckpt-200") == there
    assert [key for key in there if "/.OPTIMIZER_SLOT/optimizer/momentum/" in key]


def test_from_scratch_the_loss_curve_is_stocks(scratch) -> None:
    stock, ours = scratch
    assert curve(ours.model_dir) == curve(stock)
    assert {step for step, _ in curve(stock)} == {100, 200}
    assert {tag for _, tag in curve(stock)} == {
        "Loss/localization_loss", "Loss/classification_loss", "Loss/regularization_loss",
        "Loss/total_loss", "learning_rate",
    }  # fmt: skip


def test_fine_tuned_every_value_slot_and_average_is_stocks_at_the_same_step(tuned) -> None:
    stock, ours = tuned
    there = values(latest(stock))
    assert values(ours.model_dir / "ckpt-200") == there
    assert [key for key in there if "/.OPTIMIZER_SLOT/" in key and "/v/" in key]
    assert [key for key in there if "average" in key]


def test_fine_tuned_the_loss_curve_is_stocks_as_far_as_both_go(tuned) -> None:
    stock, ours = tuned
    there = curve(stock)
    assert {key: curve(ours.model_dir).get(key) for key in there} == there
    assert {step for step, _ in there} == {100, 200}


def test_then_it_goes_on_to_the_step_that_was_asked_for(tuned) -> None:
    ours = tuned[1]
    assert ours.step == CUT
    assert values(ours.model_dir / f"ckpt-{CUT}") != values(ours.model_dir / "ckpt-200")


def test_its_verification_says_that_nothing_was_to_stay_frozen(scratch, tuned) -> None:
    for _, ours in (scratch, tuned):
        found = ours.verification
        assert found.ok
        assert (found.frozen.variables, found.held.variables) == (0, 0)
        assert found.trainable.changed
        assert not found.trainable.missing


def test_the_same_seed_gives_the_same_bits_with_a_frozen_backbone_too(first, frozen) -> None:
    again = frozen("frozen-2")
    assert values(again.model_dir / "ckpt-20") == values(first.model_dir / "ckpt-20")
    assert first.verification.ok
    assert first.verification.frozen.variables > 0


def test_what_is_frozen_from_scratch_starts_as_stock_starts_it(scratch, first) -> None:
    assert starts(first) == starts(scratch[1])
    end, start = values(first.model_dir / "ckpt-20"), values(scratch[1].model_dir / "ckpt-0")
    kernel = "model/_feature_extractor/convolutions/0/0/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    assert end[kernel] == start[kernel]


def test_another_seed_gives_other_values(first, frozen) -> None:
    other, same = starts(frozen("frozen-3", steps=1, seed=SEED + 1)), starts(first)
    kernels = [path for path in same if path.endswith("kernel")]
    assert kernels
    assert [path for path in kernels if other[path] == same[path]] == []


def test_the_record_keeps_the_seed(scratch, first) -> None:
    assert read_record(scratch[1].model_dir).seed == read_record(first.model_dir).seed == SEED
