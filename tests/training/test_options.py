"""Options of train_config and model that touch freezing: clipping, regularization, batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from odfreeze.runs.record import read_record
from tests.training.tiny import (
    BACKBONE,
    MOMENTUM,
    Tiny,
    Trained,
    register,
    train_stock,
    train_tiny,
    variables_of,
)

pytestmark = pytest.mark.train

RATE = 0.1  # of MOMENTUM; a first step changes a weight by rate times gradient
WEIGHT = 0.01  # of the tiny detector's regularizer
CONVOLUTIONS = [f"model/_feature_extractor/convolutions/{number}/0/kernel" for number in (0, 1)]


def paths(model_dir: Path, state: str) -> set[str]:
    return {one.object_path for one in read_record(model_dir).variables if one.state == state}


def steps(before: Path | str, after: Path | str) -> dict[str, Any]:
    """Returns how far each variable of the model moved between two checkpoints."""
    old, new = variables_of(before), variables_of(after)
    return {
        path: new[path] - old[path]
        for path in old
        if path.startswith("model/") and ".OPTIMIZER_SLOT" not in path
    }


def norm(moves: Any) -> float:
    return float(sum((move.astype("float64") ** 2).sum() for move in moves) ** 0.5)


# --- gradient clipping ---------------------------------------------------------------------------

CLIP = 0.05
CLIPPED = f"gradient_clipping_by_norm: {CLIP}"


def test_the_norm_that_is_clipped_is_of_what_learns_only(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: each step is rate * gradient * clip / norm of the gradients of what learns."""
    tf = register()
    given: list[Any] = []
    stock = tf.compat.v1.clip_by_global_norm

    def clip_by_global_norm(gradients: Any, clip: float, *args: Any) -> Any:
        given.extend(None if one is None else one.numpy() for one in gradients)
        return stock(gradients, clip, *args)

    monkeypatch.setattr(tf.compat.v1, "clip_by_global_norm", clip_by_global_norm)
    trained = train_tiny(tiny.config("clip", extra=CLIPPED), tiny.root / "run-clip", 1)
    moved = steps(trained.model_dir / "ckpt-0", trained.model_dir / "ckpt-1")
    learning = paths(trained.model_dir, "trainable")
    assert len(given) == len(learning) == 14

    size = norm(given)
    assert size > CLIP
    assert norm(moved[path] for path in learning) == pytest.approx(RATE * CLIP, rel=1e-3)
    by_hand = [-RATE * gradient * CLIP / size for gradient in given]
    trainable = trained.run.model.trainable_variables
    records = {
        record.name: record.object_path for record in read_record(trained.model_dir).variables
    }
    for variable, expected in zip(trainable, by_hand, strict=True):
        path = records[variable.name.partition(":")[0]]
        assert moved[path] == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert all(not moved[path].any() for path in paths(trained.model_dir, "frozen"))


def test_of_stock_it_is_of_everything(tiny: Tiny) -> None:
    """The control: there, the same heads move by less than the norm that was given."""
    last = train_stock(tiny.config("clip-stock", extra=CLIPPED), tiny.root / "run-clip-stock", 1)
    moved = steps(last.with_name("ckpt-1"), last)
    learning = {path: move for path, move in moved.items() if "/moving_" not in path}
    heads = [move for path, move in learning.items() if path.startswith("model/_box_predictor")]
    assert norm(learning.values()) == pytest.approx(RATE * CLIP, rel=1e-3)
    assert 0 < norm(heads) < 0.99 * RATE * CLIP


# --- regularization ------------------------------------------------------------------------------


def penalty(prefix: Path | str, chosen: Any) -> float:
    """Returns the regularization of kernels by hand: half the weight times the squares."""
    values = variables_of(prefix)
    return sum(0.5 * WEIGHT * float((values[path].astype("float64") ** 2).sum()) for path in chosen)


@pytest.fixture(scope="module")
def regularized(tiny: Tiny) -> Trained:
    return train_tiny(tiny.config("regularized"), tiny.root / "run-regularized")


def test_what_frozen_weights_add_to_the_loss_is_told_at_the_start(regularized: Trained) -> None:
    told = regularized.event("selection")["frozen_regularization"]
    assert told == pytest.approx(penalty(regularized.model_dir / "ckpt-0", CONVOLUTIONS), rel=1e-5)
    assert told > 0


def test_it_is_in_the_loss_still_and_moves_no_frozen_weight(regularized: Trained) -> None:
    loss = regularized.event("block")["scalars"]["Loss/regularization_loss"]
    assert loss > regularized.event("selection")["frozen_regularization"]
    found = regularized.verification
    assert found.ok
    assert len(found.frozen.unchanged) == 6


def test_where_all_is_frozen_it_is_the_whole_regularization(tiny: Tiny) -> None:
    trained = train_tiny(
        tiny.config("all", freeze="."), tiny.root / "run-all", 1, allow=("all_frozen",)
    )
    told = trained.event("selection")["frozen_regularization"]
    loss = trained.event("block")["scalars"]["Loss/regularization_loss"]
    assert told == pytest.approx(loss, rel=1e-5)
    assert trained.verification.frozen.changed == ()


