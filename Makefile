# The two commands are `make run` and `make test`; CONTRIBUTING.md explains the others.
SETUP := scripts/python scripts/setup.py
BIN := .venv/bin
# Files go to the processes in their order: tests/conftest.py puts browsers last.
PYTEST := $(BIN)/pytest -n $(or $(PARALLEL),2) --dist loadfile --no-loadscope-reorder
export PYTHON

# An institute's own authority is known to the system, not to the lists that uv and Node bring along.
CERTIFICATES := $(wildcard /etc/ssl/certs/ca-certificates.crt)
ifneq ($(CERTIFICATES),)
export SSL_CERT_FILE ?= $(CERTIFICATES)
export NODE_EXTRA_CA_CERTS ?= $(CERTIFICATES)
endif

.PHONY: run test test-quick check format setup clean

run:
	@exec $(SETUP) run -m dashboard.serve

test: ROLE := test
# Servers, browsers and installs share the machine's cores: a test that lost a race for time is tried again, and the
# summary names it (RERUN), so that it is seen. What is wrong fails each time.
test: check
	$(PYTEST) --reruns 2 --reruns-delay 2 -r fEsR

test-quick: check
	$(PYTEST) -m "not slow and not browser"

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy .
	$(BIN)/djlint --check --lint dashboard/templates

format: setup
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/djlint --quiet --reformat dashboard/templates

setup:
	@$(SETUP) $(or $(ROLE),dev)

# What commands made; state in $$SERAI_DATA stays.
clean:
	rm -rf .venv .envs node_modules static/vendor .mypy_cache .pytest_cache .ruff_cache test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
