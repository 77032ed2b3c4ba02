"""Rates in a run: what is judged on the live model, and how a real training moves with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from odfreeze.errors import SelectionMismatchError, TrainingRefusedError
from odfreeze.rates import rate_selection
from odfreeze.runs.record import read_record
from odfreeze.selection import select
from odfreeze.stages.conduct import Conduct, Rate
from odfreeze.training.carry import read_carried
from odfreeze.training.rates import compare_scales
from odfreeze.variables import Variable
from tests.conftest import ROOT
from tests.training.optimizers import watch_gradients
from tests.training.tiny import (
    ADAM,
    MOMENTUM,
    RMS_PROP,
    Tiny,
    Trained,
    make_tiny,
    train_tiny,
    variables_of,
)

# --- the live shares against the previewed ones ---

VARIABLES = [Variable(f"conv2d_{n}/kernel", f"model/{n}", (2,), "float32") for n in range(20)]


def rated(*rates: Rate) -> Any:
    return rate_selection(select(VARIABLES, []), rates)


def test_the_same_shares_are_no_difference() -> None:
    compare_scales(rated(Rate("_1/", 0.1)), {"model/1": 0.1, "model/2": 1.0, "elsewhere": 3.0})


def test_without_a_preview_there_is_nothing_to_differ_from() -> None:
    compare_scales(rated(Rate("_1/", 0.1)), {})


def test_names_that_moved_stop_the_run() -> None:
    with pytest.raises(SelectionMismatchError) as caught:
        compare_scales(rated(Rate("_1/", 0.1)), {"model/1": 1.0, "model/2": 0.1})
    assert str(caught.value) == (
        "2 variables would take another share of the learning rate than previewed; their names"
        " here are others than in the checkpoint: match object paths, with (?#path) at the"
        " beginning of the pattern\n"
        "  model/1 (conv2d_1/kernel): 1 in the checkpoint, 0.1 here\n"
        "  model/2 (conv2d_2/kernel): 0.1 in the checkpoint, 1 here"
    )


def test_of_many_the_first_are_shown() -> None:
    with pytest.raises(SelectionMismatchError) as caught:
        compare_scales(rated(), {v.object_path: 2.0 for v in VARIABLES})
    assert str(caught.value).splitlines()[-1] == "  and 10 more"
    assert len(str(caught.value).splitlines()) == 12


# --- a real training ---

FROZEN = "/tiny_conv1/|/tiny_bn1/"
SCALED = "/tiny_conv2/|/tiny_bn2/"
EIGHTH = Conduct(rates=(Rate("^tiny_extractor/", 2.0), Rate(SCALED, 0.125)))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return make_tiny(tmp_path_factory.mktemp("rates"))


def config_of(tiny: Tiny, name: str, optimizer: str, **options: Any) -> Path:
    """A config whose images come in the same order every time."""
    path = tiny.config(name, optimizer=optimizer, freeze=FROZEN, **options)
    text = path.read_text()
    in_order = "train_input_reader {\n  shuffle: false num_readers: 1"
    path.write_text(text.replace("train_input_reader {", in_order, 1))
    return path


def run(tiny: Tiny, name: str, optimizer: str, steps: int = 1, **options: Any) -> Trained:
    conduct = options.pop("conduct", Conduct())
    config = config_of(tiny, name, optimizer, **options)
    return train_tiny(config, tiny.root / name, steps, conduct=conduct.to_json())


def moved(trained: Trained) -> dict[str, Any]:
    """Returns the values of what could learn at the end, by object path."""
    values = variables_of(trained.run.manager.latest_checkpoint)
    record = read_record(trained.model_dir)
    return {one.object_path: values[one.object_path] for one in record.variables if one.trainable}


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "optimizer", "rate", "eighth"),
    [
        pytest.param(
            "momentum", MOMENTUM, "learning_rate: 0.1", "learning_rate: 0.0125",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "rmsprop", RMS_PROP, "learning_rate: 0.01", "learning_rate: 0.00125",
            marks=pytest.mark.slow,
        ),
        ("adam", ADAM, "learning_rate: 0.01", "learning_rate: 0.00125"),
    ],
    ids=("momentum", "rmsprop", "adam"),
)  # fmt: skip
def test_a_part_at_an_eighth_moves_as_with_an_eighth_of_the_rate(
    tiny: Tiny, name: str, optimizer: str, rate: str, eighth: str
) -> None:
    """Bit for bit, in the first step, in which all else is the same; what is frozen is frozen."""
    average = name == "adam"
    scaled = run(tiny, f"{name}-scaled", optimizer, conduct=EIGHTH, average=average)
    whole = run(tiny, f"{name}-whole", optimizer, average=average)
    part = run(tiny, f"{name}-part", optimizer.replace(rate, eighth), average=average)
    start = variables_of(tiny.checkpoint)
    names = {one.object_path: one.name for one in read_record(scaled.model_dir).variables}
    found, wholly, partly = moved(scaled), moved(whole), moved(part)
    kinds = {"frozen": 0, "scaled": 0, "whole": 0}
    for path, value in found.items():
        label = str(names[path])
        if "/tiny_conv1/" in label or "/tiny_bn1/" in label:
            kinds["frozen"] += 1
            assert value.tobytes() == start[path].tobytes()
        elif "/tiny_conv2/" in label or "/tiny_bn2/" in label:
            kinds["scaled"] += 1
            assert value.tobytes() == partly[path].tobytes(), label
            assert value.tobytes() != wholly[path].tobytes(), label
        else:
            kinds["whole"] += 1
            assert value.tobytes() == wholly[path].tobytes(), label
    assert kinds == {"frozen": 3, "scaled": 3, "whole": 14}
    assert scaled.verification.reasons == ()


@pytest.mark.train
def test_the_rates_are_told_and_kept(tiny: Tiny) -> None:
    trained = run(tiny, "told", MOMENTUM, conduct=EIGHTH)
    event = trained.event("selection")
    assert event["rates"] == [
        {"pattern": "^tiny_extractor/", "scale": 2.0, "variables": 0},
        {"pattern": SCALED, "scale": 0.125, "variables": 3},
    ]
    scales = [row["rate_scales"] for row in event["groups"]]
    assert [0.125] in scales
    assert read_record(trained.model_dir).conduct == EIGHTH.to_json()


@pytest.mark.train
def test_a_rate_that_the_live_model_has_nothing_for_is_refused(tiny: Tiny) -> None:
    with pytest.raises(TrainingRefusedError, match="rate 'zzz' matches none of"):
        run(tiny, "refused", MOMENTUM, conduct=Conduct(rates=(Rate("zzz", 0.1),)))
    assert not (tiny.root / "refused" / "odfreeze" / "record.json").exists()


@pytest.mark.train
def test_a_stage_goes_on_with_its_slots_and_so_does_its_resumed_run(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step is worked out by hand from its gradients: Adam's sixth, not its third."""
    first = run(tiny, "stage-1", ADAM, steps=3)
    prefix = Path(first.run.manager.latest_checkpoint)
    carrying = Conduct(carry_optimizer=True)
    stage = Tiny(tiny.root, tiny.labels, tiny.records, prefix)
    second = run(stage, "stage-2", ADAM, steps=2, conduct=carrying)
    carried = second.event("selection")["carried"]
    assert carried["checkpoint"] == prefix.as_posix()
    assert (carried["variables"], carried["slots"], carried["note"]) == (17, 34, "")
    before, begun = variables_of(prefix), variables_of(second.model_dir / "ckpt-0")
    slots = [key for key in before if ".OPTIMIZER_SLOT/" in key]
    assert len(slots) == 34
    assert all(begun[key].tobytes() == before[key].tobytes() for key in slots)

    gradients = watch_gradients(monkeypatch)
    resumed = run(stage, "stage-2", ADAM, steps=3, conduct=carrying)
    assert resumed.event("selection")["resumed_at"] == 2
    assert resumed.event("selection")["carried"] == carried
    kept = read_carried(resumed.model_dir)
    assert kept is not None
    assert set(kept.steps.values()) == {3}
    old, new = (variables_of(resumed.model_dir / f"ckpt-{step}") for step in (2, 3))

    from odfreeze.training.live import live_variables

    learning = [one for one in live_variables(resumed.run.model) if id(one.value) in gradients]
    assert len(learning) == 17
    for one in learning:
        path, gradient = one.record.object_path, gradients[id(one.value)]
        slot = path + "/.OPTIMIZER_SLOT/optimizer/"
        mean = 0.9 * old[slot + "m"] + 0.1 * gradient
        square = 0.999 * old[slot + "v"] + 0.001 * gradient**2
        rate = 0.01 * (1 - 0.999**6) ** 0.5 / (1 - 0.9**6)
        step = rate * mean / (square**0.5 + 1e-8)
        assert new[path] == pytest.approx(old[path] - step, rel=1e-4, abs=1e-6)


# --- two replicas ---


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.training.rate_probe", tmp_path_factory.mktemp("probe")],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    line = next((one for one in ran.stdout.splitlines() if one.startswith("FOUND ")), None)
    assert line is not None, ran.stderr
    return dict(json.loads(line.removeprefix("FOUND ")))


@pytest.mark.train
@pytest.mark.parametrize("kind", ["momentum", "adam"])
def test_both_replicas_move_at_an_eighth(probe: dict[str, Any], kind: str) -> None:
    found = probe[kind]
    assert probe["replicas"] == 2
    for name, copies in found["scaled"].items():
        assert len(copies) == 2
        assert copies[0] == copies[1]
        expected = "an eighth" if name.startswith("body") else "whole"
        assert copies == found[expected][name], name
        assert found["whole"][name] != found["an eighth"][name]


@pytest.mark.train
@pytest.mark.parametrize(("kind", "slots"), [("momentum", 4), ("adam", 8)])
def test_both_replicas_go_on_with_carried_slots(
    probe: dict[str, Any], kind: str, slots: int
) -> None:
    found = probe[kind]
    assert found["slots"] == slots
    assert found["taking over"] == found["going on"]
