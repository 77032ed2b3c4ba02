"""A plan as one run: written and trained, edited on the way, picked up again, pruned.

The children only pretend to train; the parent and all files are real.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from odfreeze.errors import (
    CheckpointNotFoundError,
    RemotePathError,
    TrainingFailedError,
    TrainingRefusedError,
    UsageError,
)
from odfreeze.runs.lock import RunLock
from odfreeze.runs.stage_runs import find_stages, is_finished, read_run
from odfreeze.training.staged import train_plan, train_stages
from tests.support.plan_folder import MUST_NOT_RUN, Folder
from tests.support.plans import ALL, HEAD, NECK, TRAINS, trainer

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.skipif(os.name != "posix", reason="needs executable scripts"),
]


# --- one command ---


def test_a_plan_is_written_and_trained_stage_by_stage(folder: Folder) -> None:
    results = folder.run()
    assert [(one.step, one.trained, one.verification.ok) for one in results] == [
        (10, True, True), (20, True, True),
    ]  # fmt: skip
    assert folder.told("stage", "skipped", "verified", "note") == [
        ("stage", "01_head"), ("verified", "01_head"),
        ("stage", "02_neck"), ("verified", "02_neck"),
    ]  # fmt: skip
    assert all(is_finished(stage) for stage in find_stages(folder.run_dir))
    assert not (folder.run_dir / "run.lock").exists()


def test_the_same_command_again_changes_nothing(folder: Folder) -> None:
    folder.run()
    before = folder.files()
    assert folder.run(MUST_NOT_RUN) == ()
    assert folder.files() == before
    assert folder.told("skipped", "stage", "note") == [
        ("skipped", "01_head"),
        ("skipped", "02_neck"),
    ]


def test_what_there_is_to_do_is_told_first(folder: Folder) -> None:
    folder.run()
    (folder.model("02_neck") / "odfreeze" / "verification.json").unlink()
    folder.run()
    first = folder.events[0]
    speed = first.pop("steps_per_second"), first.pop("seconds_to_first_step")
    assert all(number is None or number > 0 for number in speed)
    assert first == {
        "kind": "run",
        "stages": [
            {
                "stage": "01_head", "num_steps": 10, "step": 10, "is_finished": True,
                "is_due": False, "metric": None,
            },
            {
                "stage": "02_neck", "num_steps": 20, "step": 20, "is_finished": False,
                "is_due": True, "metric": None,
            },
        ],
    }  # fmt: skip


def test_what_a_check_finds_is_told(folder: Folder) -> None:
    (folder.root / "base" / "ckpt-0.index").unlink()
    with pytest.raises(CheckpointNotFoundError):
        folder.run()
    found = [text for _, text in folder.told("finding")]
    assert len(found) == 1
    assert "ODF391" in found[0]
    with pytest.raises(CheckpointNotFoundError):
        folder.run()
    assert folder.told("finding") == []  # what was told when a stage was written is not repeated


@pytest.mark.parametrize(
    ("stages", "error"),
    ((('stage { name: "a" }',), "num_steps is missing"), ((HEAD, HEAD), "two stages are called")),
    ids=("no steps", "two of a name"),
)
def test_a_plan_that_cannot_be_carried_out_leaves_nothing(
    folder: Folder, stages: tuple[str, ...], error: str
) -> None:
    folder.edit(*stages)
    with pytest.raises(ValueError, match=error):
        train_plan(folder.plan, folder.run_dir)
    assert not folder.run_dir.exists()


def test_a_directory_that_is_elsewhere_is_not_made_here(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.plan.parent)
    for call in (
        lambda: train_plan(folder.plan, "gs://bucket/run"),
        lambda: train_stages("gs://b/r"),
    ):
        with pytest.raises(RemotePathError, match=r"gs://b\S+ is not on this machine"):
            call()
    assert not Path("gs:").exists()


def test_what_is_refused_leaves_nothing(folder: Folder) -> None:
    folder.edit(HEAD.replace("^(bn_)?Conv1|^block_|^SSD", "^nothing"))
    with pytest.raises(TrainingRefusedError, match="matches none of"):
        train_plan(folder.plan, folder.run_dir)
    assert not folder.run_dir.exists()


# --- run.json ---


def test_run_json_tells_how_it_went(folder: Folder) -> None:
    folder.run()
    data = json.loads((folder.run_dir / "run.json").read_text())
    assert data["plan"] == folder.plan.as_posix()
    head = data["stages"][0]
    assert head["state"] == "finished"
    assert head["seconds"] > 0
    assert head["began"] <= head["ended"]
    assert head["checkpoint"] == (folder.model("01_head") / "ckpt-10").as_posix()
    assert head["loss"] == 1 / 11
    assert len(head["config_digest"]) == len(head["start_digest"]) == 64
    assert data["stages"][1]["start_digest"] != head["start_digest"]


def test_run_json_is_put_right_from_the_stages_own_files(folder: Folder) -> None:
    folder.run()
    path = folder.run_dir / "run.json"
    for text in (None, "{ torn", path.read_text().replace("finished", "waiting")):
        path.unlink()
        if text is not None:
            path.write_text(text)
        assert [one.state for one in read_run(folder.run_dir).stages] == ["finished"] * 2
        assert folder.run(MUST_NOT_RUN) == ()
        assert [one["state"] for one in folder.kept().values()] == ["finished"] * 2
        assert folder.kept()["02_neck"]["step"] == 20


def test_while_a_stage_runs_it_says_so(folder: Folder) -> None:
    seen = []

    def watch(event: dict) -> None:
        if event["kind"] == "saved":
            one = folder.kept()[Path(event["checkpoint"]).parent.parent.name]
            seen.append((one["name"], one["state"], one["step"], Path(one["checkpoint"]).name))

    train_plan(
        folder.plan, folder.run_dir, python=trainer(folder.root, folder.run_dir), watch=watch
    )
    assert seen == [
        (name, "running", step, f"ckpt-{step}")
        for name, steps in (("01_head", (0, 5, 10)), ("02_neck", (0, 10, 20)))
        for step in steps
    ]


def test_a_run_that_failed_says_why_and_goes_on_the_next_time(folder: Folder) -> None:
    with pytest.raises(TrainingFailedError):
        folder.run('if MODEL_DIR.parent.name == "02_neck": sys.exit("no images")\n' + TRAINS)
    one = folder.kept()["02_neck"]
    assert (one["state"], one["step"]) == ("failed", 0)
    assert one["reason"].startswith("training failed with exit status 1: no images (log: ")
    body = 'event("block", step=7, scalars={})\n'
    with pytest.raises(TrainingFailedError):
        folder.run(
            TRAINS.replace("at is not None and step <= at", "step > 10") + body + 'sys.exit("full")'
        )
    one = folder.kept()["02_neck"]
    log = folder.model("02_neck") / "odfreeze" / "train.log"
    assert (one["state"], one["step"]) == ("failed", 10)
    assert one["reason"] == f"training failed with exit status 1: full (log: {log})"
    before = one["seconds"]
    folder.run()
    one = folder.kept()["02_neck"]
    assert (one["state"], one["step"], one["reason"]) == ("finished", 20, None)
    assert one["seconds"] > before


def test_a_run_goes_on_where_its_account_cannot_be_written(folder: Folder) -> None:
    (folder.run_dir / "run.json").mkdir(parents=True)
    assert [one.step for one in folder.run()] == [10, 20]
    assert [one.state for one in read_run(folder.run_dir).stages] == ["finished"] * 2


def test_a_failed_verification_stops_the_run_and_prunes_nothing(folder: Folder) -> None:
    changed = {"neck": ("trainable", "held")}
    folder.edit(HEAD, NECK, ALL)
    results = folder.run(changed=changed)
    assert [one.verification.ok for one in results] == [True, False]
    assert folder.told("stage") == [("stage", "01_head"), ("stage", "02_neck")]
    one = folder.kept()["02_neck"]
    assert (one["state"], one["reason"]) == ("failed", "10 of 10 held variables changed")
    assert folder.checkpoints("02_neck") == ["ckpt-0", "ckpt-10", "ckpt-20"]
    assert folder.kept()["03_all"]["state"] == "waiting"
    again = folder.run(MUST_NOT_RUN, changed=changed)
    assert [(one.trained, one.verification.ok) for one in again] == [(False, False)]


# --- a part of the plan ---


@pytest.mark.parametrize("name", ("neck", "02_neck", "2", "02"))
def test_only_one_stage_is_run(folder: Folder, name: str) -> None:
    folder.edit(HEAD, NECK, ALL)
    folder.run(only_stage="head")
    assert folder.told("stage") == [("stage", "01_head")]
    folder.run(only_stage=name)
    assert folder.told("stage", "skipped") == [("stage", "02_neck")]


def test_a_run_begins_with_a_stage(folder: Folder) -> None:
    folder.edit(HEAD, NECK, ALL)
    folder.run(only_stage="head")
    folder.run(from_stage="neck")
    assert folder.told("stage", "skipped") == [("stage", "02_neck"), ("stage", "03_all")]


def test_what_it_starts_from_must_be_there(folder: Folder) -> None:
    with pytest.raises(TrainingRefusedError) as caught:
        folder.run(from_stage="2")
    assert str(caught.value) == (
        f"stage 2 of 2, 02_neck, starts from {folder.model('01_head').as_posix()}/ckpt-10, which is"
        " not there, or not whole: run the stages before it first (--from_stage leaves them out)"
    )


def test_a_start_that_was_not_verified_is_told(folder: Folder) -> None:
    folder.run(only_stage="1")
    (folder.model("01_head") / "odfreeze" / "verification.json").unlink()
    folder.run(only_stage="2")
    assert folder.told("note") == [
        ("note", "stage 1 of 2, 01_head, is not finished and verified; --only_stage goes on")
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    (
        (
            {"from_stage": "nek"},
            "there is no stage 'nek' for --from_stage; did you mean 'neck'? (there are 01_head,"
            " 02_neck)",
        ),
        (
            {"only_stage": "3"},
            "there is no stage '3' for --only_stage (there are 01_head, 02_neck)",
        ),
        (
            {"only_stage": "1", "from_stage": "2"},
            "--from_stage and --only_stage do not go together; give one of them",
        ),
    ),
    ids=("misspelt", "no such number", "both"),
)  # fmt: skip
def test_a_stage_that_there_is_not(folder: Folder, options: dict, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        folder.run(**options)
    assert str(caught.value) == message
    assert not folder.run_dir.exists()


def test_a_number_that_is_another_stages_name_is_refused(folder: Folder) -> None:
    folder.edit(HEAD, NECK.replace("neck", "1"))
    with pytest.raises(
        UsageError, match="--only_stage 1 means 01_head and 02_1; give the folder's"
    ):
        folder.run(only_stage="1")


# --- pruning ---

#: A child that waits after each checkpoint until the parent has done what it does at it.
WAITS = """\
tell = event


