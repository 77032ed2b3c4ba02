"""The table of groups: what the goldens of the families do not show."""

from __future__ import annotations

from odfreeze.groups.grouping import group
from odfreeze.groups.names import group_patterns
from odfreeze.report.groups import group_lines, groups_json
from odfreeze.report.text import ASCII, Line, plain
from odfreeze.variables import Variable

BACKBONE = "model/_feature_extractor/classification_backbone/layer_with_weights"


def lines_of(*variables: Variable) -> list[Line]:
    groups = group(variables)
    return list(group_lines(groups, group_patterns(groups), glyphs=ASCII))


def variable(name: str, path: str, order: int = 0) -> Variable:
    layer = path.rpartition("/")[0]
    return Variable(name, path, (3, 3, 1, 1), "float32", layer=layer, order=order)


def test_a_note_is_below_the_table_and_stands_out() -> None:
    lines = lines_of(
        variable("first/kernel", f"{BACKBONE}-0/kernel"),
        variable("second/kernel", f"{BACKBONE}-1/kernel", 1),
    )
    *table, note, rest = plain(lines).splitlines()
    assert table == [
        "Group               variables  batch norm    parameters   share  pattern",
        "backbone                    2           0            18   100 %  .*",
        "|- 1      layers_1          1           0             9    50 %  ^first/",
        "`- 2      layers_2          1           0             9    50 %  ^second/",
        "",
    ]
    assert note.startswith("note: the backbone's structure is not known: its 2 layers are ")
    assert rest == "their creation"
    assert [span.style for span in lines[-1]] == ["warning"]


def test_parts_stand_out() -> None:
    lines = lines_of(variable("Conv1/kernel", f"{BACKBONE}-0/kernel"))
    assert [line[0].style for line in lines] == ["heading", "heading", ""]


def test_control_characters_of_a_name_reach_no_terminal() -> None:
    odd, other = (variable(f"{n}\x1b[2J/kernel", f"x/{n}/kernel", i) for i, n in enumerate("ab"))
    head = variable("h/kernel", "model/_box_predictor/box/kernel", 2)
    assert "\x1b" not in plain(lines_of(odd, other, head))


def test_nothing_is_an_empty_table() -> None:
    assert plain(lines_of()).splitlines()[0].startswith("Group ")


def test_the_live_model_has_no_checkpoint() -> None:
    groups = group([])
    assert groups_json(groups, group_patterns(groups), "a.config", "") == {
        "version": 1,
        "config": "a.config",
        "checkpoint": "",
        "groups": [],
        "notes": list(groups.notes),
    }
