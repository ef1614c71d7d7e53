# callveil. `make` alone lists the targets; `make run` and `make test` need nothing before them.

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := baresip-core chromium coturn curl ethtool firefox-esr gir1.2-gst-plugins-bad-1.0 gir1.2-nice-0.1 gstreamer1.0-nice gstreamer1.0-plugins-bad gstreamer1.0-plugins-base gstreamer1.0-plugins-good haproxy iproute2 janus libnginx-mod-stream libnss3-tools nftables nginx nodejs procps prosody python3-gi python3-venv tcpdump
PROGRAM := $(wildcard $(addprefix relay/forward/kernel/,*.c *.h build_hook.py compile.py))
PARSERS := tests/audit tests/stun tests/turn tests/calls tests/forward tests/sdp tests/api tests/config

# What the tests run one module of, which needs nothing of the gibibyte that the whole depends on.
ALONE := 'fastrtc>=0.0.30,<0.1'

# The first interpreter that is new enough; `make PYTHON=/path/to/python3` overrules it.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	echo "$$python" && break; done)

# Texts are UTF-8 in every locale.
export PYTHONUTF8 := 1

WHY = $(if $(PYTHON),$(PYTHON) is older or is not there,there is none here)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup system-packages synapse run test lint fmt bench audit interop fuzz floods clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/installed ## create .venv with callveil in it

run: $(VENV)/installed ## set up and start the relay and the demo on loopback (config/callveil.yaml)
	@exec $(BIN)/python -m examples --config config/callveil.yaml

test: lint ## set up, lint, and run the whole suite (JOBS=2: in two processes)
	$(BIN)/pytest $(if $(JOBS),--numprocesses $(JOBS) --dist loadfile)

lint: $(VENV)/installed-test ## ruff and mypy, over tests too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: $(VENV)/installed-test ## format and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed-bench ## measure callveil and coturn side by side on this host (root)
	$(BIN)/python -m benchmarks $(BENCH)

audit: $(VENV)/installed-test ## place calls and show what each side could see of the other (root)
	$(BIN)/python -m tests.tools.evidence $(AUDIT)

interop: $(VENV)/installed-test ## call between real clients over every transport, and write docs/interop.md (root)
	$(BIN)/python -m tests.tools.interop $(INTEROP)

fuzz: $(VENV)/installed-test ## two million hostile messages beside running calls (root), and property tests
	$(BIN)/python -m tests.tools.hostile messages $(FUZZ)
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -q $(wildcard $(PARSERS))

floods: $(VENV)/installed-test ## measure what floods of 200 Mbit/s do to a running call and to newcomers (root)
	$(BIN)/python -m tests.tools.hostile floods $(FLOODS)

system-packages: ## Debian packages that tests and benchmarks use (root)
	@missing=$$(for package in $(PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$package 2>/dev/null | grep -qx installed || \
		echo $$package; done); \
	if [ -z "$$missing" ]; then echo "already installed: $(PACKAGES)"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "no apt-get here: install what Debian has as" $$missing >&2; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then echo "run as root: make system-packages" >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	apt() { apt-get -o DPkg::Lock::Timeout=600 "$$@"; }; \
	apt install -y --no-install-recommends $$missing || \
		{ { apt update || { sleep 60; apt update; }; } && \
		apt install -y --no-install-recommends $$missing; } || exit 1; \
	[ ! -d /run/systemd/system ] || for service in coturn haproxy janus nginx prosody; do \
		if echo "$$missing" | grep -qx $$service; then systemctl disable --now $$service; fi; done
# A machine that has just started may be installing something itself: that is waited for.
# RUNLEVEL=1 keeps sysvinit from starting the services of those packages, systemctl undoes what
# systemd did: the tests start their own, and nobody asked for others.

synapse: $(VENV)/synapse/installed ## install Synapse, which a recipe in docs/signaling is tried with (240 MB)

clean: ## remove .venv and everything generated
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis test-output benchmarks/results dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "callveil needs Python 3.11 or newer: $(WHY)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "callveil needs Python's venv module: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp is younger than what decides its content, so nothing is installed twice. The tests and
# mypy go over the benchmarks too, and so need what those need.
$(VENV)/installed: pyproject.toml relay/__init__.py $(PROGRAM) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

# Synapse has a place of its own, since it brings fifty packages that nothing here may come to need.
$(VENV)/synapse/installed: tests/signaling/synapse.txt | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/synapse
	$(VENV)/synapse/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(VENV)/installed-bench: EXTRAS := bench,demo
$(VENV)/installed-test: EXTRAS := test,bench
$(VENV)/installed-bench $(VENV)/installed-test: pyproject.toml relay/__init__.py $(PROGRAM) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	$(if $(findstring test,$(EXTRAS)),$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(ALONE))
	@touch $@ $(VENV)/installed
