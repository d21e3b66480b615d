"""Messages in other languages: what becomes of them, and that the reader is shown what was said."""

import errno

import pytest

from virtup.causes.tongues import in_english, is_foreign
from virtup.causes.words import errno_of, said
from virtup.model.evidence import Evidence


@pytest.mark.parametrize(
    ("line", "english"),
    [
        ("nichts zu sehen", "nichts zu sehen"),
        ("'/a': Keine Berechtigung", "Cannot open file '/a': Permission denied"),
        (
            "x « /a » (comme uid : 7, gid : 7) : Aucun fichier ou dossier de ce type",
            "x Cannot access storage file '/a' (as uid:7, gid:?): No such file or directory",
        ),
        (
            "文件 '/b'（'/a'）（uid：7）：权限不够",
            (
                "文件 Cannot access backing file '/b' of storage file '/a' (as uid:7, gid:?): "
                "Permission denied"
            ),
        ),
        (
            "'/run/libvirt/libvirt-sock' : Connexion refusée",
            "Failed to connect socket to '/run/libvirt/libvirt-sock': Connection refused",
        ),
        (
            "MTU von 'br1': Kein passendes Gerät gefunden",
            "Cannot get interface MTU on 'br1': No such device",
        ),
        (
            "nelle $PATH, 'swtpm': File o directory non esistente",
            "Unable to find 'swtpm' binary in $PATH: No such file or directory",
        ),
        ("qemu: bind: Adresse déjà utilisée", "qemu: bind: Address already in use"),
        ("ネットワーク 'n' が動作していません", "network 'n' is not active"),
        ("сеть «n» не активна", "network 'n' is not active"),
        ("síť „n“ není aktivní", "network 'n' is not active"),
        ("ストレージプール 'p' は停止状態です", "storage pool 'p' is not activeです"),
        ("brak puli pamięci „p”", "no storage pool with matching name 'p'"),
        ("ingen lagringsvolym ”a”", "no storage vol with matching name 'a'"),
        ("USB 장치 046d:c52b를", "Did not find USB device 046d:c52b를"),
        (
            "не вдалося: domaintype=kvm",
            "не вдалося: could not find capabilities for domaintype=kvm",
        ),
        ("PCI设备 0000:01:00.0 QEMU", "PCI device 0000:01:00.0 is in use by driver QEMU QEMU"),
    ],
)
def test_a_translation_is_told_by_what_it_cannot_change(line: str, english: str) -> None:
    assert in_english(line) == english


@pytest.mark.parametrize(
    "line",
    [
        "Внутренняя ошибка: USB-устройства 046d:c52b: <address>",  # several, not none
        "Kein Domain-Schnappschuss mit dem Namen 'a'",
        "Привет, мир",
        "“Failed to open” said the man",
    ],
)
def test_what_is_told_by_nothing_is_left_as_it_is(line: str) -> None:
    quotes = line.replace("“", "'").replace("”", "'")
    assert in_english(line) in {line, quotes}


def test_english_stays_what_it_is() -> None:
    for line in (
        "Cannot access storage file '/a' (as uid:7, gid:7): Permission denied",
        "qemu-system-x86_64: network 'default' is not active",
    ):
        assert not is_foreign(line)
        assert in_english(line) is line


def test_the_quote_is_what_was_said() -> None:
    line = "Fehler: Zugriff auf '/a' (als uid:7, gid:7) nicht möglich: Keine Berechtigung"
    words = said(Evidence(error=line))
    assert "Permission denied" in words.text
    assert words.lines == (line,)


def test_an_errno_is_known_in_any_language() -> None:
    assert errno_of("Отказано в доступе") == errno.EACCES
    assert errno_of("設備忙") is None
    assert errno_of("Kein passendes Gerät gefunden") == errno.ENODEV


@pytest.mark.parametrize(
    ("line", "english"),
    [
        ("Kein Netzwerk mit passendem Namen »lan«", "no network with matching name 'lan'"),
        ("aucun domaine avec le nom « web »", "no domain with matching name 'web'"),
        ("没有名为 'vms' 的存储池", "no storage pool with matching name 'vms'"),
        ("没有匹配名称 'lan' 的网络", "no network with matching name 'lan'"),
        ("名前 'web' に一致するドメインがありません", "no domain with matching name 'web'"),
        ("нет сети с именем «lan»", "no network with matching name 'lan'"),
    ],
)
def test_what_a_connection_lacks_is_told_by_its_noun(line: str, english: str) -> None:
    assert english in in_english(line)
