"""What a command line uses, in both spellings of an option."""

from virtup.causes.usage import (
    FileUse,
    Option,
    PortUse,
    Role,
    bridges,
    cpu_model,
    files,
    guest_name,
    image_of,
    machine,
    memory_kib,
    options,
    ports,
    sockets,
    taps,
    wants_kvm,
)

QEMU = "/usr/bin/qemu-system-x86_64"
FILE = '{"driver":"file","filename":"/img/a,b.qcow2","node-name":"s","auto-read-only":true}'
FORM = '{"node-name":"f","read-only":%s,"driver":"qcow2","file":"s"}'


def line(*words: str) -> tuple[str, ...]:
    return (QEMU, *words)


def test_options_and_their_values() -> None:
    seen = options(line("-S", "-m", "32", "foo.img", "--enable-kvm", "-append", "a -b"))
    assert [(one.name, one.value) for one in seen] == [
        ("S", ""),
        ("m", "32"),
        ("", "foo.img"),
        ("enable-kvm", ""),
        ("append", "a -b"),
    ]


def test_fields_of_both_spellings() -> None:
    assert Option("x", "tap,id=n,path=/a,,b=c,on").fields() == {
        "": "tap",
        "id": "n",
        "path": "/a,b=c",
        "on": "on",
    }
    assert Option("x", '{"a":1,"b":{"c":true}}').fields() == {"a": 1, "b": {"c": True}}
    assert Option("x", '{"a":').fields() == {}
    assert Option("x", "[1]").fields() == {"": "[1]"}


def test_files_of_a_direct_boot_and_plain_disks() -> None:
    argv = line("-kernel", "/k", "-initrd", "/i", "-dtb", "/d", "-cdrom", "/c", "-hda", "/h")
    assert files(argv) == (
        FileUse("/k", Role.KERNEL),
        FileUse("/i", Role.INITRD),
        FileUse("/d", Role.DTB),
        FileUse("/c", Role.DISK),
        FileUse("/h", Role.DISK, write=True),
    )


def test_a_disk_of_two_nodes_is_written_as_its_format_says() -> None:
    (use,) = files(line("-blockdev", FILE, "-blockdev", FORM % "false"))
    assert use == FileUse("/img/a,b.qcow2", Role.DISK, write=True, format="qcow2", regular=True)
    (use,) = files(line("-blockdev", FILE, "-blockdev", FORM % "true"))
    assert not use.write
    nested = '{"node-name":"f","driver":"qcow2","file":{"driver":"file","filename":"/n"}}'
    assert files(line("-blockdev", nested)) == (
        FileUse("/n", Role.DISK, True, "qcow2", regular=True),
    )


def test_a_flash_image_is_firmware() -> None:
    pflash = '{"driver":"file","filename":"/fw/CODE.fd","node-name":"p","read-only":true}'
    argv = line("-machine", "q35,pflash0=p", "-blockdev", pflash)
    assert files(argv) == (FileUse("/fw/CODE.fd", Role.FIRMWARE, regular=True),)
    assert files(line("-drive", "file=/fw/C.fd,if=pflash,readonly=on"))[0].role is Role.FIRMWARE


def test_drives_devices_and_what_is_no_local_file() -> None:
    argv = line(
        "-drive",
        "file=/img/x,,y.raw,format=raw,if=none,readonly=on",
        "-drive",
        "file=rbd:pool/x",
        "-drive",
        "file=nbd://host/x",
        "-chardev",
        "serial,id=c,path=/dev/ttyS5",
        "-fsdev",
        "local,id=f,path=/srv/share",
    )
    assert files(argv) == (
        FileUse("/img/x,y.raw", Role.DISK, write=False, format="raw"),
        FileUse("/srv/share", Role.SHARE),
        FileUse("/dev/ttyS5", Role.CHARDEV, write=True),
    ) or {one.path for one in files(argv)} == {"/img/x,y.raw", "/srv/share", "/dev/ttyS5"}


def test_the_image_that_a_message_is_about() -> None:
    argv = line("-blockdev", FILE, "-blockdev", FORM % "false")
    message = f"qemu: -blockdev {FORM % 'false'}: Image is not in qcow2 format"
    assert image_of(argv, message) == "/img/a,b.qcow2"
    assert image_of((), "qemu: -drive file=/x.img,if=none: no") == "/x.img"
    assert image_of((), 'qemu: -blockdev {"filename":"/y.img"}: no') == "/y.img"
    assert image_of((), "nothing of the kind") == ""


def test_machine_cpu_memory_and_kvm() -> None:
    argv = line("-M", "pc-q35-7.2,accel=kvm", "-cpu", "host,+x", "-m", "size=98304k,slots=2")
    assert machine(argv) == "pc-q35-7.2"
    assert machine(line("-machine", "type=pc,accel=tcg")) == "pc"
    assert cpu_model(argv) == "host"
    assert memory_kib(argv) == 98304
    assert wants_kvm(argv)
    assert wants_kvm(line("-accel", "kvm"))
    assert not wants_kvm(line("-accel", "kvm", "-accel", "tcg"))
    assert not wants_kvm(line("-machine", "pc,accel=tcg"))


def test_memory_in_every_unit_and_the_last_counts() -> None:
    assert memory_kib(line("-m", "512")) == 512 << 10
    assert memory_kib(line("-m", "2G")) == 2 << 20
    assert memory_kib(line("-m", "1048576b")) == 1024
    assert memory_kib(line("-m", "32", "-m", "1T")) == 1 << 30
    assert memory_kib(line("-m", "much")) == 0
    assert memory_kib(()) == 0


def test_ports_sockets_and_interfaces() -> None:
    argv = line(
        "-vnc",
        "127.0.0.1:7,to=9,websocket=5700",
        "-spice",
        "port=5901,tls-port=5902,addr=::1",
        "-chardev",
        "socket,id=c,host=h,port=4555,server=on,wait=off",
        "-chardev",
        "socket,id=d,host=h,port=4556",
        "-chardev",
        "socket,id=e,path=/run/e,server=on",
        "-vnc",
        "unix:/run/v",
        "-netdev",
        "user,id=n,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::53-:53",
        "-netdev",
        "tap,id=t,ifname=tap7,script=no",
        "-netdev",
        '{"type":"tap","ifname":"tap8","id":"u"}',
        "-netdev",
        "bridge,id=b,br=br7",
        "-name",
        "guest=vm7,debug-threads=on",
    )
    assert ports(argv) == (
        PortUse(5907, "VNC", "127.0.0.1", last=5909),
        PortUse(5700, "VNC websocket", "127.0.0.1"),
        PortUse(5901, "SPICE", "::1"),
        PortUse(5902, "SPICE (TLS)", "::1"),
        PortUse(4555, "TCP character device", "h"),
        PortUse(2222, "port forward", "127.0.0.1"),
        PortUse(53, "port forward", "", "udp"),
    )
    assert sockets(argv) == ("/run/e", "/run/v")
    assert taps(argv) == ("tap7", "tap8")
    assert bridges(argv) == ("br7",)
    assert guest_name(argv) == "vm7"
