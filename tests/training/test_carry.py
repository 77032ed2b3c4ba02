"""What the optimizer of a new run takes from the checkpoint that the run starts from."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from odfreeze.errors import RecordError
from odfreeze.rates import rate_selection
from odfreeze.selection import Pattern
from odfreeze.training.carry import Carried, carried_path, carry_slots, read_carried
from odfreeze.training.rates import apply_rates
from tests.training.optimizers import (
    averaged,
    build,
    enforcement_of,
    make_model,
    save,
    take_steps,
    values_of,
)

BODY = Pattern("freeze_variables", "^body/")


# --- what is kept of it ---


def test_a_run_that_carried_nothing_keeps_nothing(tmp_path: Path) -> None:
    assert read_carried(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 2}', '{"version": 1, "steps": {"a": -1}}',
     '{"version": 1, "more": 1}', '{"version": 1, "steps": {"a": "b"}}'],
    ids=("empty", "list", "no version", "later", "negative", "more", "text"),
)  # fmt: skip
def test_a_file_that_no_run_wrote_is_refused(tmp_path: Path, text: str) -> None:
    path = carried_path(tmp_path)
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(RecordError, match="is not what `odfreeze train` wrote"):
        read_carried(tmp_path)


def test_a_resumed_run_reads_what_it_kept(tmp_path: Path) -> None:
    path = carried_path(tmp_path)
    path.parent.mkdir()
    path.write_text(json.dumps({"version": 1, "checkpoint": "a", "steps": {"b": 3}}))
    run: Any = SimpleNamespace(resumed=True)
    none: Any = None
    found = carry_slots(run, none, (), wanted=False, model_dir=str(tmp_path))
    assert found == Carried("a", steps={"b": 3})


def test_what_an_earlier_run_kept_is_not_this_ones(tmp_path: Path) -> None:
    path = carried_path(tmp_path)
    path.parent.mkdir()
    path.write_text('{"version": 1}')
    run: Any = SimpleNamespace(resumed=False, is_chief=True)
    none: Any = None
    assert carry_slots(run, none, (), wanted=False, model_dir=str(tmp_path)) is None
    assert not path.exists()


def test_a_run_from_random_values_says_so(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(resumed=False, is_chief=False, fine_tune_checkpoint=None)
    none: Any = None
    found = carry_slots(run, none, (), wanted=True, model_dir=str(tmp_path))
    assert found == Carried(note="the run starts from no checkpoint")


# --- the slots ---


class Stage:
    """A run of a few steps that another can start from."""

    def __init__(
        self, folder: Path, kind: str, *, average: bool = False, freeze: Any = None
    ) -> None:
        self.model = make_model()
        self.optimizer, self.step = build(kind, average=average)
        self.folder = folder
        averaged(self.optimizer, self.model)
        self.enforcement = enforcement_of(self.model, *([freeze] if freeze else []))
        self.learns = "head" if freeze is BODY else ""

    def begin(
        self, before: str | None, *, carry: bool = True, restored: str = ""
    ) -> Carried | None:
        """Starts from a checkpoint as a run does."""
        import tensorflow as tf

        if before is not None:
            tf.train.Checkpoint(model=self.model).restore(before).expect_partial()
        run: Any = SimpleNamespace(
            resumed=False, is_chief=True, fine_tune_checkpoint=before,
            checkpoint=SimpleNamespace(optimizer=self.optimizer),
        )  # fmt: skip
        ids = {id(one.value) for one in self.enforcement.live if restored in one.record.name}
        found = carry_slots(run, self.enforcement, ids, wanted=carry, model_dir=str(self.folder))
        apply_rates(
            self.optimizer, self.enforcement, rate_selection(self.enforcement.selection, ()), found
        )
        return found

    def train(self, steps: range, *, rate_at: int | None = None, **how: Any) -> Stage:
        if rate_at is not None:
            self.step.assign(rate_at)
        take_steps(self.model, self.optimizer, self.step, steps, learns=self.learns, **how)
        return self

    def save(self) -> str:
        return save(self.model, self.optimizer, self.folder / f"ckpt-{int(self.step)}")

    def slots(self) -> dict[str, Any]:
        inner = getattr(self.optimizer, "_optimizer", self.optimizer)
        return {
            f"{one.name}/{slot}": inner.get_slot(one, slot).numpy()
            for one in self.model.weights
            for slot in inner._slots.get(one._unique_id, {})
        }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[key].tobytes() == other[key].tobytes() for key in one
    )


@pytest.mark.train
@pytest.mark.parametrize("average", [False, True], ids=("", "averaged"))
@pytest.mark.parametrize("kind", ["momentum", "rmsprop with momentum", "adam"])
def test_carried_slots_go_on_as_if_nothing_had_been_interrupted(
    tmp_path: Path, kind: str, average: bool
) -> None:
    """Bit for bit, for three more steps at the same learning rates."""
    first = Stage(tmp_path / "first", kind, average=average)
    first.train(range(5))
    prefix = first.save()
    second = Stage(tmp_path / "second", kind, average=average)
    found = second.begin(prefix)
    assert found is not None
    per_variable = {"momentum": 1, "rmsprop with momentum": 2, "adam": 2}[kind]
    assert (found.variables, found.slots, found.note) == (4, 4 * per_variable, "")
    assert set(found.steps.values()) == {5}
    assert same(first.slots(), second.slots())

    if kind.startswith("rms"):  # its decay of the rate counts the steps of the run, as stock has it
        second.optimizer.iterations.assign(5)
    first.train(range(5, 8))
    second.train(range(5, 8), rate_at=5)
    assert same(values_of(first.model), values_of(second.model))
    assert same(first.slots(), second.slots())


@pytest.mark.train
@pytest.mark.parametrize("how", [{"sparse": True}, {"traced": True}], ids=("rows", "in a graph"))
def test_adam_goes_on_with_rows_and_in_graphs_too(tmp_path: Path, how: dict[str, bool]) -> None:
    first = Stage(tmp_path / "first", "adam").train(range(5), **how)
    second = Stage(tmp_path / "second", "adam")
    second.begin(first.save())
    first.train(range(5, 7), **how)
    second.train(range(5, 7), rate_at=5, **how)
    assert same(values_of(first.model), values_of(second.model))


@pytest.mark.train
def test_without_the_count_adam_would_make_far_larger_steps(tmp_path: Path) -> None:
    """Why the count is carried: carried means, corrected as if they were new ones."""
    first = Stage(tmp_path / "first", "adam").train(range(5))
    prefix = first.save()
    sizes = {}
    for name in ("counted", "not counted"):
        second = Stage(tmp_path / name, "adam")
        second.begin(prefix)
        if name == "not counted":
            second = _uncounted(second, prefix, tmp_path)
        before = values_of(second.model)
        second.train(range(5, 6), rate_at=5)
        after = values_of(second.model)
        sizes[name] = sum(abs(after[key] - before[key]).sum() for key in before)
    assert sizes["not counted"] > 1.3 * sizes["counted"]


def _uncounted(stage: Stage, prefix: str, folder: Path) -> Stage:
    """A stage with the same slots whose steps count from 0."""
    found = Stage(folder / "plain", "adam")
    found.begin(prefix, carry=False)
    for one, its in zip(found.model.weights, stage.model.weights, strict=True):
        found.optimizer._create_slots([one])
        for slot in ("m", "v"):
            found.optimizer.get_slot(one, slot).assign(stage.optimizer.get_slot(its, slot))
    return found


@pytest.mark.train
def test_what_opens_in_a_later_stage_begins_anew_beside_what_goes_on(tmp_path: Path) -> None:
    """Three stages: the head learns in all of them, the body from the second on."""
    first = Stage(tmp_path / "first", "adam", freeze=BODY)
    first.begin(None)
    second = Stage(tmp_path / "second", "adam")
    found = second.begin(first.train(range(5)).save())
    assert found is not None
    assert sorted(found.steps.values()) == [5, 5]
    third = Stage(tmp_path / "third", "adam")
    found = third.begin(second.train(range(5, 8)).save())
    assert found is not None
    assert sorted(found.steps.values()) == [3, 3, 8, 8]
    assert all(found.steps[one] == 8 for one in found.steps if "weights-1" in one)

    body = Stage(tmp_path / "body", "adam")  # what the body's Adam does by itself, from zeros
    body.begin(first.save(), carry=False)
    body.train(range(5, 8))
    for name, value in values_of(second.model).items():
        if "body" in name:
            assert value.tobytes() == values_of(body.model)[name].tobytes()


@pytest.mark.train
def test_only_what_was_restored_takes_its_slots(tmp_path: Path) -> None:
    """A head that starts at random has nothing to do with the old one's velocity."""
    prefix = Stage(tmp_path / "first", "momentum").train(range(3)).save()
    second = Stage(tmp_path / "second", "momentum")
    found = second.begin(prefix, restored="body")
    assert found is not None
    assert (found.variables, found.slots) == (2, 2)
    second.train(range(3, 4))
    assert len(second.slots()) == 4


