"""pool-autostart, -build, -define, -define-as, -destroy, -refresh, -start, -undefine."""

from __future__ import annotations

from virtup.cli.grammar import Failure, Option, flag, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import read
from virtup.client.guests import format_uuid
from virtup.client.pools import Pool, find_pool

VALIDATE, BUILD = 1, 1


def pool_option(about: str = "pool name or uuid", *, required: bool = True) -> Option:
    """The pool that a verb is about."""
    return text("pool", about, required=required, completes="pool")


def pool_of(run: Run, name: str) -> Pool:
    """The pool that *name* names; raises Failure when there is none."""
    with run.trying(f"failed to get pool '{name}'"):
        return find_pool(run.conn, name)


@verb(
    "pool-define",
    "define a storage pool from an XML file, or change it",
    text("file", "file with the pool's XML", required=True, completes="file"),
    flag("validate", "check the XML against the schema"),
    description="The pool is kept and not started.",
)
def pool_define(run: Run, *, file: str, validate: bool) -> None:
    """Keep the definition in *file*."""
    xml = read(file)
    flags = VALIDATE if validate else 0
    with run.trying(f"Failed to define pool from {file}", document=file):
        pool = run.conn.call("STORAGE_POOL_DEFINE_XML", xml=xml, flags=flags)["pool"]
    _say(run, pool, f"defined from {file}")


@verb(
    "pool-define-as",
    "define a storage pool by its directory",
    text("name", "name of the pool", required=True),
    text("type", "type of the pool: dir", required=True, completes=("dir",)),
    text("target", "its directory", positional=False, completes="file"),
    flag("print-xml", "print the XML and define nothing"),
    description="The pool is kept and not started.",
)
def pool_define_as(run: Run, *, name: str, type: str, target: str | None, print_xml: bool) -> None:
    """Keep the pool *name*."""
    from xml.sax.saxutils import escape

    inner = f"  <target>\n    <path>{escape(target)}</path>\n  </target>\n" if target else ""
    xml = f"<pool type='{quoted(type)}'>\n  <name>{escape(name)}</name>\n{inner}</pool>\n"
    if print_xml:
        run.document({"xml": xml}) if run.json else run.out(xml)
        return
    with run.trying(f"Failed to define pool {name}"):
        pool = run.conn.call("STORAGE_POOL_DEFINE_XML", xml=xml, flags=0)["pool"]
    _say(run, pool, "defined")


@verb("pool-build", "make the directory of a storage pool", pool_option())
def pool_build(run: Run, *, pool: str) -> None:
    """Make the directory of a pool that is not active; one that is there is left."""
    _act(run, pool, "STORAGE_POOL_BUILD", "build", "built", flags=0)


@verb(
    "pool-start",
    "start a storage pool",
    pool_option(),
    flag("build", "make its directory if it is missing"),
)
def pool_start(run: Run, *, pool: str, build: bool) -> None:
    """Make a pool active."""
    _act(run, pool, "STORAGE_POOL_CREATE", "start", "started", flags=BUILD if build else 0)


@verb(
    "pool-destroy",
    "stop a storage pool",
    pool_option(),
    description="What is in it stays, and domains that use it run on.",
)
def pool_destroy(run: Run, *, pool: str) -> None:
    """Make a pool inactive."""
    _act(run, pool, "STORAGE_POOL_DESTROY", "destroy", "destroyed")


@verb(
    "pool-undefine",
    "forget the definition of a storage pool",
    pool_option(),
    description="One that is active has to be stopped first. What is in its directory stays.",
)
def pool_undefine(run: Run, *, pool: str) -> None:
    """Forget a pool."""
    _act(run, pool, "STORAGE_POOL_UNDEFINE", "undefine", "has been undefined")


@verb("pool-refresh", "look at the directory of a storage pool", pool_option())
def pool_refresh(run: Run, *, pool: str) -> None:
    """Have a pool looked through again."""
    _act(run, pool, "STORAGE_POOL_REFRESH", "refresh", "refreshed", flags=0)


@verb(
    "pool-autostart",
    "start a storage pool with the host",
    pool_option(),
    flag("disable", "no longer start it with the host"),
)
def pool_autostart(run: Run, *, pool: str, disable: bool) -> None:
    """Mark a pool to be started with the host, or take the mark off."""
    handle = pool_of(run, pool)
    act = "unmark" if disable else "mark"
    with run.trying(f"failed to {act} pool {handle['name']} as autostarted"):
        run.conn.call("STORAGE_POOL_SET_AUTOSTART", pool=handle, autostart=int(not disable))
    _say(run, handle, f"{act}ed as autostarted", autostart=not disable)


def quoted(text: str) -> str:
    """*text* for an attribute in single quotes."""
    from xml.sax.saxutils import escape

    return escape(text, {"'": "&apos;", '"': "&quot;"})


def _act(run: Run, name: str, call: str, act: str, done: str, **args: int) -> None:
    handle = pool_of(run, name)
    with run.trying(f"Failed to {act} pool {handle['name']}"):
        run.conn.call(call, pool=handle, **args)
    _say(run, handle, done)


def _say(run: Run, pool: Pool, done: str, **facts: bool) -> None:
    told = {"pool": pool["name"], "uuid": format_uuid(pool["uuid"]), **facts}
    run.say(f"Pool {pool['name']} {done}", **told)


def require_active(run: Run, pool: Pool) -> None:
    """Raise Failure for a pool that is not active, as virsh does before it looks for a volume."""
    if not run.conn.call("STORAGE_POOL_IS_ACTIVE", pool=pool)["active"]:
        raise Failure(f"pool '{pool['name']}' is not active")
