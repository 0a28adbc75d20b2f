# The ways into this project. `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
export PYTHON

.PHONY: help setup demo test test-fast prove check format bench release requirements table schemas clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

setup: ## the virtual environment, with the command at .venv/bin/imagefab
	@.ci/setup

demo: setup ## build aarch64-musl, run a program compiled in it, print its pinned reference
	@.ci/demo

test: setup ## all tests but the long ones: units, the real archive, all engines
	@.ci/test

test-fast: setup ## the units only, in a minute on two processors
	@.venv/bin/pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) -m "not e2e and not archive" --ignore tests/e2e --ignore tests/prove

prove: setup ## what takes hours, for RECIPES="…" and PLATFORMS="…" or all; it goes on where it was, FRESH=1 begins anew
	@.ci/setup-tests
	@[ -z "$(FRESH)" ] || rm -rf .cache/prove/results.json
	@RECIPES="$(RECIPES)" PLATFORMS="$(PLATFORMS)" .venv/bin/python -m tests.own_docker .venv/bin/python -m pytest -p tests.prove.plugin -m prove --durations 0

check: setup ## lint, types, shell scripts, Dockerfiles, generated files
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/shellcheck .ci/* src/imagefab/ci/workflows/*.sh
	@.venv/bin/hadolint images/*/Dockerfile
	@.venv/bin/imagefab lock --check
	@.venv/bin/imagefab render --check
	@.venv/bin/imagefab list --markdown --into images/README.md --check
	@.venv/bin/imagefab list --markdown --into recipes/CHOOSING.md --check

format: setup ## have ruff mend and lay out the code
	@.venv/bin/ruff check --fix . && .venv/bin/ruff format .

bench: setup ## ratios against what one would do otherwise, in one run
	@.ci/setup-tests
	@.venv/bin/python -m tests.bench

release: setup ## build wheel, sdist and notes of this version in dist/
	@.ci/release

table: setup ## write the tables of recipes again, from what the last checks found
	@.venv/bin/imagefab list --markdown --into images/README.md
	@.venv/bin/imagefab list --markdown --into recipes/CHOOSING.md

schemas: setup ## write the JSON schemas again
	@.venv/bin/python -c 'from imagefab.recipe.project import find_shipped_project as p; from imagefab.recipe.schema import write_schemas as w; from imagefab.toolchains.design import RULES; w(p(), RULES)'
	@.venv/bin/python -c 'from imagefab.recipe.project import find_shipped_project as p; from imagefab.records.catalogue_schema import write_catalogue_schema as w; w(p().images_dir)'

requirements: ## pin the dependencies anew
	@rm -rf .venv-pin && $(PYTHON) -m venv .venv-pin && .venv-pin/bin/pip install --quiet pip-tools
	@.venv-pin/bin/pip-compile --quiet $(UPGRADE) --extra dev --generate-hashes --strip-extras --allow-unsafe --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.txt pyproject.toml
	@rm -rf .venv-pin

clean: ## remove the virtual environment and caches of tools
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
