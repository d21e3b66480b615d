"""Why a guest did not start: the catalogue of causes, one file a cause, and what a finding is."""
