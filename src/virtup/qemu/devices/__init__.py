"""The devices' options, a file each: twins of `virtup.model.domain.devices`."""
