"""What the files of one run tell, and what each of them costs that is missing, damaged or foreign.

Of all kinds of bytes in any of them, :mod:`tests.runs.test_account` holds that there is an account.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odfreeze.runs.curves import Curves
from odfreeze.runs.stage_account import StageAccount, VerdictRow, read_stage
from odfreeze.runs.state import StageState
from odfreeze.stages.conduct import Conduct, Until
from tests.support.account_runs import LOSS, MAP, change_json, write_staged

UNTIL = Conduct(until=Until(patience=5))


class Run:
    """The folder of one stage."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.model = folder, folder / "model"
        self.config, self.kept = folder / "pipeline.config", self.model / "odfreeze"

    def read(self, known: StageState | None = None) -> StageAccount:
        return read_stage("01_head", self.model, self.config, known)

    def change(self, name: str, **changes: Any) -> None:
        change_json(self.kept / name, **changes)

    def lose(self, *names: str) -> None:
        for name in names:
            (self.kept / name).unlink()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_staged(tmp_path_factory.mktemp("whole") / "run", trained=1)
    (root / "01_head/stage.json").write_bytes(UNTIL.to_bytes())
    ending = {"sentence": "the loss rests", "ended_at": 10}
    (root / "01_head/model/odfreeze/until.json").write_text(json.dumps(ending))
    return root / "01_head"


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Run:
    return Run(shutil.copytree(whole, tmp_path / "01_head"))


# --- how far it is ---


def nothing(run: Run) -> None: ...


def not_verified(run: Run) -> None:
    run.lose("verification.json")


def not_begun(run: Run) -> None:
    shutil.rmtree(run.model)


def found_wrong(run: Run) -> None:
    run.change("verification.json", ok=False)


FAILED = StageState("01_head", "failed", reason="no images")


@pytest.mark.parametrize(
    ("change", "known", "state"),
    (
        (nothing, None, "finished"),
        (nothing, StageState("01_head", "running"), "finished"),
        (nothing, FAILED, "finished"),
        (found_wrong, None, "failed"),
        (found_wrong, StageState("01_head", "finished"), "failed"),
        (not_verified, None, "unfinished"),
        (not_verified, StageState("01_head", "running"), "unfinished"),
        (not_verified, StageState("01_head", "finished"), "unfinished"),
        (not_verified, FAILED, "failed"),
        (not_begun, None, "waiting"),
        (not_begun, StageState("01_head", "finished"), "waiting"),
        (not_begun, FAILED, "failed"),
    ),
    ids=(
        "verified", "verified now", "verified after a failure", "found wrong",
        "found wrong, said finished", "cut off", "going on", "said finished, not proven",
        "failed on the way", "not begun", "removed to begin anew", "failed before its record",
    ),
)  # fmt: skip
def test_how_far_it_is(
    run: Run, change: Callable[[Run], None], known: StageState | None, state: str
) -> None:
    change(run)
    found = run.read(known)
    assert (found.state, found.reason) == (state, "no images" if known is FAILED else "")


def test_a_stage_that_has_not_begun_knows_what_it_is_to_do(run: Run) -> None:
    not_begun(run)
    found = run.read()
    assert (found.num_steps, found.step, found.conduct) == (10, None, UNTIL)
    assert (found.config_text, found.started, found.notes) == (run.config.read_text(), "", ())


def test_a_run_that_goes_on_is_at_its_last_checkpoint_or_further(run: Run) -> None:
    run.lose("report.json", "verification.json")
    assert run.read().step == 10
    with (run.kept / "curves.jsonl").open("a") as stream:
        stream.write('{"step": 15, "time": 1, "scalars": {"Loss/total_loss": 0.1}}\n')
    assert run.read().step == 15
    run.lose("curves.jsonl")
    (run.model / "checkpoint").write_text('model_checkpoint_path: "ckpt-99"')  # not there
    assert run.read().step == 10
    (run.model / "ckpt-10.index").unlink()
    assert run.read().step is None


def test_what_is_known_beside_counts_where_the_run_does_not_tell(run: Run) -> None:
    known = StageState("01_head", seconds=500.0, decided="it rests")
    found = run.read(known)
    assert (found.seconds, found.ending) == (500.0, "the loss rests")
    run.lose("until.json", "report.json")
    assert run.read(known).ending == "it rests"
    assert run.read(StageState("01_head")).seconds is None


# --- files that are not there ---


