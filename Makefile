# The two commands of the project: make demo, make test. Both set up what they need first.

SCORES = tests/golden/test_corpus.py tests/golden/test_wordings.py tests/golden/test_faults.py

.PHONY: demo test lint score bench guest readme clean

demo:    ## start a guest, break it, be told why, mend it
	@tools/setup demo
	@.venv/bin/python tools/demo.py

test:    ## everything: unit, golden, real QEMU, stock virsh, linters, types, layers
	@tools/setup test
	@.venv/bin/python tools/run_tests.py $(PYTEST_ARGS)

lint:    ## only what reads the source
	@tools/setup test
	.venv/bin/python -m pytest tests/test_linters.py tests/test_tidy.py

score:   ## how often the right cause comes first, and whether a wrong one ever does
	@tools/setup test
	@VIRTUP_FAULTS=all .venv/bin/python -m pytest -q -s -p no:randomly $(SCORES)

bench:   ## create and refuse, beside bare QEMU and stock libvirt
	@tools/setup test
	.venv/bin/python bench/run.py $(BENCH_ARGS)

guest:   ## only the tiny guest; prints where it is
	@tools/make_guest.py

readme:  ## run the demo and the bench and put what they printed into the README
	@tools/setup test
	.venv/bin/python tools/readme.py demo
	.venv/bin/python tools/readme.py figures

clean:   ## what the above left in this folder (the guest's cache is elsewhere)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
