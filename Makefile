# make demo   sets up the training environment and shows odfreeze at work
# make test   sets up what it needs and runs every check and test
#
# Environments live in .cache/env, one for each content of its lock files.

PYTHON311 ?= python3.11
PYTHON ?= $(PYTHON311)

CACHE := .cache/env
key = $(shell cat $(1) | cksum | cut -d ' ' -f 1)
DEV_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d%d" % sys.version_info[:2])' 2>/dev/null)
DEV := $(CACHE)/dev-py$(DEV_VERSION)-$(call key,requirements/build.lock requirements/dev.lock)
TRAIN := $(CACHE)/train-py311-$(call key,requirements/build.lock requirements/train-py311.lock)

# Quiet on machines without a GPU, and equal on those with one.
export CUDA_VISIBLE_DEVICES ?=
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test test-fast test-pythons test-train check format protos benchmarks train-env dev-env clean

demo: $(TRAIN)/complete
	$(TRAIN)/bin/odfreeze demo

test: check test-fast test-pythons test-train

# The oldest and the newest Python of the core, where they are on the machine.
OTHER_PYTHONS := $(foreach version,3.10 3.13,$(firstword \
  $(shell python$(version) -c 'import sys; print(sys.executable)' 2>/dev/null) \
  $(wildcard $(HOME)/.pyenv/versions/$(version).*/bin/python$(version))))

test-pythons:
	@for python in $(OTHER_PYTHONS); do \
	  echo "tests on $$python"; $(MAKE) --no-print-directory test-fast PYTHON=$$python || exit 1; \
	done

test-fast: $(DEV)/complete
	$(DEV)/bin/python -m pytest -n auto -m "not train" $(PYTEST_ARGS)

test-train: $(TRAIN)/complete
	$(TRAIN)/bin/python -m pytest -n 2 --dist loadfile -m train tests $(PYTEST_ARGS)

check: $(DEV)/complete
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy

format: $(DEV)/complete
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

# One descriptor set for each folder of protos/, without comments and places.
protos: $(DEV)/complete
	cd protos && ../$(DEV)/bin/python -m grpc_tools.protoc -I. --include_imports \
	  --descriptor_set_out=../odfreeze/schema/plan.binpb odfreeze/*.proto
	cd protos && ../$(DEV)/bin/python -m grpc_tools.protoc -I. --include_imports \
	  --descriptor_set_out=../odfreeze/schema/object_detection.binpb \
	  object_detection/protos/*.proto

benchmarks: $(TRAIN)/complete
	$(TRAIN)/bin/python benchmarks/preview.py
	$(TRAIN)/bin/python benchmarks/verify.py

train-env: $(TRAIN)/complete
dev-env: $(DEV)/complete

$(DEV)/complete: requirements/build.lock requirements/dev.lock
	$(call environment,$(PYTHON),$(DEV),requirements/dev.lock)

$(TRAIN)/complete: requirements/build.lock requirements/train-py311.lock
	$(call environment,$(PYTHON311),$(TRAIN),requirements/train-py311.lock)

# An environment counts only when its last line has run; one cut short is made anew.
define environment
	rm -rf $(2)
	$(1) -m venv $(2)
	$(2)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/build.lock
	$(2)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -r $(3)
	$(2)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $(2)/complete
endef

clean:
	rm -rf .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis demo_output
