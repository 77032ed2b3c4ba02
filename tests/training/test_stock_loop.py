"""How stock's ``train_loop`` is redirected and given back, with stock only pretended."""

from __future__ import annotations

import inspect
import sys
import types
from typing import Any

import pytest

from odfreeze.errors import UsageError
from odfreeze.training import enforced, stock_loop

_STOCK = """
calls = []
LIMIT = 1000

def train_loop(pipeline_config_path, model_dir, config_override=None, train_steps=None,
               checkpoint_every_n=LIMIT, *, only=3, **kwargs):
    calls.append((pipeline_config_path, model_dir, train_steps, checkpoint_every_n, only, kwargs))
"""


@pytest.fixture
def model_lib_v2(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("object_detection.model_lib_v2")
    exec(_STOCK, vars(module))
    package = types.SimpleNamespace(model_lib_v2=module)
    monkeypatch.setitem(sys.modules, "object_detection", package)
    monkeypatch.setattr(stock_loop.compat, "prepare", lambda: ("a measure",))
    return module


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any], dict[str, Any]]]:
    """What was redirected: how, the arguments, and the overrides among them."""
    seen: list[tuple[Any, dict[str, Any], dict[str, Any]]] = []
    monkeypatch.setattr(stock_loop, "_train", lambda *call: seen.append(call))
    return seen


def test_a_call_is_redirected_with_its_arguments(model_lib_v2: Any, runs: list) -> None:
    with enforced(frozen_batch_norm="update", allow=["all_frozen"]):
        model_lib_v2.train_loop("a.config", model_dir="run", train_steps=3, batch_size=8)
    ((one, arguments, overrides),) = runs
    assert (one.frozen_batch_norm, one.allow, one.measures) == (
        "update", ("all_frozen",), ("a measure",),
    )  # fmt: skip
    assert arguments == {"pipeline_config_path": "a.config", "model_dir": "run", "train_steps": 3}
    assert overrides == {"batch_size": 8}
    assert model_lib_v2.calls == []


def test_a_name_imported_before_is_redirected_too(model_lib_v2: Any, runs: list) -> None:
    train_loop = model_lib_v2.train_loop
    with enforced():
        train_loop("a.config", "run")
    assert len(runs) == 1
    assert model_lib_v2.train_loop is train_loop


def test_behind_the_block_it_is_stocks_again(model_lib_v2: Any, runs: list) -> None:
    code = model_lib_v2.train_loop.__code__
    with enforced():
        pass
    assert model_lib_v2.train_loop.__code__ is code
    model_lib_v2.train_loop("a.config", "run", extra=1)
    assert model_lib_v2.calls == [("a.config", "run", None, 1000, 3, {"extra": 1})]
    assert runs == []


def test_and_after_an_error_in_it(model_lib_v2: Any, runs: list) -> None:
    for _ in range(2):
        with pytest.raises(LookupError), enforced():
            raise LookupError
    model_lib_v2.train_loop("a.config", "run")
    assert len(model_lib_v2.calls) == 1
    assert runs == []


def test_the_innermost_of_nested_blocks_counts(model_lib_v2: Any, runs: list) -> None:
    with enforced(allow=["all_frozen"]):
        with enforced(frozen_batch_norm="update"):
            model_lib_v2.train_loop("inner.config", "run")
        model_lib_v2.train_loop("outer.config", "run")
    model_lib_v2.train_loop("stock.config", "run")
    assert [(one.frozen_batch_norm, one.allow) for one, *_ in runs] == [
        ("update", ()),
        ("hold", ("all_frozen",)),
    ]
    assert [arguments["pipeline_config_path"] for _, arguments, _ in runs] == [
        "inner.config",
        "outer.config",
    ]
    assert [call[0] for call in model_lib_v2.calls] == ["stock.config"]


def test_blocks_may_end_in_any_order(model_lib_v2: Any, runs: list) -> None:
    first, second = enforced(), enforced(frozen_batch_norm="update")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    model_lib_v2.train_loop("a.config", "run")
    second.__exit__(None, None, None)
    model_lib_v2.train_loop("b.config", "run")
    assert [one.frozen_batch_norm for one, *_ in runs] == ["update"]
    assert [call[0] for call in model_lib_v2.calls] == ["b.config"]


def test_meanwhile_it_shows_what_it_takes(model_lib_v2: Any) -> None:
    signature = inspect.signature(model_lib_v2.train_loop)
    with enforced():
        assert str(inspect.signature(model_lib_v2.train_loop)) == "(*args, **kwargs)"
    assert inspect.signature(model_lib_v2.train_loop) == signature


def test_what_is_kept_as_stock_does_what_stock_did(model_lib_v2: Any, runs: list) -> None:
    with enforced():
        with enforced():
            model_lib_v2.train_loop("a.config", "run")
        (one, *_) = runs[0]
        one.stock("b.config", "run", train_steps=7, only=4)
        assert model_lib_v2.calls == [("b.config", "run", 7, 1000, 4, {})]


def test_arguments_that_stock_does_not_take_are_its_error(model_lib_v2: Any, runs: list) -> None:
    with enforced(), pytest.raises(TypeError, match="missing a required argument: 'model_dir'"):
        model_lib_v2.train_loop("a.config")
    assert runs == []


def test_what_another_program_put_there_is_not_redirected(model_lib_v2: Any) -> None:
    model_lib_v2.train_loop = lambda *args, of=model_lib_v2.train_loop: of(*args)
    with enforced():  # a plain function is as good as stock's
        pass
    model_lib_v2.train_loop = types.SimpleNamespace()
    with pytest.raises(UsageError, match="not stock's function"), enforced():
        pass


def test_an_unknown_allowance_is_told_at_once(model_lib_v2: Any) -> None:
    with (
        pytest.raises(UsageError, match="nothing to allow called 'all_froze'; did you mean"),
        enforced(allow=["all_froze"]),
    ):
        pass
