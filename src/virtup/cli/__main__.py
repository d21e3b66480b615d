"""``python -m virtup.cli`` is ``virtup``."""

from virtup.cli.main import main

if __name__ == "__main__":
    main()
