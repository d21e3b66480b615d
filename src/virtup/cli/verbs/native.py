"""domxml-to-native."""

from __future__ import annotations

from virtup.cli.grammar import Failure, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import read


@verb(
    "domxml-to-native",
    "tell the command line that a definition becomes",
    text("format", "'qemu-argv'", required=True, completes=("qemu-argv",)),
    text("domain", "domain name, id or uuid", positional=False, completes="guest"),
    text("xml", "file with the domain's XML", completes="file"),
    text(
        "capabilities",
        "recorded QMP replies of a QEMU that need not be here; needs --xml, no daemon",
        positional=False,
        completes="file",
    ),
)
def domxml_to_native(
    run: Run, *, format: str, domain: str | None, xml: str | None, capabilities: str | None
) -> None:
    """Print QEMU's command line for a definition."""
    if domain is not None and xml is not None:
        raise Failure("Options --domain and --xml are mutually exclusive")
    if domain is None and xml is None:
        raise Failure("need either domain or domain XML")
    if capabilities is not None:
        config = _locally(format, xml, capabilities)
    else:
        document = _of_guest(run, domain) if domain is not None else read(xml or "")
        config = run.conn.call(
            "CONNECT_DOMAIN_XML_TO_NATIVE", nativeFormat=format, domainXml=document, flags=0
        )["nativeConfig"]
    run.document({"config": config.rstrip("\n")}) if run.json else run.out(config)


def _of_guest(run: Run, domain: str) -> str:
    xml: str = run.conn.call("DOMAIN_GET_XML_DESC", dom=run.guest(domain), flags=0)["xml"]
    return xml


def _locally(format: str, xml: str | None, capabilities: str) -> str:
    if xml is None:
        raise Failure("Option --xml is required by option --capabilities")
    if format != "qemu-argv":
        raise Failure(f"unsupported format '{format}': with --capabilities it is 'qemu-argv'")
    from virtup.cli.local import command_line

    return command_line(read(xml), xml, read(capabilities), capabilities) + "\n"
