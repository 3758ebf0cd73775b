# `make` without a target lists the targets.
RECIPE ?= espeak
RUN    ?= runs/$(RECIPE)
PYTHON ?= python3
DEVICE ?=
SET    ?=
TIMIT  ?=
SOURCE ?= $(TIMIT)
DATA   ?=
SYNTHESIZE ?=
PARTIAL ?=
FULL   ?=
SEEDS  ?=
BIN    := .venv/bin
EXTRAS := dev,onnx,plots,serve,synth

device := $(if $(DEVICE),--device $(DEVICE))
benches := $(sort $(wildcard tests/bench/bench_*.py))
sets   := $(foreach setting,$(SET),--set $(setting))
runs   := $(if $(SEEDS),$(foreach seed,$(shell seq $(SEEDS)),$(RUN)-seed$(seed)))
source := $(if $(SOURCE),--source $(SOURCE)) $(if $(PARTIAL),--partial)

.DEFAULT_GOAL := help
.PHONY: help setup train evaluate tune transcribe report box plot memory test browser check bench speed gpu wheel torture fuzz results clean

help: ## list targets and variables
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
	@echo; echo "variables     RECIPE=espeak RUN=runs/espeak SEEDS=5 SET='section.key=value …' DEVICE=cpu"
	@echo "              DATA=FOLDER|TEXT.txt SYNTHESIZE=en SOURCE=FOLDER PARTIAL=1 WAV=FILE LEXICON=FILE"

setup: .venv/.ready ## create .venv and install everything into it (other targets do this when needed)

.venv/.ready: pyproject.toml
	@echo "creating .venv (a few minutes: PyTorch is a download of 1 to 3 GB)" >&2
	@begin=$$(date +%s); \
	if command -v uv >/dev/null; then \
	    uv venv --quiet --allow-existing --python '>=3.11' .venv && uv pip install --quiet --python $(BIN)/python -e '.[$(EXTRAS)]'; \
	else \
	    $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'; \
	fi && touch $@ && echo "set-up: $$(( $$(date +%s) - begin )) s" >&2

train: setup ## prepare the corpus of RECIPE (or your own in DATA), train on it, evaluate on dev and test (SEEDS=5: mean and deviation)
ifneq ($(DATA),)
	@corpus=$$($(BIN)/asr prepare "$(DATA)" $(if $(SYNTHESIZE),--synthesize $(SYNTHESIZE)) $(if $(PARTIAL),--partial)) && run="runs/$$(basename "$$corpus")" && \
	$(BIN)/asr train "$$corpus/recipe.toml" --out "$$run" $(sets) $(device) && \
	$(BIN)/asr evaluate "$$run" --set dev --set test $(device)
else ifeq ($(SEEDS),)
	@$(BIN)/asr prepare recipes/$(RECIPE).toml $(source) >/dev/null
	@$(BIN)/asr train recipes/$(RECIPE).toml --out $(RUN) $(sets) $(device)
	@$(BIN)/asr evaluate $(RUN) --set dev --set test $(device)
else
	@$(BIN)/asr prepare recipes/$(RECIPE).toml $(source) >/dev/null
	@for run in $(runs); do \
	    $(BIN)/asr train recipes/$(RECIPE).toml --out $$run $(sets) --set training.seed=$${run##*-seed} $(device) && \
	    $(BIN)/asr evaluate $$run --set dev --set test $(device) || exit 1; \
	done
	@$(BIN)/asr summary $(runs)
endif

evaluate: setup ## evaluate RUN on dev and test
	@$(BIN)/asr evaluate $(RUN) --set dev --set test $(device)

tune: setup ## tune RUN's beam search with a language model on dev (LEXICON=FILE: words)
	@$(BIN)/asr tune $(RUN) $(if $(LEXICON),--decoder lexicon --lexicon $(LEXICON) --order 2 --width 100,--order 3) $(device)

transcribe: setup ## transcribe WAV, a file or a folder
	@$(if $(WAV),,echo "make transcribe: pass WAV=FILE or WAV=FOLDER" >&2; exit 2)
	@$(BIN)/asr transcribe --bundle $(RUN) $(device) $(WAV)

test: setup ## run the tests
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# The only target that changes the system. Gives up after two minutes without a package mirror.
browser: ## install chromium with apt (as root), for the tests of the report in a browser
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then exit 0; fi; \
	export DEBIAN_FRONTEND=noninteractive; options="-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=10 -o DPkg::Lock::Timeout=20"; \
	{ timeout 30 apt-get $$options update && timeout 90 apt-get $$options install -y --no-install-recommends chromium chromium-driver; } \
	    >/dev/null 2>&1 </dev/null || { echo "make browser: cannot install chromium and chromium-driver (needs root and apt)" >&2; exit 1; }

report: setup ## write the results of RUN on test as one HTML page
	@$(BIN)/asr report $(RUN)

box: setup ## train the default recipe, put its system into the package, and say how it differs from the one there
	@$(MAKE) train RECIPE=espeak RUN=runs/box
	@$(BIN)/asr prepare recipes/timit-sample.toml $(source) >/dev/null
	@$(BIN)/asr evaluate runs/box --manifest data/timit-sample/test.jsonl --out runs/box/people
	@$(BIN)/python recipes/box.py runs/box runs/box/test.json runs/box/people/test.json

plot: setup ## draw RUN's learning curves, confusions and calibration, or WAV, as PNG
	@$(BIN)/asr plot $(if $(WAV),$(WAV) --bundle $(RUN),$(RUN))

memory: setup ## run the experiments on what recurrent networks remember, in ten minutes (FULL=1: in hours)
	@$(BIN)/asr memory $(if $(FULL),--full)

check: setup ## check formatting, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: setup ## measure speed beside other libraries, as one table and docs/speed.json (FULL=1: every table; on a GPU: make gpu)
	@$(if $(FULL),for file in $(benches); do $(BIN)/python $$file || exit 1; done,$(BIN)/python tests/bench/table.py)

speed: setup ## write docs/speed.json, which make bench measured, into README's table
	@$(BIN)/python tests/bench/table.py --readme README.md

gpu: setup ## test and measure everything that needs CUDA, and write docs/gpu.json
	@$(BIN)/python tests/bench/gpu.py

wheel: setup ## build the wheel and transcribe with it in an empty environment
	@$(BIN)/python tests/bench/wheel.py

torture: setup ## kill and starve trainings, preparations and servers, and check that nothing is lost (half an hour)
	@$(BIN)/python tests/torture

fuzz: setup ## feed damaged recordings, other files and requests to what reads them (ten minutes)
	@$(BIN)/python tests/fuzz

results: setup ## copy the results in runs/ to recipes/results and update the table in recipes/README.md
	@$(BIN)/asr table

clean: ## delete .venv, runs, caches and the corpora that `asr prepare` made (those with a corpus.json)
	rm -rf .venv runs $(patsubst %/corpus.json,%,$(wildcard data/*/corpus.json)) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find asr tests -name __pycache__ -type d -prune -exec rm -rf {} +
