# make run    everything from a fresh clone: .venv, then the default workflow
# make test   the tests and the style checks
#
# make pipeline-auto BRANCH=main GPU=T4 EPOCHS=200 BUILD_DB=1     a new run that outlives the terminal
# make pipeline-status [RUN_ID=...]                               how far runs have come
# make pipeline-promote RUN_ID=...                                publish what was staged of a run
#
# All of pipeline-auto's variables may be left out; PROFILE=modal makes the run on Modal, and OPTIONS
# are Snakemake's. VENV=folder puts the environment elsewhere than into .venv.

VENV ?= .venv
# Images of containers often set it, and then every process compiles everything it imports again.
unexport PYTHONDONTWRITEBYTECODE

INSTALLED := $(VENV)/installed
# uv where there is one: seconds instead of a minute.
ifneq ($(shell command -v uv),)
INSTALL := uv pip install --quiet --python $(VENV)/bin/python
else
INSTALL := $(VENV)/bin/python -m pip install --no-compile
endif

.PHONY: run test pipeline-auto pipeline-status pipeline-promote

run: $(INSTALLED)
	$(VENV)/bin/snakemake --cores all

pipeline-auto: $(INSTALLED)
	$(VENV)/bin/localcal pipeline --detach \
		$(if $(BRANCH),--branch '$(BRANCH)') $(if $(GPU),--gpu '$(GPU)') \
		$(if $(EPOCHS),--epochs '$(EPOCHS)') \
		$(if $(filter-out 0 false no,$(BUILD_DB)),--build-database) \
		$(if $(PROFILE),--profile '$(PROFILE)') $(OPTIONS)

pipeline-status: $(INSTALLED)
	$(VENV)/bin/localcal status $(RUN_ID)

pipeline-promote: $(INSTALLED)
	@test -n '$(RUN_ID)' || { echo 'error: name the run: make pipeline-promote RUN_ID=...' >&2; exit 2; }
	$(VENV)/bin/localcal promote '$(RUN_ID)'

# mypy beside the tests: by itself it leaves all cores but one idle. What it says is told at the end.
# `snakemake --lint` is one of the tests.
test: $(INSTALLED)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/lint-imports
	@$(VENV)/bin/mypy > $(VENV)/mypy.txt 2>&1 & typed=$$!; \
	$(VENV)/bin/python -m pytest -m "not network and not modal and not modal_live and not slurm and not l0 and not fuzz and not slow" \
		--numprocesses auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder; tested=$$?; \
	wait $$typed; typed=$$?; echo mypy; cat $(VENV)/mypy.txt; \
	exit $$((tested ? tested : typed))

# Of Python the first that is new enough; python3 is pyenv's choice where pyenv is at work. Bytecode
# is made of the model's thousands of files at once, by all cores; of the rest when it is imported.
$(INSTALLED): requirements.txt pyproject.toml
	@for python in python3.12 python3 python3.13 python3.14 "$$(uv python find 3.12 2>/dev/null)"; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then \
			echo "making $(VENV) with $$("$$python" --version)"; \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "error: no Python 3.12 or newer; install one, for instance: uv python install 3.12" >&2; \
	exit 1
	$(INSTALL) --requirement requirements.txt
	$(INSTALL) --no-build-isolation --no-deps --editable .
	$(VENV)/bin/python -m compileall -q -j 0 $(VENV)/lib/python3*/site-packages/policyengine_us
	@touch $@
