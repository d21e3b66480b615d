"""Tables as virsh prints them: columns three spaces apart, as wide as a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, bare: bool = False) -> str:
    r"""A table with its header, a line of dashes and its rows; *bare* leaves the first two out.

    Every line ends in a line break. Control characters are shown as ``\xNN``.
    """
    shown = [[printable(cell) for cell in row] for row in rows]
    lines = shown if bare else [list(header), *shown]
    widths = [max((width(line[i]) for line in lines), default=0) for i in range(len(header))]
    out = [_line(line, widths) for line in lines]
    if not bare:
        out.insert(1, "-" * (sum(widths) + 3 * len(widths)) + "\n")
    return "".join(out)


def printable(text: str) -> str:
    r"""The text with each control character, and each byte that is no text, as ``\xNN``."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in _raw(char))
        for char in text
    )


def width(text: str) -> int:
    """How many columns of a terminal *text* takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def _raw(char: str) -> bytes:
    return char.encode("utf-8", "surrogateescape")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell + " " * (size - width(cell)) for cell, size in zip(cells[:-1], widths, strict=False)
    ]
    return " " + "   ".join([*padded, cells[-1]]) + "\n"
