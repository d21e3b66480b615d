"""The configuration file: every key, and one clear sentence for what is not understood."""

import re

import pytest

from tests import lab
from virtup.daemon.config import Config, ConfigError, parse, read
from virtup.machine.settings import Settings


def test_nothing_said_is_the_defaults(tmp_path):
    assert parse("", "c.toml") == Config()
    assert read(str(tmp_path / "absent"), required=False) == Config()


def test_every_key_takes_its_default_and_goes_where_it_belongs():
    config = parse(
        "max_clients = 7\nqemu_user = 'me'\nqemu_log_max_bytes = 4096\nsandbox = false\n"
        "monitor_timeout_s = 20\nlog_level = 'debug'\nunix_sock_group = 'vm'\n",
        "c.toml",
    )
    assert (config.max_clients, config.log_level, config.unix_sock_group) == (7, "debug", "vm")
    assert config.guests == Settings(
        qemu_user="me", log_max_bytes=4096, sandbox=False, monitor_timeout_s=20.0
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "\nmax_clinets = 5",
            "c.toml:2: there is no key 'max_clinets'; did you mean 'max_clients'? ",
        ),
        ("a = 5", "c.toml:1: there is no key 'a'; the keys are: agent_timeout_s, "),
        ("log_max_bytes = 5", "c.toml:1: there is no key 'log_max_bytes'"),
        ("guests = 5", "c.toml:1: there is no key 'guests'"),
        ("[qemu]\nuser = 'x'", "c.toml:1: there is no key 'qemu'"),
        ("max_clients = 'x'", "c.toml:1: 'max_clients' must be a whole number, not 'x'"),
        ("max_clients = true", "c.toml:1: 'max_clients' must be a whole number, not True"),
        ("max_clients = 0", "c.toml:1: 'max_clients' must be at least 1, not 0"),
        ("#\n\nsandbox = 1", "c.toml:3: 'sandbox' must be true or false, not 1"),
        ("monitor_timeout_s = 'a'", "'monitor_timeout_s' must be a number, not 'a'"),
        ("monitor_timeout_s = -1", "'monitor_timeout_s' must be at least 0.1, not -1"),
        ("monitor_timeout_s = nan", "'monitor_timeout_s' must be at least 0.1, not nan"),
        ("log_level = 'loud'", "'log_level' must be one of debug, info, warning, error"),
        ("save_image_format = 'zip'", "must be one of raw, gzip, bzip2, xz, lzop, zstd, not 'zip'"),
        ("vnc_listen = 'all'", "'vnc_listen' must be an IP address, not 'all'"),
        ("qemu_user = 'root'", "'qemu_user' cannot be root: QEMU never runs as root"),
        ("qemu_user = '+0'", "'qemu_user' cannot be root: QEMU never runs as root"),
        ("qemu_user = 5", "'qemu_user' must be a text, not 5"),
        ("vnc_port_min = 6000\nvnc_port_max = 5990", "must be a range within 5900 to 65535"),
        ("vnc_port_min = 80", "must be a range within 5900 to 65535, not 80 to 65535"),
        ("a = 1\nb = = 2", "c.toml:2: not TOML: "),
        ("a = 1\nb = ", "c.toml:2: not TOML: "),
    ],
)
def test_what_is_not_understood_is_named_with_its_line(text, says):
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.toml")
    assert says in caught.value.message


def test_a_file_that_must_be_there_or_cannot_be_read(tmp_path):
    path = tmp_path / "c.toml"
    with pytest.raises(ConfigError, match="does not exist"):
        read(str(path), required=True)
    path.write_bytes(b"# \xc3\xa9\nqemu_user = '\xff'\n")
    with pytest.raises(ConfigError, match=r"c\.toml:2: the configuration file is not UTF-8"):
        read(str(path), required=False)
    with pytest.raises(ConfigError, match="cannot read"):
        read(str(tmp_path), required=False)
    path.write_text("max_clients = 3\n")
    assert read(str(path), required=True).max_clients == 3


def test_the_page_has_every_key_with_its_default():
    page = (lab.PROJECT / "docs" / "daemon.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", page, re.MULTILINE)
    written = parse("\n".join(f"{key} = {default}" for key, default in rows), "docs/daemon.md")
    assert written == Config()
    with pytest.raises(ConfigError) as caught:
        parse("a = 1", "c")
    known = caught.value.message.partition("the keys are: ")[2].split(", ")
    assert sorted(key for key, _ in rows) == known