@pytest.mark.parametrize(
    ("name", "note", "lost"),
    (
        ("record.json", "there is no record of it", {"record": None, "versions": {}}),
        ("report.json", "there is no report.json",
         {"seconds": None, "steps_per_second": None, "seconds_to_first_step": None, "ended": "",
          "peak_memory_bytes": None, "checkpoints": (), "movement": ()}),
        ("verification.json", None, {"verdict": None, "state": "unfinished"}),
        ("until.json", None, {"ending": ""}),
        ("curves.jsonl", None, {"curves": Curves()}),
    ),
)  # fmt: skip
def test_what_a_file_costs_that_is_not_there(
    run: Run, name: str, note: str | None, lost: dict[str, Any]
) -> None:
    before = run.read()
    run.lose(name)
    found = run.read()
    assert {key: getattr(found, key) for key in lost} == lost
    assert all(getattr(before, key) != value for key, value in lost.items())
    assert found.notes == (() if note is None else (note,))
    assert (found.step, found.num_steps) == (10, 10)


def test_without_a_config_the_one_in_the_record_counts(run: Run) -> None:
    text = run.config.read_text()
    path = run.config
    path.unlink()
    found = run.read()
    assert (found.config_text, found.num_steps) == (text, 10)
    assert found.notes == (f"there is no file {path}; check the path",)


def test_without_config_and_record_its_steps_are_not_known(run: Run) -> None:
    run.config.unlink()
    run.lose("record.json")
    found = run.read()
    assert (found.config, found.config_text, found.num_steps) == (None, "", 0)
    assert (found.state, found.step, found.learning_rate) == ("finished", 10, None)


# --- files that are damaged ---


def cut(path: Path) -> None:
    path.write_bytes(b'{"version": 1, ')


def of_another_type(path: Path) -> None:
    path.write_text("[]")


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 300 << 20)  # a hole: it takes no room on the disk


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = {
    cut: "cannot be read: Expecting property name",
    of_another_type: "cannot be read: it is no JSON object",
    huge: "cannot be read: it is too large",
    a_directory: "cannot be read: ",
}


@pytest.mark.parametrize(("damage", "why"), DAMAGE.items(), ids=[one.__name__ for one in DAMAGE])
@pytest.mark.parametrize(
    ("name", "field"),
    (("report.json", "peak_memory_bytes"), ("verification.json", "verdict"), ("until.json", "")),
)
def test_a_damaged_file_is_named_and_counts_as_none(
    run: Run, name: str, field: str, damage: Callable[[Path], None], why: str
) -> None:
    damage(run.kept / name)
    found = run.read()
    assert found.notes[0].startswith(f"{run.kept / name} {why}")
    assert found.notes[1:] == (("there is no report.json",) if name == "report.json" else ())
    assert (getattr(found, field) is None) if field else (found.ending == "")
    assert found.curves.scalar(LOSS) == ((5, 0.4), (10, 0.2))


def removed(checkpoint: Path) -> None:
    checkpoint.with_suffix(".index").unlink()


def cut_short(checkpoint: Path) -> None:
    (data,) = checkpoint.parent.glob(checkpoint.name + ".data-*")
    data.write_bytes(data.read_bytes()[:-1])


@pytest.mark.parametrize("change", (removed, cut_short))
def test_a_checkpoint_that_was_lost_since_its_verification_is_told_of(
    run: Run, change: Callable[[Path], None]
) -> None:
    change(run.model / "ckpt-10")
    account = run.read()
    assert account.state == "finished"
    assert account.notes == (f"{run.model / 'ckpt-10'} was verified, and is not whole any more",)


@pytest.mark.parametrize("named", ("gs://bucket/ckpt-10", "../" * 3000))
def test_a_checkpoint_that_nobody_can_have_here_is_told_of(run: Run, named: str) -> None:
    (run.model / "checkpoint").write_text(f'model_checkpoint_path: "{named}"\n')
    (note,) = run.read().notes
    assert note.endswith(" was verified, and is not whole any more")


@pytest.mark.parametrize(
    ("damage", "why"),
    (
        (cut, " is not the record that `odfreeze train` wrote: Expecting property name"),
        (of_another_type, " is not the record that `odfreeze train` wrote: it is no JSON object;"),
        (huge, " is too large to be the record of a run"),
        (a_directory, ": there is no record of a run here ("),
    ),
    ids=[one.__name__ for one in DAMAGE],
)
def test_a_damaged_record_leaves_what_the_config_says(
    run: Run, damage: Callable[[Path], None], why: str
) -> None:
    damage(run.kept / "record.json")
    found = run.read()
    assert found.notes[0].startswith(f"{run.kept / 'record.json'}{why}")
    assert found.notes[1:] == ("there is no record of it",)
    assert (found.record, found.num_steps, found.conduct) == (None, 10, UNTIL)
    assert (found.state, found.config_text) == ("finished", run.config.read_text())


