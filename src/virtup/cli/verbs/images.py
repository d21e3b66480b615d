"""managedsave-define, -dumpxml, -edit, and save-image-define, -dumpxml, -edit."""

from __future__ import annotations

from virtup.cli.grammar import Failure, Option, flag, guest, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import read
from virtup.cli.verbs.dumpxml import show
from virtup.cli.verbs.save import absolute, after, save_flags

SECURE = 1
"""``VIR_DOMAIN_SAVE_IMAGE_XML_SECURE``."""

_FILE = text("file", "file with the saved domain", required=True, completes="file")
_XML = text("xml", "file with the changed XML", required=True, completes="file")
_LOOK: tuple[Option, ...] = (
    flag("security-info", "with passwords"),
    text("xpath", "print only what this XPath expression finds", positional=False),
    flag("wrap", "put what the XPath expression finds into one root element"),
)
_SAME = "It has to be the same domain: its name, UUID and devices stay as they are."


@verb("save-image-dumpxml", "print the definition in the file of a saved domain", _FILE, *_LOOK)
def save_image_dumpxml(
    run: Run, *, file: str, security_info: bool, xpath: str | None, wrap: bool
) -> None:
    """Print the XML in an image."""
    show(run, _image_xml(run, file, secure=security_info), xpath, wrap=wrap)


@verb("managedsave-dumpxml", "print the definition in the saved state of a domain", guest(), *_LOOK)
def managedsave_dumpxml(
    run: Run, *, domain: str, security_info: bool, xpath: str | None, wrap: bool
) -> None:
    """Print the XML in a managed save."""
    handle = run.guest(domain)
    flags = SECURE if security_info else 0
    xml = run.conn.call("DOMAIN_MANAGED_SAVE_GET_XML_DESC", dom=handle, flags=flags)["xml"]
    show(run, xml, xpath, wrap=wrap)


@verb(
    "save-image-define",
    "change the definition in the file of a saved domain",
    _FILE,
    _XML,
    *after("restore"),
    description=_SAME,
)
def save_image_define(run: Run, *, file: str, xml: str, **given: bool) -> None:
    """Put another XML into an image."""
    document = read(xml)
    with run.trying(f"Failed to update {file}"):
        _define_image(run, file, document, save_flags(given))
    run.say(f"State file {file} updated.", file=absolute(file))


@verb(
    "managedsave-define",
    "change the definition in the saved state of a domain",
    guest(),
    _XML,
    *after("start"),
    description=_SAME,
)
def managedsave_define(run: Run, *, domain: str, xml: str, **given: bool) -> None:
    """Put another XML into a managed save."""
    _refuse_both(given)
    handle = run.guest(domain)
    name = handle["name"]
    document = read(xml)
    with run.trying(f"Failed to update {name} XML configuration"):
        run.conn.call(
            "DOMAIN_MANAGED_SAVE_DEFINE_XML", dom=handle, dxml=document, flags=save_flags(given)
        )
    run.say(f"Managed save state file of domain '{name}' updated.", domain=name)


@verb(
    "save-image-edit",
    "edit the definition in the file of a saved domain",
    _FILE,
    *after("restore"),
    description=f"With $VISUAL, $EDITOR or the system's editor. {_SAME}",
)
def save_image_edit(run: Run, *, file: str, **given: bool) -> None:
    """Have a person edit the XML in an image."""
    from virtup.cli.editor import edit

    _refuse_both(given)
    flags = save_flags(given)
    changed = edit(
        run,
        lambda: _image_xml(run, file, secure=True),
        lambda xml: _define_image(run, file, xml, flags),
    )
    said = f"State file {file} edited."
    if not changed:
        said = f"Saved image {file} XML configuration not changed."
    run.say(said, file=absolute(file), changed=changed)


@verb(
    "managedsave-edit",
    "edit the definition in the saved state of a domain",
    guest(),
    *after("start"),
    description=f"With $VISUAL, $EDITOR or the system's editor. {_SAME}",
)
def managedsave_edit(run: Run, *, domain: str, **given: bool) -> None:
    """Have a person edit the XML in a managed save."""
    from virtup.cli.editor import edit

    _refuse_both(given)
    handle = run.guest(domain)
    name = handle["name"]
    changed = edit(
        run,
        lambda: str(
            run.conn.call("DOMAIN_MANAGED_SAVE_GET_XML_DESC", dom=handle, flags=SECURE)["xml"]
        ),
        lambda xml: run.conn.call(
            "DOMAIN_MANAGED_SAVE_DEFINE_XML", dom=handle, dxml=xml, flags=save_flags(given)
        ),
    )
    said = f"Managed save image of Domain '{name}' XML configuration edited."
    if not changed:
        said = f"Managed save image of domain '{name}' XML configuration not changed."
    run.say(said, domain=name, changed=changed)


def _image_xml(run: Run, file: str, *, secure: bool) -> str:
    flags = SECURE if secure else 0
    reply = run.conn.call("DOMAIN_SAVE_IMAGE_GET_XML_DESC", file=absolute(file), flags=flags)
    return str(reply["xml"])


def _define_image(run: Run, file: str, xml: str, flags: int) -> None:
    run.conn.call("DOMAIN_SAVE_IMAGE_DEFINE_XML", file=absolute(file), dxml=xml, flags=flags)


def _refuse_both(given: dict[str, bool]) -> None:
    if given["running"] and given["paused"]:
        raise Failure("Options --running and --paused are mutually exclusive")
