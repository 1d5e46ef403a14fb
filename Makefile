# Two commands: `make report` (environment, installation, the main job) and `make test`.

# The first interpreter that is new enough; name another with PYTHON=...
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --retries 10 --timeout 60
# A registry may hiccup for longer than pip's own retries: try three times, then fail.
TRY = for n in 1 2 3; do $(1) && break; test $$n -lt 3 || exit 1; echo "trying again ($$n)" >&2; sleep 10; done

.PHONY: report test check lock clean
.DEFAULT_GOAL := report

report: .venv/installed
	@$(BIN)/depin-compare run

test: .venv/installed
	@$(BIN)/python -m pytest -n auto --dist loadfile

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/installed: pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "depin-compare needs Python 3.11 or newer; name it with PYTHON=..." >&2; exit 1; }
	@echo "installing into .venv (once) …" >&2
	@$(PYTHON) -m venv .venv
	@$(call TRY,$(PIP) install --require-hashes -r requirements.lock)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# The locked versions: run after a change of the dependencies in pyproject.toml.
lock:
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip install -q uv
	.venv-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --extra test --extra dev pyproject.toml -o requirements.lock
	rm -r .venv-lock

clean:
	rm -rf .venv dist depin-report .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
