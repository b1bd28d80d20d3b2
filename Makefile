# `make demo` and `make test` are all the set-up there is: both create the virtual environment they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check format bench fuzz docs screenshots schemas language-server clean
.DELETE_ON_ERROR:

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed; name one with: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "python3 cannot make virtual environments; on Debian: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[sim]' --group test --group check --group bench
	@touch $@

demo: $(STAMP)  ## lint and plan a fixture cluster, and print both
	-$(BIN)/calico-lint fixtures/specs/mistakes.yaml --kops-version 1.12.3
	$(BIN)/calico-lint fixtures/specs/upgrade-new.yaml --from fixtures/specs/upgrade-old.yaml --kops-version 1.12.3 --from-kops-version 1.10.1
	$(BIN)/calico-sim plan fixtures/specs/upgrade-new.yaml --from fixtures/specs/upgrade-old.yaml --kops-version 1.12.3 --from-kops-version 1.10.1

test: $(STAMP)  ## all tests; what needs ../shared is skipped where it is missing
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal

check: $(STAMP)  ## style, types, and generated files against their sources
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m schemas.build --check
	$(BIN)/python -m calico_lint.settings_file --check
	$(BIN)/python -m calico_lint.manual --check
	$(BIN)/python -m calico_lint.reference --check
	$(BIN)/python -m calico_lint.explain --check docs/rules
	$(BIN)/python -m simulator.report.faults --check
	$(BIN)/python -m simulator.report.tables --check
	$(BIN)/python -m simulator.protocol.diagrams --check

format: $(STAMP)  ## write what check would ask for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m schemas.build
	$(BIN)/python -m calico_lint.settings_file
	$(BIN)/python -m calico_lint.manual
	$(BIN)/python -m calico_lint.reference
	$(BIN)/python -m calico_lint.explain --write docs/rules
	$(BIN)/python -m simulator.report.faults
	$(BIN)/python -m simulator.report.tables
	$(BIN)/python -m simulator.protocol.diagrams

FUZZ_SECONDS ?= 450
fuzz: $(STAMP)  ## hostile input for parser and fixer, random plans for the kernel, $(FUZZ_SECONDS) s each; stops at the first failure
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz
	nice -n 10 $(BIN)/python -m tests.fuzz parser $(FUZZ_SECONDS)
	nice -n 10 $(BIN)/python -m tests.fuzz fixer $(FUZZ_SECONDS)
	nice -n 10 $(BIN)/python -m tests.fuzz.kernel $(FUZZ_SECONDS)

bench: $(STAMP)  ## paired benchmarks; figures are ratios, see bench/README.md
	$(BIN)/python -m bench

docs: $(STAMP)  ## the documentation site, in build/site; diagrams are drawn where npm can get mermaid
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs
	-test -d build/mermaid/node_modules \
	  || npm install --silent --no-audit --no-fund --prefix build/mermaid mermaid@11.4.1
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

screenshots: $(STAMP)  ## the pictures in docs/pictures; those of pages need Chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs
	$(BIN)/python -m tests.docs_pictures

language-server:  ## yaml-language-server from npm, for tests/test_language_server.py
	npm install --silent --no-audit --no-fund --prefix build/language-server yaml-language-server@1.19.2

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
