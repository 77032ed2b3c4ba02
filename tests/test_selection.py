"""The semantics of freezing: which variable is in which state under which patterns."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze.errors import PatternError, PatternTimeoutError, Place
from odfreeze.layers import convolution_of
from odfreeze.selection import Pattern, Selection, Totals, select
from odfreeze.variables import Variable


def freeze(*texts: str) -> list[Pattern]:
    return [Pattern("freeze_variables", text) for text in texts]


def update(*texts: str) -> list[Pattern]:
    return [Pattern("update_trainable_variables", text) for text in texts]


def variable(
    name: str | None, path: str | None = None, shape: tuple[int, ...] = (8,), **more: bool
) -> Variable:
    path = f"model/{name}" if path is None else path
    last = (name or path).rpartition("/")[2]
    statistic = last in ("moving_mean", "moving_variance")
    return Variable(
        name, path, shape, "float32", trainable=more.get("trainable", not statistic),
        statistic=statistic, layer=path.rpartition("/")[0],
    )  # fmt: skip


def layer(conv: str, norm: str, members: str = "gamma beta moving_mean moving_variance") -> list:
    return [
        variable(f"{conv}/kernel", shape=(3, 3, 4, 8)),
        *(variable(f"{norm}/{member}") for member in members.split()),
    ]


def states(variables: list[Variable], patterns: list[Pattern], **options: object) -> dict:
    selection = select(variables, patterns, **options)  # type: ignore[arg-type]
    return {v.label: s for v, s in zip(selection.variables, selection.states, strict=True)}


NAMES = ["Conv1/kernel", "block_1/kernel", "block_10/kernel", "BoxPredictor/kernel"]


@pytest.mark.parametrize(
    ("patterns", "trainable"),
    [
        ([], NAMES),
        (freeze("block_1"), ["Conv1/kernel", "BoxPredictor/kernel"]),
        (freeze("block_1/"), ["Conv1/kernel", "block_10/kernel", "BoxPredictor/kernel"]),
        (freeze("^block"), ["Conv1/kernel", "BoxPredictor/kernel"]),
        (freeze("Block"), NAMES),
        (freeze("Conv1", "Box"), ["block_1/kernel", "block_10/kernel"]),
        (freeze("^(?!.*(Box)).*"), ["BoxPredictor/kernel"]),
        (update("Box"), ["BoxPredictor/kernel"]),
        (update("Box", "Conv1"), ["Conv1/kernel", "BoxPredictor/kernel"]),
        (update("block") + freeze("block_10"), ["block_1/kernel"]),
        (update("nothing"), []),
        (update("") + freeze("block"), ["Conv1/kernel", "BoxPredictor/kernel"]),
        (freeze(""), []),
        (freeze("kernel:0"), NAMES),
        (freeze("model/"), NAMES),
        (freeze("(?#path)model/"), []),
        (freeze("(?#path)^model/block_1/"),
         ["Conv1/kernel", "block_10/kernel", "BoxPredictor/kernel"]),
        (freeze("(?#other)^block"), ["Conv1/kernel", "BoxPredictor/kernel"]),
    ],
    ids=["none", "search", "slash", "anchor", "case", "two", "lookahead", "update", "updates",
         "exclude-wins", "update-nothing", "update-all", "freeze-all", "colon-zero", "not-path",
         "path", "path-anchor", "other-comment"],
)  # fmt: skip
def test_what_learns(patterns: list[Pattern], trainable: list[str]) -> None:
    selection = select([variable(name) for name in NAMES], patterns)
    assert [v.name for v in selection.of("trainable")] == trainable
    assert [v.name for v in selection.of("frozen")] == [n for n in NAMES if n not in trainable]


NORM = layer("conv", "bn")


@pytest.mark.parametrize(
    ("variables", "patterns", "options", "state"),
    [
        (NORM, [], {}, "updating"),
        (NORM, freeze("bn/(gamma|beta)"), {}, "held"),
        (NORM, freeze("bn/gamma"), {}, "updating"),
        (NORM, freeze("conv/"), {}, "updating"),
        (NORM, freeze("moving_"), {}, "updating"),
        (NORM, freeze(""), {"frozen_batch_norm": "update"}, "updating"),
        (NORM, [], {"config_holds": lambda variable: True}, "held"),
        (NORM, [], {"config_holds": lambda variable: True, "frozen_batch_norm": "update"}, "held"),
        (NORM, update("conv/"), {}, "held"),
        (layer("conv", "bn", "beta moving_mean"), freeze("beta"), {}, "held"),
        (layer("conv", "bn", "beta moving_mean"), freeze("conv/"), {}, "updating"),
        (layer("conv", "bn", "moving_mean moving_variance"), freeze("conv/"), {}, "held"),
        (layer("conv", "bn", "moving_mean moving_variance"), freeze("bn/"), {}, "updating"),
        ([variable("bn/moving_mean")], freeze("bn/"), {}, "held"),
        ([variable("bn/moving_mean")], freeze("conv/"), {}, "updating"),
    ],
    ids=["no-pattern", "all-frozen", "gamma-only", "convolution-only", "statistics-only",
         "update-asked", "config-holds", "config-holds-all-the-same", "not-in-update",
         "beta-alone-frozen", "beta-alone-learns", "neither-convolution-frozen",
         "neither-convolution-learns", "alone-matched", "alone-not-matched"],
)  # fmt: skip
def test_a_batch_norm_layer_is_held_when_all_of_it_is_frozen(
    variables: list[Variable], patterns: list[Pattern], options: dict, state: str
) -> None:
    found = states(variables, patterns, **options)
    assert {s for name, s in found.items() if "moving" in name} == {state}


@pytest.mark.parametrize(
    "patterns", [[], freeze("state"), update("conv")], ids=["none", "frozen", "not-in-update"]
)
def test_no_pattern_holds_a_variable_that_is_neither_learned_nor_a_statistic(
    patterns: list[Pattern],
) -> None:
    """The state of a random generator moves in the forward pass, which nothing can stop."""
    found = states([variable("generator/state", trainable=False)], patterns)
    assert found == {"generator/state": "updating"}


def test_a_variable_without_a_name_is_matched_by_path_only() -> None:
    nameless = [variable(None, "model/a/kernel"), variable("model/b", "model/b/kernel")]
    assert states(nameless, freeze("model")) == {"model/a/kernel": "trainable", "model/b": "frozen"}
    assert states(nameless, freeze("(?#path)model/a")) == {
        "model/a/kernel": "frozen", "model/b": "trainable",
    }  # fmt: skip


def test_selection_lists_matches_and_totals() -> None:
    variables = [variable("a/kernel", shape=(3, 4)), variable("b/kernel"), *NORM[1:]]
    selection = select(variables, [*freeze("a/", "kernel"), *update("kernel", "bn")])
    assert selection.matched_by == ((0, 1, 2), (1, 2), (3,), (3,), (3,), (3,))
    assert [v.name for v in selection.matches(1)] == ["a/kernel", "b/kernel"]
    assert selection.totals() == {
        "frozen": Totals(2, 20, 80),
        "trainable": Totals(2, 16, 64),
        "held": Totals(0, 0, 0),
        "updating": Totals(2, 16, 64),
    }


def test_of_nothing_comes_nothing() -> None:
    assert select([], freeze("a")) == Selection((), tuple(freeze("a")), (), ())


PLACE = Place("a.config", 7, 21, '  freeze_variables: "conv\\\\d("  # why')


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (PLACE, 'a.config:7:29: {}\n  freeze_variables: "conv\\\\d("  # why\n' + " " * 28 + "^"),
        (Place("a.config", 7, 21), "a.config:7:21: {}"),
        (Place("a.config", 7, 3, '  "conv" "\\\\d("'),
         'a.config:7:3: {}\n  "conv" "\\\\d("\n  ^'),
        (None, "freeze_variables:1:7: {}\nconv\\d(\n      ^"),
    ],
    ids=["in-config", "no-source", "concatenated", "given"],
)  # fmt: skip
def test_a_bad_pattern_is_an_error_at_its_place(place: Place | None, message: str) -> None:
    with pytest.raises(PatternError) as caught:
        select([], [Pattern("freeze_variables", "conv\\d(", place)])
    assert str(caught.value) == message.format(
        "freeze_variables: 'conv\\\\d(' is no regular expression: missing ), unterminated "
        "subpattern; correct the pattern, or escape with \\ what is meant as a plain character"
    )
    assert caught.value.pattern == "conv\\d("


def test_all_patterns_are_compiled_before_any_is_searched() -> None:
    with pytest.raises(PatternError, match="no regular expression"):
        select([variable("a" * 60 + "!")], freeze("(a+)+$", "("))


def test_a_runaway_pattern_is_an_error_at_its_place() -> None:
    pattern = Pattern("freeze_variables", "(a+)+$", Place("a.config", 7, 3, '  "(a+)+$"'))
    started = time.monotonic()
    with pytest.raises(PatternTimeoutError) as caught:
        select([variable("a" * 60 + "!")], [pattern])
    assert time.monotonic() - started < 30
    assert str(caught.value).startswith(
        "a.config:7:4: freeze_variables: matching '(a+)+$' took longer than 1.5 s and was stopped; "
    )


def test_a_pattern_whose_child_process_breaks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odfreeze.regex_guard._CHILD", "raise SystemExit(7)")
    with pytest.raises(PatternError, match="its process ended with status 7"):
        select([variable("a" * 60)], freeze("(a+)+$"))


# The oracle: the rules again, written the plain way, a variable at a time.

WORDS = ["conv", "bn", "block_1", "block_10", "head"]
LEAVES = ["kernel", "gamma", "beta", "moving_mean", "moving_variance", "seed"]
TEXTS = ["conv", "bn", r"block_1/", "^block", "gamma", "gamma|beta", "kernel$", "head.*kernel",
         "", "(?#path)^model/bn", "(?#path)head", "^(?!.*head).*", "moving", "x"]  # fmt: skip


@st.composite
def models(draw: st.DrawFn) -> list[Variable]:
    names = draw(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(LEAVES)), unique=True))
    prefix = draw(st.sampled_from(["", "net/"]))
    return [
        variable(
            f"{prefix}{word}/{leaf}", f"model/{word}/{leaf}",
            (4, 4) if leaf == "kernel" else (4,), trainable=leaf in ("kernel", "gamma", "beta"),
        )
        for word, leaf in names
    ]  # fmt: skip


def plain_state(
    v: Variable, model: list[Variable], patterns: list[Pattern], mode: str, hold_all: bool
) -> str:
    def learns(w: Variable) -> bool:
        def hit(p: Pattern) -> bool:
            return bool(re.search(p.text, w.object_path if "(?#path)" in p.text else w.name or ""))

        updates = [p for p in patterns if p.field == "update_trainable_variables"]
        freezes = [p for p in patterns if p.field == "freeze_variables"]
        return (not updates or any(map(hit, updates))) and not any(map(hit, freezes))

    if v.trainable:
        return "trainable" if learns(v) else "frozen"
    if not v.statistic:
        return "updating"
    members = [w for w in model if w.layer == v.layer and w.trainable]
    if not members:
        feeder = convolution_of(model).get(v.layer)
        members = [w for w in model if w.layer == feeder and w.trainable] or [v]
    frozen = not any(map(learns, members))
    return "held" if hold_all or (frozen and mode == "hold") else "updating"


@given(
    models(), st.lists(st.sampled_from(TEXTS)), st.lists(st.sampled_from(TEXTS), max_size=2),
    st.sampled_from(["hold", "update"]), st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_selection_is_what_the_rules_say(
    model: list[Variable], frozen: list[str], updated: list[str], mode: str, hold_all: bool
) -> None:
    patterns = freeze(*frozen) + update(*updated)
    selection = select(
        model, patterns, frozen_batch_norm=mode, config_holds=lambda variable: hold_all
    )
    expected = [plain_state(v, model, patterns, mode, hold_all) for v in model]
    assert list(selection.states) == expected


@given(models(), st.lists(st.sampled_from(TEXTS)), st.randoms())
@settings(deadline=None, max_examples=100)
def test_the_order_of_variables_and_patterns_decides_nothing(
    model: list[Variable], texts: list[str], random: object
) -> None:
    before = states(model, freeze(*texts))
    shuffled, other = list(model), list(texts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(other)  # type: ignore[attr-defined]
    assert states(shuffled, freeze(*other)) == before
