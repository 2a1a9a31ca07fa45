# The commands of the project: 'make help' lists them. All the work is done by
# meson and by scripts/; nothing is decided here.
#
# SPDX-License-Identifier: GPL-2.0-or-later

BUILD := build
# What ./configure --build-dir=DIR says
-include config.mak
MESON := $(firstword $(wildcard /usr/bin/meson) meson)
FUZZ_SECONDS := 60
# More steps of scripts/check after those of 'make check'
ALSO :=

.NOTPARALLEL:

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@./configure

deps-build:
	@scripts/deps build

deps-run:
	@scripts/deps build run

deps-all:
	@scripts/deps build run clang
	@scripts/deps --try vm libvirt docs

deps-vm:
	@scripts/deps build run vm

deps:
	@scripts/deps all

check: deps-all
	@scripts/check docs build tests sanitize $(ALSO)

check-fast: deps-run
	@scripts/check docs build tests=unit,component,fast

check-unit: deps-build
	@scripts/check build tests=unit,component

check-qtest: deps-run
	@scripts/check build tests=qtest

check-functional: deps-vm
	@scripts/check build tests=functional

check-slow: deps-all
	@scripts/check build tests=slow

check-soak: deps-run
	@scripts/check build tests=soak

check-deb: deps-vm deb
	@scripts/check build tests=deb

check-sanitize: deps-all
	@scripts/check sanitize

check-compilers: deps-all
	@scripts/check compile=gcc compile=clang

check-cross:
	@scripts/deps build cross
	@scripts/check cross=s390x cross=i386

docs:
	@scripts/deps build docs
	@scripts/check site

demo: deps-run
	@scripts/demo $(DEMO)

bench: deps-run
	@scripts/bench $(BENCH)

bench-full:
	@scripts/deps build run bench
	@scripts/bench --full

fuzz: deps-all
	@scripts/fuzz $(FUZZ_SECONDS)

install: all
	@$(MESON) install -C $(BUILD) --no-rebuild

uninstall:
	@ninja -C $(BUILD) uninstall
	@grep -o '^/.*/qemu-vfio-migration/' $(BUILD)/meson-logs/install-log.txt \
		| sort -u | xargs -r rmdir --ignore-fail-on-non-empty 2>/dev/null \
		|| true

# The package is made of a copy: dpkg-buildpackage writes beside its sources.
deb:
	@scripts/deps build deb
	@scripts/deb

clean:
	@rm -rf build build-gcc build-clang build-sanitize build-tsan \
		build-fuzz build-s390x build-i386 config.mak

help:
	@sed -n 's/^# help: //p' Makefile

# help: make                  build in build/ (./configure --help has options)
# help: make demo             live-migrate a VM with a vfio-pci device and
# help:                       prove that it arrived (DEMO='--help' for more)
# help: make check            build with gcc and clang, one of each kind of test
# help:                       (a quarter of an hour on two cores)
# help: make check-fast       unit and component tests, ten pairs of QEMUs: a
# help:                       minute
# help: make check-unit       pure parts and the subsystem without QEMU
# help: make check-qtest      pairs of real QEMUs
# help: make check-functional the kernel's own VFIO and a Linux guest, in a VM
# help: make check-slow       more of each kind, and what takes minutes a case
# help: make check-soak       dirty tracking for hours: many rounds
# help: make check-sanitize   unit and component tests with ASan and UBSan,
# help:                       those with threads with TSan, too
# help: make check-compilers  gcc and clang, warnings are errors
# help: make check-cross      pure parts on a big-endian and a 32-bit machine
# help: make bench            our code against QEMU 7.2's own, JSON and a table
# help:                       (BENCH='--help' for more)
# help: make bench-full       all its rows, ten times: an hour; the page of it in docs/
# help: make fuzz             each fuzzer for FUZZ_SECONDS [60]
# help: make docs             the documentation as a site, in build/docs/html/
# help: make install          install; DESTDIR= works
# help: make deb              Debian's package, in build/deb/
# help: make uninstall        remove what make install put there
# help: make deps             install the Debian packages that are missing
# help: make clean            remove build/ and the other build directories

.PHONY: all deps deps-build deps-run deps-all deps-vm check check-fast \
	check-unit \
	check-qtest check-functional check-slow check-soak check-deb \
	check-sanitize check-compilers check-cross docs demo bench fuzz install uninstall deb clean \
	help
