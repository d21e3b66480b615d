"""What is different between two starts of one guest, by the records that they left.

    changes(good, failed, subjects=("/srv/a.qcow2",))

Records are the data of `virtup.machine.attempts`. What one of two records does not tell (an
earlier virtup wrote it, the start never got as far, the host did not answer) is no difference.
What differs from start to start anyway is none either: process and port numbers, descriptors,
taps, generated addresses, the time of a disk that the guest writes to.
"""

from virtup.model.history.change import Change
from virtup.model.history.compare import changes, compared, last_good
from virtup.model.history.definition import unified

__all__ = ["Change", "changes", "compared", "last_good", "unified"]
