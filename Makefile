# One verb each. `make serve` and `make test` need python3 and make, nothing else.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: serve test check format bench soak reliability pythons pictures site dist clean

serve: .venv/serve
	$(BIN)/fivefold serve examples/site

# Most tests wait more than they compute; those that measure have the machine for themselves.
# Many fork servers from pytest, and a fork costs what its parent's memory does: all tests in one
# heap (270 MB) take nearly twice the processor time of a part of them (70 MB).  A part that fails
# does not keep the others from being run.
# Many start servers: where the environment lets Python write no bytecode, each would compile it.
# Long files are begun first (tests/support/long_files.py).
SIDE_BY_SIDE := $(BIN)/python -m pytest -n $$((2 * $$(nproc))) --dist loadfile --no-loadscope-reorder -m "not alone"
OF_PAIRS := $(addprefix tests/,pairs http2 contract serving isolation processes iomodels)
OF_FILES := $(addprefix tests/content/,wsgi static routing)
# They import whole frameworks, which no other part shall carry along.
OF_FRAMEWORKS := tests/databases $(addprefix tests/content/,asgi application opentelemetry)
test: .venv/dev .venv/locust
	$(BIN)/python -m compileall -q src tests
	@status=0; set -x; \
	$(SIDE_BY_SIDE) $(OF_PAIRS) || status=1; \
	$(SIDE_BY_SIDE) $(OF_FILES) || status=1; \
	$(SIDE_BY_SIDE) $(OF_FRAMEWORKS) || status=1; \
	$(SIDE_BY_SIDE) tests $(addprefix --ignore=,$(OF_PAIRS) $(OF_FILES) $(OF_FRAMEWORKS)) || status=1; \
	PATH="$(CURDIR)/.venv/locust/bin:$$PATH" \
	$(BIN)/python -m pytest -m alone $$(grep -rl --include='test_*.py' mark[.]alone tests) || status=1; \
	exit $$status

check: .venv/check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What takes too long for every day: deaths again and again in each serving model; `compare` of a
# server with itself, 40 times; a day in the life of a shop and a service (MINUTES=3 for trying,
# SOAK='--shop process --service thread'); 500 reloads and 1,000 starts of each model (at most an
# hour each, whatever MINUTES says, and as root).
MINUTES ?= 20
soak: .venv/dev
	FIVEFOLD_SOAK=1 $(BIN)/python -m pytest tests/processes/test_deaths.py
	$(BIN)/python tests/soak/soak_itself.py
	$(BIN)/python tests/soak/soak.py --minutes $(MINUTES) $(SOAK)
	PYTHONPATH=tests $(BIN)/python -m reliability reloads starts

# The table of docs/reliability.md, and status 1 if a target of ours is missed. It needs root.
# ROWS='hup kill' measures those rows, RELIABILITY='--seconds 5 --markdown FILE' tries them.
reliability: .venv/dev .venv/peers
	PYTHONPATH=tests $(BIN)/python -m reliability $(ROWS) $(RELIABILITY)

bench: .venv/serve
	$(BIN)/python bench/run.py $(BENCH)

# The tests that meet the interpreter most, with other versions of it, which must be on the PATH.
PYTHONS ?= python3.12 python3.13
pythons: $(PYTHONS:%=.venv/pythons/%)
	for each in $(PYTHONS); do \
	  .venv/pythons/$$each/bin/python -m pytest -n $$((2 * $$(nproc))) --dist loadfile -m "not alone" \
	    tests/contract tests/pairs tests/content tests/iomodels || exit 1; \
	done

# Those of README.md, from the commands above them.
pictures: .venv/dev
	$(BIN)/python docs/pictures/draw.py

# The documentation, into site/: `fivefold serve site` shows it. A warning is an error.
site: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The wheel and the source distribution, into dist/: HACKING.md, "Releasing".
dist: .venv/dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf .venv bench/build bench/results dist site

# Debian ships python3 without ensurepip; root can fetch it, others are told how.
INSTALL_VENV = [ "$$(id -u)" = 0 ] && echo "make: installing Debian's python3-venv, once" \
	&& { said=$$(apt-get update -qq 2>&1 && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq python3-venv 2>&1 </dev/null) || { echo "$$said" >&2; false; }; }

.venv/pip:
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 \
	|| { rm -rf .venv; $(INSTALL_VENV) && $(PYTHON) -m venv .venv; } \
	|| { rm -rf .venv; echo "make: python3 cannot make a virtual environment: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

.venv/serve: .venv/pip pyproject.toml
	@echo "make: fetching what Fivefold needs into .venv, once"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/check: .venv/pip pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[check]'
	@touch $@ .venv/serve

# A program by itself: its greenlet is not the one that playwright wants.
.venv/locust: .venv/pip
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check locust

# Servers that others use, to do the same to them.
.venv/peers: .venv/pip
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check gunicorn 'uvicorn[standard]' hypercorn granian

.venv/pythons/%: .venv/pip pyproject.toml
	$* -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv/dev: .venv/pip pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ .venv/check .venv/serve
