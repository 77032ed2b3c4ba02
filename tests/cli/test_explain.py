"""`odfreeze explain`: exact text and exit status."""

from __future__ import annotations

from odfreeze.check.pages import all_codes, read_page
from odfreeze.cli import main


def test_a_page(capsys) -> None:
    assert main(["explain", "odf190"]) == 0
    assert capsys.readouterr() == (read_page("ODF190").text, "")


def test_several_pages(capsys) -> None:
    assert main(["explain", "ODF190", "ODF100"]) == 0
    assert capsys.readouterr().out == f"{read_page('ODF190').text}\n{read_page('ODF100').text}"


def test_without_a_code_all_are_listed(capsys) -> None:
    assert main(["explain"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ODF")] == [
        *all_codes()
    ]
    assert "  ODF190  an ignore comment that silences nothing\n" in out


def test_a_code_that_does_not_exist(capsys) -> None:
    assert main(["explain", "0DF190"]) == 2
    assert capsys.readouterr() == (
        "",
        "odfreeze: there is no code '0DF190'; did you mean 'ODF190'?"
        " (`odfreeze explain` lists all of them)\n",
    )
