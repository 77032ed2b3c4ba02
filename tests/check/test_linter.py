"""The frame of `odfreeze check`: what is reported, silenced, mended and written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from odfreeze.check import linter
from odfreeze.check.linter import check_config, check_files, find_configs, fix_config
from odfreeze.check.subject import RunFlags, Subject
from odfreeze.errors import ConfigError, OutputError, RemotePathError, UsageError
from odfreeze.findings import Finding
from odfreeze.pipeline import PipelineConfig
from odfreeze.textproto import Edit, walk

TEXT = """\
train_config {
  batch_size: 8
  num_steps: 0
}
"""


def zeros(subject: Subject) -> Iterator[Finding]:
    """Finds each 0, mended as 1; that of model_dir "fatal" is an error."""
    severity = "error" if subject.flags.model_dir == "fatal" else "warning"
    for _, field in walk(subject.config.document):
        for value in field.values:
            if getattr(value, "text", "") == "0":
                edits = (Edit(value.start, value.end, b"1"),)
                yield Finding("ODF401", severity, f"{field.name} is 0", value.place, edits)


def ones(subject: Subject) -> Iterator[Finding]:
    """Finds that there is a 1 somewhere: what a fix brings to light."""
    if b": 1\n" in subject.config.data:
        yield Finding("ODF402", "info", "there is a 1")


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """These two rules and no others."""
    module = ModuleType("odfreeze.check.of_this_test")
    module.RULES = (zeros, ones)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(linter, "_MODULES", ("of_this_test",))
    monkeypatch.setattr(linter, "_OF_ANY_FILE", ("of_this_test",))
    monkeypatch.setattr(linter, "check_codes", lambda codes, needed=False: None)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("a.config")
    path.write_text(TEXT)
    return path


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


# --- what is reported ---


def test_a_finding_has_a_place_in_the_file(file: Path) -> None:
    checked = check_config(file)
    assert [str(finding) for finding in checked.findings] == [
        "a.config:3:14: warning ODF401: num_steps is 0"
    ]
    assert (checked.file, checked.silenced, checked.fixed) == ("a.config", 0, ())


def test_findings_come_by_line_those_without_a_place_first(file: Path) -> None:
    file.write_text("a: 0\nb: 0\nc: 1\n")
    assert [str(finding).partition(":")[0] for finding in check_config(file).findings] == [
        "info ODF402",
        "a.config",
        "a.config",
    ]


def test_a_config_that_is_no_file_can_be_checked() -> None:
    checked = check_config(PipelineConfig.parse(b"a: 0", "in memory"))
    assert [str(finding.place) for finding in checked.findings] == ["in memory:1:4"]


def test_rules_know_how_the_config_is_run(file: Path) -> None:
    (finding,) = check_config(file, flags=RunFlags(model_dir="fatal")).findings
    assert finding.severity == "error"


def test_a_text_that_cannot_be_parsed_is_a_finding(file: Path) -> None:
    file.write_text("train_config {\n  batch_size: 0\n")
    (finding,) = check_config(file, select=["ODF100"]).findings
    assert finding.severity == "error"
    assert finding.place is not None


@pytest.mark.parametrize(
    ("select", "ignore", "expected", "silenced"),
    (
        ((), (), ["ODF402", "ODF401"], 0),
        (("ODF401",), (), ["ODF401"], 0),
        (("ODF4",), (), ["ODF402", "ODF401"], 0),
        (("ODF5",), (), [], 0),
        ((), ("ODF401",), ["ODF402"], 1),
        (("ODF4",), ("ODF402",), ["ODF401"], 1),
    ),
    ids=["all", "one", "group", "another-group", "all-but-one", "group-but-one"],
)
def test_what_is_asked_for(
    file: Path, select: tuple, ignore: tuple, expected: list[str], silenced: int
) -> None:
    file.write_text("a: 0\nb: 1\n")
    checked = check_config(file, select=select, ignore=ignore)
    assert (codes(checked.findings), checked.silenced) == (expected, silenced)


def test_a_comment_silences_a_finding_on_its_line_only(file: Path) -> None:
    file.write_text("a: 0  # odfreeze: ignore[ODF401]\nb: 0\n")
    checked = check_config(file)
    assert [finding.message for finding in checked.findings] == ["b is 0"]
    assert checked.silenced == 1


def test_a_comment_that_names_no_code_is_a_finding(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.undo()  # the true codes
    path = tmp_path / "a.config"
    path.write_text("train_config {\n  # odfreeze: ignore[ODF9]\n  batch_size: 8\n}\n")
    found = [f for f in check_config(path).findings if f.code == "ODF190"]
    assert [(f.place.line, f.message) for f in found if f.place] == [
        (2, "this comment: no code begins with 'ODF9' (`odfreeze explain` lists all codes)")
    ]


@pytest.mark.parametrize("option", ("select", "ignore"))
def test_a_code_that_does_not_exist_is_refused(file: Path, monkeypatch, option: str) -> None:
    monkeypatch.undo()
    with pytest.raises(UsageError, match="no code begins with 'ODF999'"):
        check_config(file, **{option: ["ODF999"]})


@pytest.mark.parametrize(
    ("path", "error"),
    (("none.config", ConfigError), ("gs://bucket/a.config", RemotePathError)),
    ids=["missing", "remote"],
)
def test_a_file_that_cannot_be_read(file: Path, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_config(path)


# --- fixes ---


def test_fixes_are_made_until_there_is_none_left_and_written_on_demand(file: Path) -> None:
    checked = fix_config(file)
    assert codes(checked.fixed) == ["ODF401"]
    assert codes(checked.findings) == ["ODF402"]
    assert checked.data == TEXT.replace("num_steps: 0", "num_steps: 1").encode()
    assert checked.diff().decode().splitlines()[-4:] == [
        "   batch_size: 8",
        "-  num_steps: 0",
        "+  num_steps: 1",
        " }",
    ]
    assert file.read_text() == TEXT
    checked.write()
    assert file.read_bytes() == checked.data


def test_what_is_ignored_is_not_mended(file: Path) -> None:
    file.write_text("a: 0  # odfreeze: ignore[ODF401]\nb: 0\n")
    assert fix_config(file).data == b"a: 0  # odfreeze: ignore[ODF401]\nb: 1\n"
    assert fix_config(file, ignore=["ODF401"]).diff() == b""


def test_fixes_that_overlap_wait_for_the_next_round(file: Path, monkeypatch) -> None:
    def both(subject: Subject) -> Iterator[Finding]:
        at = subject.config.data.find(b"0")
        if at >= 0:
            yield Finding("ODF401", "warning", "b", None, (Edit(at, at + 1, b"2"),))
            yield Finding("ODF403", "warning", "a", None, (Edit(at, at + 1, b"1"),))

    sys.modules["odfreeze.check.of_this_test"].RULES = (both,)  # type: ignore[attr-defined]
    file.write_text("a: 0\n")
    checked = fix_config(file)
    assert (checked.data, codes(checked.fixed)) == (b"a: 2\n", ["ODF401"])


def test_fixes_that_go_on_for_ever_end(file: Path) -> None:
    def growing(subject: Subject) -> Iterator[Finding]:
        yield Finding("ODF401", "warning", "more", None, (Edit(0, 0, b"# more\n"),))

    sys.modules["odfreeze.check.of_this_test"].RULES = (growing,)  # type: ignore[attr-defined]
    assert len(fix_config(file).fixed) == 10


def test_a_file_that_changed_meanwhile_is_not_written(file: Path) -> None:
    checked = fix_config(file)
    file.write_text("# edited\n" + TEXT)
    with pytest.raises(OutputError, match=r"a\.config has changed while it was checked"):
        checked.write()
    assert file.read_text() == "# edited\n" + TEXT


def test_nothing_to_mend_writes_nothing(file: Path) -> None:
    file.write_text("a: 2\n")
    file.chmod(0o444)
    fix_config(file).write()
    assert file.read_text() == "a: 2\n"


# --- many files ---


def test_directories_are_searched_for_configs(tmp_path: Path) -> None:
    for name in ("b/pipeline.config", "a.config", "b/c/d.config", ".git/e.config", "f.pbtxt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(TEXT)
    found = find_configs([tmp_path, tmp_path / "a.config", tmp_path / "f.pbtxt"])
    assert [Path(path).relative_to(tmp_path).as_posix() for path in found] == [
        "a.config",
        "b/c/d.config",
        "b/pipeline.config",
        "f.pbtxt",
    ]


def test_links_that_go_round_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.config").write_text(TEXT)
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(find_configs([tmp_path])) == 1


def test_a_directory_without_a_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no file \*\.config; name the files to check"):
        find_configs([tmp_path])


def test_each_file_has_its_own_findings(file: Path) -> None:
    Path("b.config").write_text("b: 2\n")
    checked = check_files([".", "a.config"])
    assert [(Path(one.file).name, codes(one.findings)) for one in checked] == [
        ("a.config", ["ODF401"]),
        ("b.config", []),
        ("a.config", ["ODF401"]),
    ]
