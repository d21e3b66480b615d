"""virsh's grammar of words, and what is said of words that do not fit it."""

from __future__ import annotations

import pytest

from virtup.cli.grammar import (
    BadUsage,
    Failure,
    convert,
    flag,
    guest,
    nearest,
    number,
    scan,
    text,
    words,
)

OPTIONS = (
    guest(),
    flag("console", ""),
    flag("force-boot", ""),
    text("pass-fds", ""),
    text("xml", "", positional=False),
    number("timeout", ""),
)


def values(*given: str) -> dict[str, object]:
    return convert(OPTIONS, scan("start", OPTIONS, given))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("a",), {"domain": "a"}),
        (("--domain", "a"), {"domain": "a"}),
        (("--domain=a",), {"domain": "a"}),
        (("--domain=a=b",), {"domain": "a=b"}),
        (("a", "3"), {"domain": "a", "pass_fds": "3"}),
        (("--pass-fds", "3", "a"), {"domain": "a", "pass_fds": "3"}),
        (("a", "--console", "3"), {"domain": "a", "console": True, "pass_fds": "3"}),
        (("--", "--console"), {"domain": "--console"}),
        (("a", "--xml", "--console"), {"domain": "a", "xml": "--console"}),
        (("-h",), {"domain": "-h"}),
        (("a", "--timeout", "-5"), {"domain": "a", "timeout": -5}),
        (("a", "--timeout=007"), {"domain": "a", "timeout": 7}),
        (("--force-boot", "a"), {"domain": "a", "force_boot": True}),
    ],
)
def test_words_that_fit(given: tuple[str, ...], expected: dict[str, object]) -> None:
    empty = {
        "domain": None, "console": False, "force_boot": False, "pass_fds": None, "xml": None,
        "timeout": None,
    }  # fmt: skip
    assert values(*given) == {**empty, **expected}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "command 'start' requires <domain> option"),
        (("a", "b", "c"), "unexpected data 'c'"),
        (("--domain",), "expected syntax: --domain <string>"),
        (("a", "--timeout"), "expected syntax: --timeout <number>"),
        (("a", "--console=1"), "invalid '=' after option --console"),
        (("a", "--console", "--console"), "option --console already seen"),
        (("a", "--domain", "b"), "option --domain already seen"),
        (("--domain", "b", "--domain"), "option --domain already seen"),
        (("a", "--consol"), "doesn't support option --consol; the nearest is --console"),
        (("a", "--xyz"), "doesn't support option --xyz; see 'virtup help start'"),
    ],
)
def test_words_that_do_not_fit_are_told_in_one_sentence(given: tuple[str, ...], says: str) -> None:
    with pytest.raises(BadUsage) as caught:
        values(*given)
    assert str(caught.value).endswith(says)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--domain=",), "Failed to get option 'domain': Option argument is empty"),
        (("a", "--timeout", "x"), "Numeric value 'x' for <timeout> option is malformed"),
        (("a", "--timeout", "1.5"), "Numeric value '1.5' for <timeout> option"),
        (("a", "--timeout", "99999999999"), "malformed or out of range"),
        (("a", "--timeout", "--5"), "malformed or out of range"),
        (("a", "--timeout", "²"), "malformed or out of range"),
    ],
)
def test_values_that_cannot_be(given: tuple[str, ...], says: str) -> None:
    with pytest.raises(Failure) as caught:
        values(*given)
    assert says in str(caught.value)


def test_the_last_option_takes_all_words() -> None:
    options = (guest(), flag("hmp", ""), words("cmd", "command"))
    found = scan("x", options, ["d", "info", "--hmp", "status", "--", "--all"])
    assert found == {"domain": "d", "hmp": True, "cmd": ["info", "status", "--all"]}
    assert scan("x", options, ["d", "--cmd", "a", "--cmd", "b"])["cmd"] == ["a", "b"]
    with pytest.raises(BadUsage, match="requires <cmd> option"):
        scan("x", options, ["d"])


def test_an_empty_text_is_accepted_where_it_means_something() -> None:
    options = (text("title", "", empty_ok=True),)
    assert convert(options, {"title": ""}) == {"title": ""}


def test_the_nearest_is_near() -> None:
    assert nearest("lst", ("list", "start")) == "list"
    assert nearest("zzzz", ("list", "start")) is None
