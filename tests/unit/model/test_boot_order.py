"""What guests say of their order at boot, and the order that comes of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from virtup.model.boot_order import Member, Wish, arrange, reverse, wish_of


def domain(inner):
    return f"<domain type='qemu'><name>a</name><metadata>{inner}</metadata></domain>"


BOOT = "<v:boot xmlns:v='urn:virtup:guests:1' {}>{}</v:boot>"


def test_a_wish_is_read_from_a_domain_and_from_its_metadata():
    inner = BOOT.format("order='20' delay='5'", "<v:after guest='db'/><v:after guest='the dns'/>")
    wish = Wish(20, ("db", "the dns"), 5)
    assert wish_of(domain(inner)) == wish
    assert wish_of(f"<metadata>{inner}</metadata>") == wish


def test_no_wish_is_no_problem():
    other = "<x:boot xmlns:x='urn:somebody' order='7'/>"
    for text in (None, "", domain(""), domain(other), "<domain/>", "<metadata/>", "nothing"):
        assert wish_of(text) == Wish()


def test_what_cannot_be_read_is_told_and_the_rest_counts():
    wish = wish_of(
        domain(BOOT.format("order='soon' delay='5' colour='red'", "<v:before guest='x'/>"))
    )
    assert (wish.order, wish.delay_s, wish.after) == (0, 5, ())
    assert "has no attribute 'colour'" in wish.problem
    assert "order='soon'" in wish.problem
    assert "<after guest='NAME'/>" in wish.problem
    assert "from 0 to 3600" in wish_of(domain(BOOT.format("delay='9999'", ""))).problem
    assert "not well-formed" in wish_of("<domain urn:virtup:guests:1").problem


def members(**wishes):
    return {name: Member(name, f"uuid-{name}", wish) for name, wish in wishes.items()}


def before(**wishes):
    return {key: set(found) for key, found in arrange(members(**wishes)).before.items()}


def test_guests_of_one_order_wait_for_nobody_of_it():
    assert before(a=Wish(), b=Wish(), c=Wish(order=1)) == {"a": set(), "b": set(), "c": {"a", "b"}}


def test_after_goes_before_orders():
    found = before(db=Wish(order=9), web=Wish(after=("db",)), dns=Wish(order=5))
    assert found == {"dns": set(), "db": {"dns"}, "web": {"db", "dns"}}


def test_after_may_name_a_uuid_and_somebody_who_is_not_here():
    assert before(db=Wish(), web=Wish(after=("UUID-DB", "ghost"))) == {"db": set(), "web": {"db"}}


def test_a_circle_is_dropped_and_told():
    found = arrange(
        members(
            a=Wish(after=("b",)), b=Wish(after=("c",)), c=Wish(after=("a",)), d=Wish(after=("a",))
        )
    )
    assert {key: set(each) for key, each in found.before.items()} == {
        "a": set(),
        "b": set(),
        "c": set(),
        "d": {"a"},
    }
    assert set(found.problems) == {"a", "b", "c"}
    assert found.problems["b"] == "'a', 'b', 'c' wait for each other; that does not count"
    assert before(a=Wish(after=("a",))) == {"a": set()}


def test_the_reverse_is_who_comes_later():
    found = arrange(members(a=Wish(), b=Wish(after=("a",)), c=Wish(order=1))).before
    assert {key: set(each) for key, each in reverse(found).items()} == {
        "a": {"b", "c"},
        "b": {"c"},
        "c": set(),
    }


NAMES = list("abcdefgh")
WISHES = st.builds(
    Wish, st.integers(-2, 2), st.lists(st.sampled_from(NAMES), max_size=3).map(tuple)
)


@given(st.dictionaries(st.sampled_from(NAMES), WISHES, max_size=8))
def test_whatever_guests_say_everybody_gets_a_turn(wishes):
    found = arrange(members(**wishes))
    turns: list[str] = []
    while len(turns) < len(wishes):
        ready = [key for key in wishes if key not in turns and found.before[key] <= set(turns)]
        assert ready, f"nobody can go: {found.before}"
        turns += ready
    for key, wish in wishes.items():
        for other in wish.after:
            if other in wishes and key not in found.problems and other != key:
                assert turns.index(other) < turns.index(key)
