# make run, make test and others install missing programs first; see scripts/setup.sh.
SHELL  := /bin/bash
SERVER ?= redis-server
PORT   ?= 6379
WEB    ?= 8017
DATA   ?= data
TIME   ?= 60
ROUNDS ?= 300
COUNT  ?= 100000
STEPS  ?= 1000000
ARGS   ?=

# Builds go side by side, and make shares its slots with other makes only: cargo is to count its own.
CARGO  := env -u MAKEFLAGS -u MFLAGS cargo
PY     := .venv/bin/python
MODULE := target/release/libredis_state.so
PYTHON := tests benches scripts fuzz src/core/tests/golden
FAULT  := target/fault/release/libredis_state.so
export SERVER

.PHONY: help run console console-venv test build build-tests lint bench bench-smoke fuzz miri clean setup setup-bench \
        test-core test-server test-python test-browser package test-matrix test-hostile test-faults test-counts test-memory

help:
	@echo 'make run           build, then start a server with the module (PORT=6379 DATA=data)'
	@echo 'make console       the same with a demo fleet, and the console to look at it (PORT=6379 WEB=8017)'
	@echo 'make test          every test, on one server'
	@echo 'make test-python the tests of the Python package, with its types and its style'
	@echo 'make test-browser  the tests of the console in Chromium'
	@echo 'make lint          formatting, clippy, ruff, shellcheck, docs, layers'
	@echo 'make bench         the server benchmarks        make bench-smoke  a small version'
	@echo 'make fuzz          every fuzz target for TIME=60 seconds'
	@echo 'make test-matrix   the integration tests on every supported server'
	@echo 'make test-hostile  COUNT=100000 damaged payloads    make test-faults  ROUNDS=300 kills'
	@echo 'make test-counts   STEPS=1000000 random steps, the counts against walks over all keys'
	@echo 'make test-memory   integration tests under AddressSanitizer'
	@echo 'make miri          core tests under Miri, valgrind and ThreadSanitizer'
	@echo 'make build         the module alone                  make clean        delete what was built'
	@echo 'SERVER=/path/to/redis-server picks another server for run, test and bench'

setup:
	@scripts/setup.sh test

build:
	$(CARGO) build --release

build-tests:
	$(CARGO) build --release --features fault-injection --target-dir target/fault
	$(CARGO) build --example second_module

run:
	@scripts/setup.sh run
	@$(MAKE) --no-print-directory build
	@PORT=$(PORT) DATA=$(DATA) scripts/run-server.sh $(MODULE)

# Whoever waits for the build should know before it that a port is taken.
console:
	@PORT=$(PORT) WEB=$(WEB) scripts/console.sh --ports
	@scripts/setup.sh console
	@$(MAKE) --no-print-directory -j2 console-venv build
	@PORT=$(PORT) WEB=$(WEB) scripts/console.sh $(MODULE)

# Beside the build, so that somebody who waits for the page waits less.
console-venv:
	@scripts/setup.sh console-venv

test: setup
	@echo "make test: building the core's tests and the module side by side; the first time takes some minutes"
	@$(MAKE) --no-print-directory -j2 test-core build build-tests
	@$(MAKE) --no-print-directory test-server
	@$(MAKE) --no-print-directory test-python

test-core:
	$(CARGO) test --workspace

test-server: package
	MODULE=$(MODULE) FAULT_MODULE=$(FAULT) $(PY) -m pytest tests $(ARGS)

# Tests run on the package as `pip install ./python` installs it, not on its source. Nothing is downloaded.
package:
	$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall ./python

test-python: package
	$(PY) -m ruff check python
	$(PY) -m ruff format --check python
	cd python && ../$(PY) -m mypy
	@# ARGS may choose tests of the module only: pytest says 5 if there is none here.
	MODULE=$(MODULE) $(PY) -m pytest python/tests -o pythonpath='tests ../tests/support' $(ARGS) \
	    || { [ $$? = 5 ] && [ -n "$(ARGS)" ]; }

# CHROMIUM=/path names another browser than `chromium`, SHOTS=folder keeps a picture of each test's end.
test-browser:
	@scripts/setup.sh browser
	@$(MAKE) --no-print-directory build package
	MODULE=$(MODULE) $(PY) -m pytest python/tests/browser -o pythonpath='tests ../tests/support' $(ARGS)

lint:
	@scripts/setup.sh lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --all-targets --features fault-injection -- -D warnings
	python3 src/core/tests/golden/make.py --check
	$(PY) -m ruff check $(PYTHON)
	$(PY) -m ruff format --check $(PYTHON)
	shellcheck scripts/*.sh fuzz/*.sh .ci/run
	scripts/layers.py
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items
	scripts/layers.py
	@tree=$$(cargo tree -p redis-state-core --prefix none --edges normal,build) \
	    && ! grep redis <<<"$$tree" | grep -v '^redis-state-core ' \
	    || { echo 'lint: the core must know nothing of the server'; exit 1; }

setup-bench:
	@scripts/setup.sh bench

bench: setup-bench build
	$(PY) benches/server/bench.py $(ARGS)

bench-smoke: setup-bench build
	$(PY) benches/server/bench.py --smoke

fuzz:
	@scripts/setup.sh fuzz
	fuzz/run.sh $(TIME)

test-matrix:
	@scripts/setup.sh matrix
	@$(MAKE) --no-print-directory build build-tests
	MODULE=$(MODULE) FAULT_MODULE=$(FAULT) scripts/matrix.sh $(ARGS)

test-hostile: setup build
	MODULE=$(MODULE) HOSTILE_COUNT=$(COUNT) $(PY) -m pytest tests/hostile $(ARGS)

test-faults: setup build build-tests
	MODULE=$(MODULE) FAULT_MODULE=$(FAULT) FAULT_ROUNDS=$(ROUNDS) $(PY) -m pytest tests/faults $(ARGS)

test-counts: setup build
	MODULE=$(MODULE) COUNT_STEPS=$(STEPS) $(PY) -m pytest tests/test_counts.py $(ARGS)

test-memory: setup
	scripts/memory.sh $(ARGS)

miri:
	@scripts/setup.sh core-memory
	scripts/miri.sh

clean:
	cargo clean
	rm -rf .venv .pytest_cache python/.mypy_cache python/.pytest_cache .ruff_cache python/.ruff_cache
	find tests benches python -name __pycache__ -type d -prune -exec rm -rf {} +
