# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 the nodeagent authors
#
# make run   sets the machine up, builds, and shows two containers at work
# make test  sets the machine up and runs all tests
# The other targets are listed by `make help`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BUILD_PACKAGES := libseccomp-dev libarchive-dev libnftables-dev libnl-route-3-dev libsystemd-dev libsqlite3-dev libp11-kit-dev libfuse3-dev pkg-config
RUN_PACKAGES := busybox-static keyutils mmdebstrap zstd
TEST_PACKAGES := iproute2 util-linux socat redis-tools procps nftables curl prometheus prometheus-node-exporter openssl softhsm2
BENCH_PACKAGES := runc bubblewrap runit monit prometheus-node-exporter iptables dnsmasq-base openssl
DEB_PACKAGES := build-essential debhelper dh-apparmor dpkg-dev fakeroot lintian
VM_PACKAGES := qemu-system-x86 mmdebstrap e2fsprogs
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
ROOT ?= $(CURDIR)/.run
DEB_VERSION := $(shell sed -n '1s/.*(\(.*\)).*/\1/p' Packaging/debian/changelog)
SWIFT_RUNTIME = $(shell swift -print-target-info | sed -n '/"runtimeLibraryPaths"/,/]/s/.*"\(\/.*\)".*/\1/p' | head -1)
DEB_ARCH = $(shell dpkg --print-architecture)
SWIFT_RELEASE := -c release --static-swift-stdlib

# Installs what is missing, and asks nothing of apt when nothing is.
define install
missing=; for package in $(1); do \
  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
if [ -n "$$missing" ]; then echo "installing$$missing"; \
  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
endef

.PHONY: help setup build run down test deb vm-test lint format bench examples docs clean

help: ## Show the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:
	@$(call install,$(BUILD_PACKAGES) $(RUN_PACKAGES))

build: setup ## Build a release in .build/release/.
	swift build $(SWIFT_RELEASE)

examples: setup ## Build the example bundles into Packaging/examples/out/.
	@mkdir -p Packaging/examples/out
	@for example in busybox-httpd redis nginx-tls; do \
	  out=Packaging/examples/out/$$example; \
	  if [ ! -e $$out/bundle.yaml ] || [ Packaging/examples/$$example/bundle.yaml -nt $$out/bundle.yaml ] \
	    || [ Packaging/examples/$$example/build -nt $$out/bundle.yaml ]; then \
	    echo "building the example $$example"; $(SUDO) Packaging/examples/$$example/build $$out; fi; done

run: build examples ## Start an agent in .run/, import two bundles, run them, show them.
	@$(SUDO) Packaging/demo .build/release/nodeagent $(ROOT)

down: ## Stop the agent of `make run`, and take back what it set up on the machine.
	@$(SUDO) .build/release/nodeagent cert setup --remove
	@$(SUDO) .build/release/nodeagent down --root $(ROOT)

test: setup ## Run all tests; those that need root are skipped without it.
	@$(call install,$(TEST_PACKAGES))
# For tests that need root.
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory examples; fi
	swift build --build-tests
# Those of the host wait a lot, in threads that the others need. A few of the others at a time: each of them all at once has
# so little of the processors that waits of seconds pass.
	SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4 swift test --skip-build --skip HostTests
	swift test --skip-build --filter HostTests

deb: setup ## Build the Debian package into .build/deb/, and look at it with lintian.
	@$(call install,$(DEB_PACKAGES))
	swift package resolve
	Packaging/build-deb .build/deb
	lintian --pedantic --display-info --fail-on error,warning,info,pedantic .build/deb/nodeagent_$(DEB_VERSION)_$(DEB_ARCH).changes

vm-test: deb examples ## Try the package in a virtual machine with systemd and cgroup v2.
	@$(call install,$(VM_PACKAGES))
	Packaging/build-deb .build/deb $(DEB_VERSION)+next1 > .build/deb/next.log 2>&1 || { tail -20 .build/deb/next.log; exit 1; }
	swift build --build-tests
	@$(SUDO) Tests/vm/run .build/deb/nodeagent_$(DEB_VERSION)_$(DEB_ARCH).deb \
	  .build/deb/nodeagent_$(DEB_VERSION)+next1_$(DEB_ARCH).deb Packaging/examples/out .build/debug "$(SWIFT_RUNTIME)" .build/vm

lint: ## Check the format, warnings in C, and the SPDX headers.
	swift format lint --strict --recursive --parallel Package.swift Sources Tests Benchmarks
	@! git ls-files '*.swift' '*.c' '*.h' | xargs grep -L 'SPDX-License-Identifier: Apache-2.0' | grep .

format: ## Format the sources.
	swift format --in-place --recursive --parallel Package.swift Sources Tests Benchmarks

bench: build examples ## Measure beside runc, bwrap, runit, monit, node_exporter and the bare kernel work.
	@$(call install,$(BENCH_PACKAGES))
	@$(SUDO) Benchmarks/run .build/release
	@$(SUDO) Benchmarks/services .build/release
	@$(SUDO) Benchmarks/network .build/release
	@Benchmarks/certificates .build/release
	@$(SUDO) Benchmarks/identities .build/release

docs: build ## Write docs/api from the running agent's own description.
	@.build/release/nodeagent api --directory docs/api

clean: ## Remove what was built.
	rm -rf .build Packaging/examples/out
