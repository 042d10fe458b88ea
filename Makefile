# make demo: restore the sample clip through the notebooks. make test: all checks. make lab: JupyterLab on the sample.
# make check: style, types and the tests of the method, which need no video: while one works.
# make lint: style, types, docstrings, imports, spelling. make docs: the documentation, into build/docs; warnings are errors.
# make browser-test: the notebooks in JupyterLab, and workbench app, in a real browser; installs Debian's chromium when there is none.
# make scaling: time and memory of clips of 500 to 10,000 frames, beside the baselines (an hour or two).
# make fuzz: 500 broken and hostile inputs. make kill-test: 50 runs killed at random moments. Both say how to repeat one.
# Each creates .venv with the pinned packages when it is missing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get

.PHONY: demo test check lint docs browser-test fuzz kill-test scaling lab notebooks clean

demo: $(READY)
	$(BIN)/workbench run data/sample.mp4 --out runs/sample --overwrite

test: lint docs
	$(BIN)/python -m pytest tests -n auto --dist loadfile
	rm -rf build/nbval && mkdir -p build/nbval && cp -r notebooks data build/nbval/
	WORKBENCH_HEADLESS=1 $(BIN)/python -m pytest --nbval-lax --nbval-kernel-name python3 -p no:cacheprovider \
		--rootdir build/nbval build/nbval/notebooks

# Folders whose tests compare arrays, so that a new test there is a fast one.
check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile tests/ordering tests/registration tests/scenes tests/storage

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/numpydoc lint $$(git ls-files 'workbench/*.py')
	$(BIN)/lint-imports
	$(BIN)/codespell

# The pages of the package are written anew, so that none of a module that is gone stays.
docs: $(READY)
	rm -rf docs/generated
	$(BIN)/sphinx-build -W --keep-going -n -q -b html docs build/docs

browser-test: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,docs,browser]'
	@command -v chromium >/dev/null || { $(APT) update -q && $(APT) install -q -y --no-install-recommends chromium; } || \
		{ echo "the browser tests need chromium on PATH: install it (on Debian: apt-get install chromium)" >&2; exit 1; }
	$(BIN)/python -m pytest tests/browser

fuzz: $(READY)
	$(BIN)/python -m tests.robustness.fuzz --count 500

kill-test: $(READY)
	$(BIN)/python -m tests.robustness.kill_runs --count 50

scaling: $(READY)
	$(BIN)/python benchmarks/scaling.py build/scaling --out build/scaling/table.csv

lab: $(READY)
	$(BIN)/workbench lab

# Execute the notebooks in place, with the outputs that are committed.
notebooks: $(READY)
	rm -rf runs/sample runs/when_it_fails
	WORKBENCH_HEADLESS=1 $(BIN)/jupyter nbconvert --to notebook --execute --inplace notebooks/*.ipynb
	$(BIN)/python -m tests.clean_notebooks notebooks/*.ipynb

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,docs]'
	touch $(READY)

clean:
	rm -rf .venv build runs
