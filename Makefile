# make demo       sets up the training environment and shows odfreeze at work
# make test       sets up what it needs and runs every check, and every test but the slow ones
# make test-slow  runs those: the same points again on larger models; the better part of an hour
# make matrix     trains in every environment of requirements/train-*.lock and prints a table
#
# Environments live in .cache/env, one for each content of its lock files.

# python_of VERSION: on PATH, or where pyenv keeps it.
python_of = $(firstword \
  $(shell python$(1) -c 'import sys; print(sys.executable)' 2>/dev/null) \
  $(wildcard $(HOME)/.pyenv/versions/$(1).*/bin/python$(1)) python$(1))

PYTHON ?= $(call python_of,3.11)
OLDEST_TRAIN := tf2.12-py3.10

CACHE := .cache/env
key = $(shell cat $(1) | cksum | cut -d ' ' -f 1)
DEV_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d%d" % sys.version_info[:2])' 2>/dev/null)
DEV := $(CACHE)/dev-py$(DEV_VERSION)-$(call key,requirements/build.lock requirements/dev.lock)
TRAIN_NAMES := $(patsubst requirements/train-%.lock,%,$(sort $(wildcard requirements/train-*.lock)))
train_env = $(CACHE)/train-$(1)-$(call key,requirements/build.lock requirements/train-$(1).lock)

version_of = $(lastword $(subst -py, ,$(1)))
# The newest environment whose Python is on this machine; all of them pass the matrix.
DEFAULT_TRAIN := $(firstword $(foreach name,tf2.21-py3.13 tf2.19-py3.12 tf2.15-py3.11 tf2.12-py3.10, \
  $(if $(wildcard $(call python_of,$(call version_of,$(name)))),$(name))) tf2.21-py3.13)
# The training environment of demo, test-train and benchmarks, as its lock is called.
TRAIN_NAME ?= $(DEFAULT_TRAIN)
TRAIN := $(call train_env,$(TRAIN_NAME))

# Quiet on machines without a GPU, and equal on those with one.
export CUDA_VISIBLE_DEVICES ?=
export TF_CPP_MIN_LOG_LEVEL ?= 3
# The tests start hundreds of processes, each of which would compile anew what it imports.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test browser test-fast test-pythons test-train test-slow matrix lock check format protos docs benchmarks benchmarks-training study \
  train-env dev-env clean

demo: $(TRAIN)/complete
	$(TRAIN)/bin/odfreeze demo

test: check browser test-fast test-pythons test-train matrix-$(OLDEST_TRAIN)

# The oldest and the newest Python of the core, where they are on the machine; with fewer examples
# of what must hold for any.
OTHER_PYTHONS := $(wildcard $(call python_of,3.10) $(call python_of,3.13))

test-pythons:
	@for python in $(OTHER_PYTHONS); do \
	  echo "tests on $$python"; \
	  ODFREEZE_EXAMPLES=0.2 $(MAKE) --no-print-directory test-fast PYTHON=$$python || exit 1; \
	done

# The report is looked at in a browser. A CI machine gets one; elsewhere these tests are skipped
# where there is none.
browser:
	@[ -n "$$(which $(CHROMIUM) chromium chromium-browser google-chrome 2>/dev/null)" ] \
	  || { [ "$(CI)" = true ] && [ "$$(id -u)" = 0 ] && apt-get -qq update \
	    && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium \
	       >/dev/null 2>&1; } \
	  || echo "no Chromium here: the tests that look at the report with it are skipped"

test-fast: $(DEV)/complete
	$(DEV)/bin/python -m pytest -n auto -m "not train" $(PYTEST_ARGS)

# Without what the matrix is for: a staged run shows the same here, and more.
test-train: $(TRAIN)/complete
	$(TRAIN)/bin/python -m pytest -W ignore -n 2 --dist loadfile --no-loadscope-reorder \
	  -m "train and not slow" tests --ignore=$(MATRIX_TESTS) $(PYTEST_ARGS)

# What `make test` leaves out: tests marked slow, which repeat the point of others on larger models.
test-slow: $(TRAIN)/complete
	$(TRAIN)/bin/python -m pytest -W ignore -m "train and slow" tests $(PYTEST_ARGS)

# A short training in each environment; what fails in one does not keep the others from running.
MATRIX_TESTS := tests/training/test_any_environment.py
matrix:
	rm -rf .cache/matrix
	-$(MAKE) --no-print-directory --keep-going $(addprefix matrix-,$(TRAIN_NAMES))
	$(PYTHON) tests/matrix.py .cache/matrix $(TRAIN_NAMES)

# make lock NAME=tf2.21-py3.13 [WITH='PACKAGE==VERSION …'] resolves a training environment anew.
lock:
	NAME='$(NAME)' WITH='$(WITH)' requirements/lock.sh $(call python_of,$(call version_of,$(NAME)))

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
	$(TRAIN)/bin/python benchmarks/check.py

benchmarks-training: $(TRAIN)/complete
	$(TRAIN)/bin/python benchmarks/training.py

# The tables of docs/study.md: a base model and its fine-tunings; an hour on two cores.
study: $(TRAIN)/complete
	$(TRAIN)/bin/python studies/staged_finetuning.py

# The table of docs/architectures.md, from a model of each kind; takes a while.
docs: $(TRAIN)/complete
	ODFREEZE_WRITE_DOCS=1 $(TRAIN)/bin/python -m pytest -W ignore -m train \
	  tests/training/test_every_architecture.py -k TestEveryArchitecture

train-env: $(TRAIN)/complete
dev-env: $(DEV)/complete

$(DEV)/complete: requirements/build.lock requirements/dev.lock
	$(call environment,$(PYTHON),$(DEV),requirements/dev.lock)

define training_environment
$(call train_env,$(1))/complete: requirements/build.lock requirements/train-$(1).lock
	$$(call environment,$$(call python_of,$(call version_of,$(1))),$$(@D),requirements/train-$(1).lock)

.PHONY: train-env-$(1) matrix-$(1)
train-env-$(1): $(call train_env,$(1))/complete
matrix-$(1): train-env-$(1)
	$(call train_env,$(1))/bin/python -m pytest -W ignore $$(MATRIX_TESTS) \
	  --junit-xml=.cache/matrix/$(1).xml
endef
$(foreach name,$(TRAIN_NAMES),$(eval $(call training_environment,$(name))))

# An environment counts only when its last line has run; one cut short is made anew.
define environment
	rm -rf $(2)
	$(1) -m venv $(2)
	$(2)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/build.lock
	$(2)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -r $(3)
	$(2)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $(2)/complete
endef

clean:
	rm -rf .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis demo_output study_output
