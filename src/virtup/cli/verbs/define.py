"""define."""

from __future__ import annotations

from virtup.cli.grammar import flag, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import read
from virtup.client.guests import format_uuid

_VALIDATE = 1


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
