"""The settings: libvirt-guests' names, their forms, and what cannot be."""

from __future__ import annotations

import pytest

from virtup.guests.settings import NAMES, Settings, read

FILE = """
# comment
URIS='default qemu:///session'   # two
export ON_BOOT=ignore
ON_SHUTDOWN="shutdown"
PARALLEL_SHUTDOWN=3
SHUTDOWN_TIMEOUT=0
START_DELAY=2 BYPASS_CACHE=1
SYNC_TIME=yes
PERSISTENT_ONLY=true
"""


def test_libvirt_guests_settings_under_their_names():
    settings, problems = read({"f": FILE}, {})
    assert problems == []
    assert settings == Settings(
        uris=("default", "qemu:///session"),
        on_boot="ignore",
        on_shutdown="shutdown",
        parallel_shutdown=3,
        shutdown_timeout=0,
        start_delay=2,
        bypass_cache=True,
        sync_time=True,
        persistent_only="yes",
    )


def test_nothing_set_is_libvirt_guests_defaults():
    settings, problems = read({}, {})
    assert problems == []
    assert (settings.on_boot, settings.on_shutdown, settings.shutdown_timeout) == (
        "start",
        "suspend",
        300,
    )
    assert settings.leaves_transient
    assert not read({}, {"ON_SHUTDOWN": "shutdown"})[0].leaves_transient
    assert not read({}, {"PERSISTENT_ONLY": "0"})[0].leaves_transient


def test_the_environment_goes_before_the_file_and_a_later_file_before_an_earlier():
    settings, _ = read({"a": "START_DELAY=1\nDEADLINE=5", "b": "START_DELAY=2"}, {"DEADLINE": "7"})
    assert (settings.start_delay, settings.deadline) == (2, 7)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("SHUTDOWN_TIMEOUT=-1", "must be a whole number from 0 to 1000000; taken as '300'"),
        ("ON_SHUTDOWN=save", "must be suspend or shutdown; taken as 'suspend'"),
        ("BYPASS_CACHE=maybe", "must be 0 or 1; taken as '0'"),
        ("ON_BOOT=", "must be start or ignore"),
        ("BYPASS_CACHE=maybe", "must be 0 or 1"),
        ("PERSISTENT_ONLY=maybe", "must be yes, no or default"),
        ("PARALLEL_SAVE=0", "from 1 to 1000"),
        ("URIS=xen:///system", "no connection driver available for xen:///system"),
        ("URIS=", "must name a URI"),
        ("SAVE_DIR=here", "must be an absolute path"),
        ("ON_BOTO=start", "there is no setting 'ON_BOTO'; the nearest is ON_BOOT"),
        ("QQQQ=1", "there is no setting 'QQQQ'; known are URIS"),
        ("start", "'start' is not of the form NAME=value"),
        ("URIS='default", "cannot be read: No closing quotation"),
    ],
)
def test_what_cannot_be_is_told_with_its_place_and_does_not_count(line, told):
    settings, problems = read({"/etc/default/virtup-guests": f"\n{line}\n"}, {})
    assert settings == Settings()
    (problem,) = problems
    assert str(problem).startswith("/etc/default/virtup-guests:2: ")
    assert told in str(problem)
    assert "\n" not in str(problem)


def test_a_bad_value_in_the_environment_keeps_the_files():
    settings, problems = read({"f": "DEADLINE=5"}, {"DEADLINE": "soon"})
    assert settings.deadline == 5
    assert str(problems[0]).startswith("environment, DEADLINE: ")


def test_every_setting_can_be_set():
    other = {
        "URIS": "qemu:///session",
        "ON_BOOT": "ignore",
        "ON_SHUTDOWN": "shutdown",
        "BYPASS_CACHE": "1",
        "SYNC_TIME": "1",
        "PERSISTENT_ONLY": "yes",
        "SAVE_DIR": "/srv",
    }
    settings, problems = read({}, {name: other.get(name, "17") for name in NAMES})
    assert problems == []
    same = [n for n in NAMES if getattr(settings, n.lower()) == getattr(Settings(), n.lower())]
    assert same == []
