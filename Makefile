# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: demo test check generate crash day faults rtsp-faults scale tmpfs picamera homeassistant clean

demo: $(VENV)/.demo
	$(BIN)/edgecam demo $(ARGS)

test: $(VENV)/.test
	tests/install-peers
	tests/run $(ARGS)

# The fast half of `make test`: style and types.
check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Files that are made from the code; a test says when they are stale.
generate: $(VENV)/.test
	$(BIN)/python -m edgecam.config.generate
	$(BIN)/python tests/unit/test_discovery.py
	$(BIN)/python tests/unit/test_homeassistant_files.py

# A network camera breaks 150 times, in half an hour; the tests do a few rounds of it.
rtsp-faults: $(VENV)/.test
	tests/install-peers
	PYTHONPATH=tests $(BIN)/python tests/rtsp_faults.py >docs/reliability-rtsp.txt

# Every fault of network, store, disk and process that the offload must survive, in half an hour; the tests do a short form
# of it. ARGS="--jobs 6 --rows 5,6 --seed 1".
faults: $(VENV)/.test
	tests/install-peers
	PYTHONPATH=tests $(BIN)/python tests/faults/campaign.py $(ARGS) >docs/reliability.md

# The daemon is killed 200 times while it records, and as root its power goes 25 times, in half an hour; the tests do a
# few of both. ARGS="--kills 20 --cuts 2 --seed 1".
crash: $(VENV)/.test
	tests/install-peers
	PYTHONPATH=tests $(BIN)/python tests/crash/campaign.py $(ARGS) >docs/crash.txt

# 50 cameras in one daemon and 100 nodes on one broker, in three minutes; the tests do a few of both.
# ARGS="--cameras 0 5 --nodes 5 --seconds 5".
scale: $(VENV)/.test
	tests/install-peers
	PYTHONPATH=tests $(BIN)/python tests/scale.py $(ARGS) >docs/scale.txt

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.test: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.demo

# A whole day of a camera whose times lie; its last output is in docs/day.txt.
day: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python tests/day.py $(ARGS)

# Recording without end into 60 MB, ten times over, as root; its last output is in docs/tmpfs.txt.
tmpfs: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python tests/tmpfs.py

# The daemon on the real picamera2 with libcamera's virtual camera, in a Debian root of its own. As root.
picamera:
	tests/system/picamera/check.py docs/picamera2-run.txt

# What users copy, on a real Home Assistant: HASS is its command, `bin/hass` of a virtual environment that has the package.
# ARGS="--guide docs/home-assistant.md" keeps the output and new pictures there.
homeassistant: $(VENV)/.test
	tests/install-peers
	PYTHONPATH=tests HASS="$(HASS)" $(BIN)/python -m homeassistant.check $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