def test_where_the_loss_does_not_include_it_nothing_is_told(tiny: Tiny) -> None:
    config = tiny.config("plain", extra="add_regularization_loss: false")
    trained = train_tiny(config, tiny.root / "run-plain", 1)
    assert trained.event("selection")["frozen_regularization"] == 0
    assert "Loss/regularization_loss" not in trained.event("block")["scalars"]
    assert trained.verification.ok


def test_where_nothing_is_frozen_nothing_is_told(tiny: Tiny) -> None:
    trained = train_tiny(tiny.config("free", freeze=""), tiny.root / "run-free", 1)
    assert trained.event("selection")["frozen_regularization"] == 0


# --- statistics that the config holds ------------------------------------------------------------


@pytest.mark.parametrize("freeze", ["", BACKBONE], ids=["nothing frozen", "backbone frozen"])
def test_freeze_batchnorm_holds_all_statistics_and_gamma_and_beta_learn(
    tiny: Tiny, freeze: str
) -> None:
    name = "bn-frozen" if freeze else "bn"
    config = tiny.config(name, freeze=freeze, freeze_batchnorm=True)
    trained = train_tiny(config, tiny.root / f"run-{name}")
    found = trained.verification
    assert found.ok
    assert (len(found.held.unchanged), found.updating.variables) == (12, 0)
    changed = {change.object_path for change in found.trainable.changed}
    norms = {path for path in paths(trained.model_dir, "trainable") if path.endswith("/gamma")}
    assert len(norms) == (4 if freeze else 6)
    assert len(norms & changed) >= len(norms) - 1  # the coarsest level may get no gradient
    assert len(found.frozen.unchanged) == (6 if freeze else 0)


def test_without_it_statistics_of_what_learns_update(tiny: Tiny, regularized: Trained) -> None:
    found = regularized.verification
    assert (len(found.held.unchanged), len(found.updating.changed)) == (4, 8)


@pytest.mark.parametrize("trainable", [False, True], ids=["false", "true"])
def test_batch_norm_trainable_decides_for_the_extractor_and_gamma_and_beta_learn(
    tiny: Tiny, trainable: bool
) -> None:
    """Of a Faster R-CNN. It does not stop gamma and beta: that is what patterns are for."""
    name = f"regions-{trainable}"
    config = tiny.config(name, freeze="", batch_norm_trainable=trainable)
    found = train_tiny(config, tiny.root / f"run-{name}").verification
    assert found.ok
    assert len(found.held.unchanged) == (0 if trainable else 4)
    assert len(found.updating.changed) == (4 if trainable else 0)
    changed = {change.name for change in found.trainable.changed}
    assert {"tiny_stage1_bn/gamma", "tiny_stage1_bn/beta"} <= changed


def test_frozen_layers_are_held_where_it_would_have_them_update(tiny: Tiny) -> None:
    config = tiny.config("regions-frozen", freeze="^tiny_stage1", batch_norm_trainable=True)
    trained = train_tiny(config, tiny.root / "run-regions-frozen", allow=("random_frozen",))
    found = trained.verification
    assert found.ok
    assert len(found.frozen.unchanged) == 4
    assert found.held.unchanged == ("tiny_stage1_bn/moving_mean", "tiny_stage1_bn/moving_variance")
    assert len(found.updating.changed) == 2


# --- bfloat16 ------------------------------------------------------------------------------------


@pytest.fixture
def float32_after() -> Iterator[None]:
    """Takes back the policy that a run sets for the whole process."""
    tf = register()
    yield
    tf.keras.mixed_precision.set_global_policy("float32")


def test_off_a_tpu_use_bfloat16_changes_nothing(tiny: Tiny, float32_after: None) -> None:
    """Stock reads it together with --use_tpu only (model_lib_v2.py:509)."""
    tf = register()
    config = tiny.config("no-bfloat16", extra="use_bfloat16: true")
    trained = train_tiny(config, tiny.root / "run-no-bfloat16")
    assert tf.keras.mixed_precision.global_policy().name == "float32"
    assert trained.verification.ok


def test_in_bfloat16_the_frozen_float32_values_stand_still(tiny: Tiny, float32_after: None) -> None:
    """As on a TPU, on the CPU: ``train_loop`` itself asks for no TPU, ``model_main_tf2`` does."""
    tf = register()
    config = tiny.config("bfloat16", optimizer=MOMENTUM, average=True, extra="use_bfloat16: true")
    trained = train_tiny(config, tiny.root / "run-bfloat16", use_tpu=True)
    assert tf.keras.mixed_precision.global_policy().name == "mixed_bfloat16"
    kinds = {type(one).__name__ for one in trained.run.model.trainable_variables}
    assert "AutoCastDistributedVariable" in kinds or "AutoCastVariable" in kinds
    found = trained.verification
    assert found.reasons == ()
    assert (len(found.frozen.unchanged), len(found.held.unchanged)) == (6, 4)
    assert found.averages is not None
    assert found.averages.variables == 6
    assert trained.event("selection")["frozen_regularization"] == pytest.approx(
        penalty(trained.model_dir / "ckpt-0", CONVOLUTIONS), rel=0.01
    )
