# Everything a person types. `make` alone lists it.
RECIPE ?= espeak
RUN    ?= runs/$(RECIPE)
PYTHON ?= python3
DEVICE ?=
SET    ?=
TIMIT  ?=
DATA   ?=
PARTIAL ?=
SEEDS  ?=
BROWSER ?=
BIN    := .venv/bin
EXTRAS := dev,plots,synth

device := $(if $(DEVICE),--device $(DEVICE))
benches := $(if $(DEVICE),tests/bench/bench_train.py,$(sort $(wildcard tests/bench/bench_*.py)))
sets   := $(foreach setting,$(SET),--set $(setting))
runs   := $(if $(SEEDS),$(foreach seed,$(shell seq $(SEEDS)),$(RUN)-seed$(seed)))
source := $(if $(TIMIT),--source $(TIMIT)) $(if $(PARTIAL),--partial)

.DEFAULT_GOAL := help
.PHONY: help setup train evaluate tune transcribe report plot test browser check bench torture results clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
	@echo "variables: RECIPE=espeak RUN=runs/RECIPE SEEDS=5 TIMIT=/where/it/lies DATA=/my/recordings PARTIAL=1 SET='part.key=value …' DEVICE=cpu WAV=… LEXICON=…"

setup: .venv/.ready ## make .venv and fill it (done by the others when needed)

.venv/.ready: pyproject.toml
	@echo "setting up .venv (a minute or two: PyTorch is large)" >&2
	@begin=$$(date +%s); \
	if command -v uv >/dev/null; then \
	    uv venv --quiet --allow-existing --python '>=3.11' .venv && uv pip install --quiet --python $(BIN)/python -e '.[$(EXTRAS)]'; \
	else \
	    $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'; \
	fi && touch $@ && echo "set-up: $$(( $$(date +%s) - begin )) s" >&2

train: setup ## prepare the corpus, train RECIPE, score it on dev and test (SEEDS=5: five seeds; DATA=/my/recordings: yours)
ifneq ($(DATA),)
	@corpus=$$($(BIN)/asr prepare "$(DATA)" $(if $(PARTIAL),--partial)) && run="runs/$$(basename "$$corpus")" && \
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

evaluate: setup ## score RUN on dev and test again
	@$(BIN)/asr evaluate $(RUN) --set dev --set test $(device)

tune: setup ## choose RUN's beam search and language model weights on dev (LEXICON=file for words)
	@$(BIN)/asr tune $(RUN) $(if $(LEXICON),--decoder lexicon --lexicon $(LEXICON) --order 2 --width 100,--order 3) $(device)

transcribe: setup ## print what is said in WAV (a file or a folder)
	@$(if $(WAV),,echo "make transcribe needs WAV=file.wav" >&2; exit 2)
	@$(BIN)/asr transcribe --bundle $(RUN) $(device) $(WAV)

test: setup browser ## run the tests (root's first time installs chromium with apt; BROWSER=no: don't)
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# Tried once, as root where apt is there, in two minutes at the most; without a browser its tests are skipped and say so.
browser: .venv/.browser ## install chromium for the tests of the report, where that is possible (BROWSER=no: don't)

.venv/.browser: | setup
	@if command -v chromedriver >/dev/null && command -v chromium >/dev/null; then :; \
	elif [ "$(BROWSER)" = no ] || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	    echo "no chromium with chromedriver here; the report's tests in a browser will be skipped" >&2; \
	else \
	    echo "installing chromium and its driver into this system with apt, for the report's tests (BROWSER=no leaves them out)" >&2; \
	    export DEBIAN_FRONTEND=noninteractive; quick="-o Acquire::Retries=1 -o Acquire::http::Timeout=10 -o DPkg::Lock::Timeout=20"; \
	    { timeout 30 apt-get update -qq $$quick; \
	      timeout 90 apt-get install -qq -y --no-install-recommends $$quick chromium chromium-driver; } >/dev/null 2>&1 </dev/null \
	        || echo "chromium cannot be installed; the report's tests in a browser will be skipped" >&2; \
	fi; touch $@

report: setup ## write RUN's results on test as one HTML page
	@$(BIN)/asr report $(RUN)

plot: setup ## draw RUN's curves, confusions and calibration, or WAV, as PNG
	@$(BIN)/asr plot $(if $(WAV),$(WAV) --bundle $(RUN),$(RUN))

check: setup ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: setup ## measure speed beside the peers (DEVICE=cuda: training there)
	@for file in $(benches); do $(BIN)/python $$file $(device) || exit 1; done

torture: setup ## kill, stop, poison and starve trainings, and see that nothing is lost (ten minutes)
	@$(BIN)/python tests/bench/torture.py

results: setup ## take the results of runs/ into recipes/results and write the table in recipes/README.md
	@$(BIN)/asr table

clean: ## remove what was made here: .venv, runs, corpora that can be made again
	rm -rf .venv runs data/espeak data/timit data/timit-sample .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find asr tests -name __pycache__ -type d -prune -exec rm -rf {} +
