"""Tables as virsh prints them."""

from __future__ import annotations

from virtup.cli.table import printable, table, width


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [["1", "t1", "running"], ["-", "a-longer-name", "shut off"]]
    assert table(["Id", "Name", "State"], rows) == (
        " Id   Name            State\n"
        "--------------------------------\n"
        " 1    t1              running\n"
        " -    a-longer-name   shut off\n"
    )


def test_a_table_without_rows_has_its_header() -> None:
    assert table(["Id", "Name", "State"], []) == " Id   Name   State\n--------------------\n"
    assert table(["Id", "Name", "State"], [], bare=True) == ""


def test_a_bare_table_is_as_wide_as_its_rows() -> None:
    assert table(["Id", "Name"], [["1", "a"], ["10", "b"]], bare=True) == " 1    a\n 10   b\n"


def test_the_last_cell_is_not_padded_and_may_be_empty() -> None:
    assert table(["A", "Title"], [["x", ""]]).splitlines()[2] == " x   "


def test_wide_and_combining_characters_count_as_a_terminal_shows_them() -> None:
    assert (width("abc"), width("日本"), width("é"), width("e\u0301")) == (3, 4, 1, 1)
    lines = table(["Name", "X"], [["日本語", "1"], ["abcdef", "2"]]).splitlines()
    assert lines[2:] == [" 日本語   1", " abcdef   2"]


def test_what_would_move_the_cursor_is_shown_as_bytes() -> None:
    assert printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\x0a"
    assert printable("\udcff") == "\\xff"
    assert printable("\u200e") == "\\xe2\\x80\\x8e"
    assert table(["N"], [["a\nb"]]).count("\n") == 3
