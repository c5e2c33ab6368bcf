# Every command a person needs. Python 3.11 or newer is all that must be there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STATE  ?= .mlcycle
UV     := 0.13.8

export MLCYCLE_STATE := $(STATE)
# Without .pyc files every Airflow process compiles everything again.
unexport PYTHONDONTWRITEBYTECODE
# A folder of wheels for pip (a CPU build of torch, an air-gapped machine) serves uv as well.
ifneq ($(PIP_FIND_LINKS),)
export UV_FIND_LINKS := $(PIP_FIND_LINKS)
endif

.PHONY: help setup up down status demo test test-kubernetes unit lint mutate bench clean lock screenshots images secrets demo-compose demo-kubernetes

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 25

setup: $(VENV)/.ready ## make the environment (the other commands do it by themselves)

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 13) else "mlcycle needs Python 3.11 or 3.12, this is %d.%d: make PYTHON=python3.11 ..." % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python lacks venv: install it (Debian: apt install python3-venv)"; exit 1; }
	@echo "installing packages ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV) 2>/dev/null
	@$(cpu_torch)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@echo "compiling bytecode ..."
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

# Without a GPU the CPU build of the locked torch does: CUDA alone is 4 GB. Installed first, it satisfies the lock.
# Where its index is silent, and where there is a GPU or a folder of wheels, the lock is installed as it stands.
define cpu_torch
ls /dev/nvidia[0-9]* >/dev/null 2>&1 || [ -n "$$UV_FIND_LINKS" ] || \
  UV_HTTP_TIMEOUT=10 UV_HTTP_RETRIES=0 timeout 900 $(BIN)/uv pip install --quiet --python $(BIN)/python \
    --no-deps --torch-backend=cpu $$(grep '^torch==' requirements.lock) 2>/dev/null || true
endef

up: setup ## start the platform: Airflow, MLflow, Evidently, PostgreSQL
	@$(BIN)/mlcycle up

down: setup ## stop it
	@$(BIN)/mlcycle down

status: setup ## what runs, where, since when
	@$(BIN)/mlcycle status

demo: setup ## the reference project's whole life, on real data; the platform stays up
	@$(BIN)/mlcycle demo

test: lint ## everything that must hold; what needs containers or a cluster says so where there is none
	@$(BIN)/python -m pytest tests/unit -n 2 --dist loadfile
	@$(BIN)/python -m pytest tests --ignore=tests/unit -n 2 --dist loadfile --no-loadscope-reorder

test-kubernetes: setup ## the tests of pods and of the chart, on the cluster of KUBECONFIG
	@$(BIN)/python -m pytest tests/kubernetes

unit: setup ## the pure parts, in under a minute
	@$(BIN)/python -m pytest tests/unit -n 2 --dist loadfile

lint: setup ## style, types, import contracts, project files
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mlcycle check

mutate: setup ## change one thing at a time in the domain and see whether the unit tests notice: 20 minutes
	@rm -rf mutants
	@nice -n 19 $(BIN)/mutmut run
	@$(BIN)/python tests/unit/mutants.py

bench: setup ## every figure of docs/benchmarks.md, beside its peer
	@for file in benchmarks/*.py; do name=$$(basename $$file .py); \
	  case $$name in common|__init__) ;; *) echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1;; esac; done

images: ## container images, without CUDA; IMAGES="mlcycle-step:cuda ..." makes these (docs/images.md)
	@WHEELS="$(if $(filter undefined,$(origin WHEELS)),$(PIP_FIND_LINKS),$(WHEELS))" docker/build.sh $(IMAGES)

secrets: ## passwords and keys of docker-compose.yml, into secrets/; what is there stays
	@$(PYTHON) docker/make_secrets.py $(or $(MLCYCLE_SECRETS),secrets)

demo-compose: ## the demo on a platform of containers (docs/deploy.md); UNTIL=2013-06-03 for a shorter one
	@PYTHON="$(PYTHON)" docker/demo.sh $(UNTIL)

demo-kubernetes: ## the demo in kubectl's current context, every step a pod (docs/deploy.md); UNTIL=2013-06-03 for a shorter one
	@helm/demo.sh

clean: ## stop the platform and remove all it holds; the environment stays
	@if [ -x $(BIN)/mlcycle ] && [ -d $(STATE) ]; then $(BIN)/mlcycle down; fi
	@rm -rf $(STATE)

lock: setup ## resolve the dependencies anew (no folder of wheels: its path would end up in the lock)
	@env -u UV_FIND_LINKS $(BIN)/uv pip compile pyproject.toml --all-extras --group dev --python-version 3.11 --no-header \
	  --no-annotate --upgrade --quiet $(addprefix --no-emit-package ,$(CUDA)) -o requirements.lock

# torch pins these itself where its build needs them; a lock that names them costs 2.5 GB without a GPU.
CUDA := triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
  nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver \
  nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx

screenshots: setup ## the README's pictures, from the running demo (needs Chromium)
	@$(BIN)/python docs/screenshots.py
