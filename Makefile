# make run    everything from a fresh clone: .venv, then the default workflow
# make test   the tests and the style checks

INSTALLED := .venv/installed

.PHONY: run test

run: $(INSTALLED)
	.venv/bin/snakemake --cores all

test: $(INSTALLED)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/snakefmt --check Snakefile workflow
	.venv/bin/snakemake --lint
	.venv/bin/python -m pytest -m "not network and not modal and not modal_live and not slurm and not l0" \
		--numprocesses auto --maxprocesses 4 --dist loadfile

# The first that is new enough; python3 is pyenv's choice where pyenv is at work.
$(INSTALLED): requirements.txt pyproject.toml
	@for python in python3.12 python3 python3.13 python3.14 "$$(uv python find 3.12 2>/dev/null)"; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then \
			echo "making .venv with $$("$$python" --version)"; \
			exec "$$python" -m venv .venv; \
		fi; \
	done; \
	echo "error: no Python 3.12 or newer; install one, for instance: uv python install 3.12" >&2; \
	exit 1
	.venv/bin/python -m pip install --requirement requirements.txt
	.venv/bin/python -m pip install --no-build-isolation --no-deps --editable .
	@touch $@
