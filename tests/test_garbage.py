"""The pause of the garbage collector."""

from __future__ import annotations

import gc

import pytest

from odfreeze.garbage import collector_paused


@pytest.mark.parametrize("before", [True, False], ids=["enabled", "disabled"])
def test_the_collector_is_off_within_and_as_before_behind(before: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled() is before
    finally:
        (gc.enable if was else gc.disable)()


def test_an_error_ends_the_pause() -> None:
    with pytest.raises(ValueError, match="inside"), collector_paused():
        raise ValueError("inside")
    assert gc.isenabled()
