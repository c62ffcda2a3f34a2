# make demo    installs a Vulkan driver if there is none, builds, trains on the synthetic set, says where the report is
# make test    the same set-up, then every test
# make check   formatting, lints and documentation, all warnings denied
# make test-swiftshader   what needs a GPU, on SwiftShader instead
# make test-validation    gradients and a short run under the Vulkan validation layers; any message fails
# make test-mpi   several ranks over MPI, which is installed where it is missing, against one process
# make test-web          an exported page in a headless Chromium, which is installed where it is missing
# make fuzz SECONDS=600   feed damaged files to every reader
# make soak STEPS=10000   train on and on, and watch the memory
# make book    the book as web pages, in target/book (needs mdbook, which it installs below target/ if there is none)
# make package   packs the crate, builds what was packed and installs it below target/tools
# make bench   times every kernel of every ladder on this machine

CARGO ?= cargo
EPOCHS ?= 7
RUN ?= runs/demo

SECONDS ?= 600
STEPS ?= 10000

.PHONY: help setup build demo test check bench book test-swiftshader test-web test-validation test-mpi package fuzz soak

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup:
	@.ci/setup

build: setup
	$(CARGO) build --release --locked

# The demo's run is thrown away by the next demo; give RUN=runs/name to keep one. The learning rate is three times the default
# and halves as soon as the validation loss rises: a run of few epochs has no time to wait.
demo: build
	rm -rf runs/demo
	$(CARGO) run --release --locked --quiet -- train --synthetic --model demo --epochs $(EPOCHS) \
	    --learning-rate 3e-3 --plateau-patience 1 --plateau-factor 0.5 --run $(RUN)
	@echo "The report is $(abspath $(RUN))/report.html: open it in a browser."

test: setup
	$(CARGO) test --release --locked

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --no-deps

MDBOOK ?= $(shell command -v mdbook || echo target/tools/bin/mdbook)

target/tools/bin/mdbook:
	@echo "mdbook is not on the PATH, so it is built here, once, in a few minutes. Quicker: put a finished one there"
	@echo "(https://github.com/rust-lang/mdBook/releases, or a package of your system) and run make book again."
	$(CARGO) install mdbook --version 0.4.52 --locked --no-default-features --root target/tools

book: $(MDBOOK)
	$(MDBOOK) build
	@echo "The book is $(abspath target/book)/index.html: open it in a browser."

bench: setup
	$(CARGO) run --release --locked --quiet -- bench

test-swiftshader: setup
	@.ci/test-driver swiftshader

# First that the watch sees anything at all.
test-validation: setup
	@.ci/test-driver validation-provoked
	@.ci/test-driver validation

test-mpi: setup
	@.ci/test-mpi

test-web: setup
	@.ci/test-web

# What was packed is built where everything is, so that dependencies are not compiled again.
package: export CARGO_TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
package:
	$(CARGO) package --locked
	$(CARGO) install --locked --path "$$(ls -d "$$CARGO_TARGET_DIR"/package/gtzan-gpu-*/)" --root target/tools

fuzz:
	@.ci/fuzz $(SECONDS)

soak: build
	@.ci/soak $(STEPS)