@pytest.mark.train
def test_nothing_is_carried_where_it_is_not_wanted(tmp_path: Path) -> None:
    prefix = Stage(tmp_path / "first", "momentum").train(range(3)).save()
    second = Stage(tmp_path / "second", "momentum")
    assert second.begin(prefix, carry=False) is None
    assert second.slots() == {}
    assert read_carried(second.folder) is None


@pytest.mark.train
def test_a_checkpoint_without_slots_is_told(tmp_path: Path) -> None:
    import tensorflow as tf

    prefix = str(tf.train.Checkpoint(model=make_model()).write(str(tmp_path / "ckpt-0")))
    second = Stage(tmp_path / "second", "adam")
    found = second.begin(prefix)
    assert found == Carried(prefix, note="the checkpoint holds no slots of an optimizer")
    assert read_carried(second.folder) == found


@pytest.mark.train
def test_slots_of_another_optimizer_are_not_taken(tmp_path: Path) -> None:
    """Both have one called ``momentum``, of opposite signs."""
    prefix = Stage(tmp_path / "first", "momentum").train(range(3)).save()
    second = Stage(tmp_path / "second", "rmsprop with momentum")
    found = second.begin(prefix)
    assert found is not None
    assert (found.variables, found.slots) == (0, 0)
    assert found.note == (
        "4 variables begin anew: their slots there (momentum) are not those of RMSprop"
    )
    assert not any(value.any() for value in second.slots().values())


@pytest.mark.train
def test_averages_go_on_too(tmp_path: Path) -> None:
    first = Stage(tmp_path / "first", "momentum", average=True).train(range(4))
    second = Stage(tmp_path / "second", "momentum", average=True)
    found = second.begin(first.save())
    assert found is not None
    assert found.slots == 4  # an average is of the model, and not counted
    for mine, its in zip(second.model.weights, first.model.weights, strict=True):
        average = second.optimizer.get_slot(mine, "average").numpy()
        assert average.any()
        assert average.tobytes() == first.optimizer.get_slot(its, "average").numpy().tobytes()
