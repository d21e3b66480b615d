"""``python -m virtup.guests``."""

from virtup.guests.main import main

main()
