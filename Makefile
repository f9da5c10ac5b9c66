PYTHON ?= python3
PARTS ?=
ROUNDS ?= 5
MINUTES ?= 10
WORKS ?=
PEERS ?=
CURVES ?=
OUT ?= build/bench
FROM ?=

STAMP := .venv/.installed
SAMPLE := tests/samples/shop
# What tests need beside an engine and Python.
TEST_PACKAGES := apache2-utils busybox-static docker-registry iproute2 openssh-server openssl postgresql shellcheck

.PHONY: help setup images run check test integration-all crash-all soak bench golden clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || scripts/ensure-packages python3-venv
	@command -v git >/dev/null || scripts/ensure-packages git
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

setup: $(STAMP) images ## install runner into .venv, make sure that an engine runs, build the images
	@.venv/bin/python -m compileall -q runner  # where PYTHONDONTWRITEBYTECODE is set, each start would compile anew

images: ## build the images under images/
	@scripts/ensure-docker
	@scripts/build-images

run: setup ## run the sample pipeline
	.venv/bin/runner exec --source $(SAMPLE) $(SAMPLE)/.vela.yml

check: $(STAMP) ## lint, format, types, import rules, size budget
	@scripts/check

test: setup check ## check, then all tests (PARTS="unit contract": only these parts; SEED=7: the sample of that run)
	@scripts/ensure-packages $(TEST_PACKAGES)
	@scripts/test $(PARTS)

integration-all: setup ## run the integration tests with every case, not a sample
	@scripts/ensure-packages $(TEST_PACKAGES)
	@scripts/test --all integration

crash-all: setup ## let the daemon die at every point, and kill it fifty times (two hours)
	@scripts/ensure-packages $(TEST_PACKAGES)
	@scripts/test --all crash

soak: setup ## let a daemon work on eight runs at a time (MINUTES=10)
	@.venv/bin/python scripts/soak --minutes $(MINUTES)

bench: setup ## measure against plain Docker: docs/benchmarks.md (ROUNDS=5, WORKS="gap true", PEERS=1, CURVES=1, OUT=DIR)
	@mkdir -p $(OUT)
	@.venv/bin/python scripts/bench --rounds $(ROUNDS) --json $(OUT)/bench.json --picture $(OUT)/bench.svg \
	  $(if $(FROM),--from $(FROM)) $(if $(PEERS),--peers) $(if $(CURVES),--curves $(OUT)/bench-curves.svg) $(WORKS)

golden: $(STAMP) ## write the expected plans of tests/golden anew
	@.venv/bin/python scripts/golden

clean: ## remove what setup has made here (the images stay on the engine)
	rm -rf .venv build runner.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find runner -name __pycache__ -prune -exec rm -rf {} +
