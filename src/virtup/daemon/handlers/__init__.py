"""The handlers, a module an object family; importing a module registers its handlers."""


def load() -> None:
    """Register every handler."""
    from virtup.daemon.handlers import (  # noqa: F401
        connect,
        domain,
        elsewhere,
        events,
        fix,
        history,
        lists,
        node,
        pools,
        qemu,
        save,
        stream,
        virtup,
        volumes,
    )
