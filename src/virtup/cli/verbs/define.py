"""define and edit."""

from __future__ import annotations

from virtup.cli.grammar import flag, guest, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import read
from virtup.client.guests import format_uuid

_VALIDATE = 1
_SECURE, _INACTIVE = 1, 2
"""``virDomainXMLFlags``."""


@verb(
    "define",
    "define a domain from an XML file, or change it",
    text("file", "file with the domain's XML", required=True, completes="file"),
    flag("validate", "check the XML against the schema"),
    description="The domain is kept and not started.",
)
def define(run: Run, *, file: str, validate: bool) -> None:
    """Keep the definition in *file*."""
    xml = read(file)
    with run.trying(f"Failed to define domain from {file}", document=file):
        if validate:
            reply = run.conn.call("DOMAIN_DEFINE_XML_FLAGS", xml=xml, flags=_VALIDATE)
        else:
            reply = run.conn.call("DOMAIN_DEFINE_XML", xml=xml)
    dom = reply["dom"]
    name = dom["name"]
    run.say(f"Domain '{name}' defined from {file}", domain=name, uuid=format_uuid(dom["uuid"]))


@verb(
    "edit",
    "edit the definition of a domain",
    guest(),
    flag("skip-validate", "do not check the XML against the schema"),
    description="With $VISUAL, $EDITOR or the system's editor. A domain that runs goes on as it is.",
)
def edit(run: Run, *, domain: str, skip_validate: bool) -> None:
    """Have a person edit the definition with which a guest starts next."""
    from virtup.cli import editor

    handle = run.guest(domain)
    name = handle["name"]
    flags = 0 if skip_validate else _VALIDATE
    changed = editor.edit(
        run,
        lambda: str(
            run.conn.call("DOMAIN_GET_XML_DESC", dom=handle, flags=_SECURE | _INACTIVE)["xml"]
        ),
        lambda xml: run.conn.call("DOMAIN_DEFINE_XML_FLAGS", xml=xml, flags=flags),
    )
    said = f"Domain '{name}' XML configuration edited."
    if not changed:
        said = f"Domain '{name}' XML configuration not changed."
    run.say(said, domain=name, changed=changed)