def event(kind, **data):
    tell(kind, **data)
    while kind == "saved" and (HERE / "seen").read_text() != data["checkpoint"]:
        time.sleep(0.001)


"""


def test_what_a_stage_saved_on_the_way_goes_when_the_next_has_its_own(folder: Folder) -> None:
    seen = []
    last = folder.root / "seen"
    last.touch()

    def watch(event: dict) -> None:
        if event["kind"] == "saved":
            seen.append((Path(event["checkpoint"]).name, folder.checkpoints("01_head")))
            last.write_text(event["checkpoint"])

    python = trainer(folder.root, folder.run_dir, WAITS + TRAINS)
    train_plan(folder.plan, folder.run_dir, python=python, watch=watch)
    whole = ["ckpt-0", "ckpt-10", "ckpt-5"]
    assert seen[2:] == [
        ("ckpt-10", whole),  # the end of the first
        ("ckpt-0", whole),  # the start of the next is nothing of its own yet
        ("ckpt-10", ["ckpt-10"]),
        ("ckpt-20", ["ckpt-10"]),
    ]
    assert (folder.model("01_head") / "checkpoint").read_text() == (
        'model_checkpoint_path: "ckpt-10"\nall_model_checkpoint_paths: "ckpt-10"\n'
    )
    assert folder.checkpoints("02_neck") == ["ckpt-0", "ckpt-10", "ckpt-20"]
    assert all(is_finished(stage) for stage in find_stages(folder.run_dir))


def test_a_random_start_is_kept(folder: Folder) -> None:
    base = folder.root / "base.config"
    base.write_text(base.read_text().replace('type: "full"', 'type: "detection"'))
    folder.run(allow=["random_frozen"])
    assert folder.checkpoints("01_head") == ["ckpt-0", "ckpt-10"]


def test_all_are_kept_where_that_is_asked_for(folder: Folder) -> None:
    folder.run(keep_checkpoints="all")
    assert len(folder.checkpoints("01_head")) == 3
    train_stages(folder.run_dir)
    assert len(folder.checkpoints("01_head")) == 3  # so it is for stages that were there
    train_stages(folder.run_dir, keep_checkpoints="last")
    assert folder.checkpoints("01_head") == ["ckpt-10"]


# --- two at once ---


def test_two_processes_do_not_run_one_plan(folder: Folder) -> None:
    with RunLock(folder.run_dir):
        with pytest.raises(TrainingRefusedError, match=rf"another process \(pid {os.getpid()} on"):
            folder.run()
        assert not (folder.run_dir / "01_head").exists()
    folder.run()
    with (
        RunLock(folder.run_dir),
        pytest.raises(TrainingRefusedError, match="another process"),
    ):
        train_stages(folder.run_dir)


def test_the_lock_is_held_while_it_trains(folder: Folder) -> None:
    held, refused = threading.Event(), []

    def watch(event: dict) -> None:
        if event["kind"] == "saved" and not held.is_set():
            held.set()
            try:
                train_stages(folder.run_dir)
            except TrainingRefusedError as error:
                refused.append(error)

    train_plan(
        folder.plan, folder.run_dir, python=trainer(folder.root, folder.run_dir), watch=watch
    )
    assert len(refused) == 1


def test_a_stage_of_run_json_that_the_plan_lost_is_forgotten(folder: Folder) -> None:
    folder.edit(HEAD, NECK, ALL)
    folder.run(only_stage="1")
    folder.edit(HEAD, NECK)
    folder.run()
    assert list(folder.kept()) == ["01_head", "02_neck"]
    assert read_run(folder.run_dir).stage("03_all") is None