@pytest.mark.parametrize("damage", (cut, of_another_type, huge, a_directory))
def test_a_damaged_conduct_is_that_of_a_plain_stage(
    run: Run, damage: Callable[[Path], None]
) -> None:
    path = run.folder / "stage.json"
    damage(path)
    found = run.read()
    assert found.conduct == Conduct()
    assert found.notes[0].startswith(str(path))


@pytest.mark.parametrize("damage", (huge, a_directory))
def test_in_place_of_a_config_that_cannot_be_read_the_record_has_one(
    run: Run, damage: Callable[[Path], None]
) -> None:
    text = run.config.read_text()
    damage(run.config)
    found = run.read()
    assert (found.config_text, found.num_steps) == (text, 10)
    assert found.notes[0].startswith(f"{run.config} is ")


def test_of_a_config_that_is_none_the_text_is_kept(run: Run) -> None:
    run.config.write_bytes(b"train_config { num_steps: \xff\n")
    found = run.read()
    assert (found.config, found.config_text) == (None, "train_config { num_steps: \\xff\n")
    assert found.num_steps == 10  # the record has it
    assert found.notes[0].startswith(f"{run.config}:1:27: ")


def test_lines_of_the_curves_that_cannot_be_read_are_counted(run: Run) -> None:
    path = run.kept / "curves.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(["{\n", *lines]))
    assert run.read().notes == ("1 line of its curves cannot be read",)
    path.write_text("".join(["{\n", "[]\n", *lines]))
    assert run.read().notes == ("2 lines of its curves cannot be read",)
    assert run.read().curves.metric(MAP) == ((5, 0.1), (10, 0.2))


@pytest.mark.parametrize("damage", (huge, a_directory))
def test_curves_of_which_nothing_can_be_read_are_told_of(
    run: Run, damage: Callable[[Path], None]
) -> None:
    damage(run.kept / "curves.jsonl")
    assert run.read().notes == ("1 line of its curves cannot be read",)


@pytest.mark.parametrize("place", ("model", "model/odfreeze"))
def test_a_file_in_place_of_a_folder_is_a_run_that_has_not_begun(run: Run, place: str) -> None:
    shutil.rmtree(run.folder / place)
    (run.folder / place).write_text("")
    assert (run.read().state, run.read().num_steps) == ("waiting", 10)


# --- files of another kind ---


@pytest.mark.parametrize("ok", (None, 1, "true", []), ids=("none", "number", "text", "list"))
def test_a_verification_without_its_verdict_is_none(run: Run, ok: object) -> None:
    run.change("verification.json", ok=ok)
    found = run.read()
    assert (found.verdict, found.state) == (None, "unfinished")
    assert found.notes == (f"{run.kept / 'verification.json'} is not what `odfreeze` wrote",)


def test_of_a_verification_what_is_not_of_its_kind_is_left_out(run: Run) -> None:
    run.change(
        "verification.json", ok=False, reasons=["one", 2, None], held=3,
        updating={"variables": 4, "missing": 9},
        frozen={"variables": 4, "changed": [{"name": "a"}, {"name": 7}, "b", {}]},
        trainable={"variables": 5, "unchanged": ["x"], "missing": ["y"]},
    )  # fmt: skip
    verdict = run.read().verdict
    assert verdict is not None
    assert verdict.reasons == ("one",)
    frozen, learned = VerdictRow("frozen", 4, 3, ("a",)), VerdictRow("trainable", 5, 3)
    assert set(verdict.rows) == {frozen, learned, VerdictRow("updating", 4, 4)}
    assert verdict.row("held") == VerdictRow("held", 0, 0)


@pytest.mark.parametrize(
    ("field", "values"),
    (
        ("seconds", ["1", True, -1, 1e999, 10**400, None]),
        ("steps_per_second", ["1", False, -0.5, []]),
        ("peak_memory_bytes", [1.5, -1, True, 1 << 63]),
        ("step", ["7", 7.0, True, -7, None]),
        ("ended", [3, None, []]),
        ("checkpoints", [3, {}, ["ckpt-1"], [{"name": "a"}], [{"name": 1, "bytes": 2}],
                         [{"name": "a", "bytes": -1}]]),
        ("movement", [3, {}, ["head"], [{"key": ""}], [{"label": "x"}]]),
    ),
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_value_of_another_kind_counts_as_not_told(
    run: Run, field: str, values: list[object]
) -> None:
    empty = {"step": 10, "ended": "", "checkpoints": (), "movement": ()}.get(field)
    for value in values:
        run.change("report.json", **{field: value})
        assert getattr(run.read(), field) == empty, value
