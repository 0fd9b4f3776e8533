# SPDX-License-Identifier: GPL-3.0-or-later
#
# make            build/driftd            make check    every test
# make run        the demonstration       make bench    figures, as ratios
# make install    PREFIX, DESTDIR         make lint     format, analysers
# make fuzz       the fuzz targets        make simulate   false alarms and missed drift
# make clean
#
# V=1 shows commands; CC=clang, SAN=address|thread (address brings undefined with it), WERROR=1,
# BUILD=dir are understood by all of them.

VERSION  := 0.1.0
PREFIX   ?= /usr/local
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
SAN      ?=
BUILD    ?= build$(if $(SAN),/$(SAN))$(if $(findstring clang,$(CC)),/clang)
OPT      ?= -O2

# Layers in include order: each may use those before it, and links with them.
LAYERS   := base detectors config storage alerts daemon

LIBS_PKG := libpq yaml-0.1 gsl libmicrohttpd libcurl jansson gnutls zlib libzstd libxxhash
PKG_CFLAGS := $(shell pkg-config --cflags $(LIBS_PKG) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(LIBS_PKG) 2>/dev/null)

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
	-Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wvla -Wundef -Wpointer-arith -Wcast-qual \
	-Wwrite-strings -Wformat=2 -Wnull-dereference -Wimplicit-fallthrough \
	-Wswitch-enum -Wredundant-decls -fno-common
ifeq ($(findstring clang,$(CC)),)
WARN += -Wlogical-op -Wduplicated-cond -Wduplicated-branches \
	-Wjump-misses-init -Wformat-signedness -Wuse-after-free=3
endif
ifdef WERROR
WARN += -Werror
endif

HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
ifeq ($(SAN),)
HARDEN += -D_FORTIFY_SOURCE=3
endif
ifeq ($(SAN),address)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(SAN),thread)
SANFLAGS := -fsanitize=thread -fno-omit-frame-pointer
endif

CPPFLAGS := -I. -I$(BUILD) -D_GNU_SOURCE -DDRIFTD_VERSION='"$(VERSION)"' $(PKG_CFLAGS)
CFLAGS   := -std=c17 $(OPT) -g -fPIE -pthread $(WARN) $(HARDEN) $(SANFLAGS) $(EXTRA_CFLAGS)
LDFLAGS  := -pie -pthread -Wl,-z,relro,-z,now $(SANFLAGS)
LDLIBS   := $(PKG_LIBS) -lm

Q         := $(if $(V),,@)
say        = $(if $(V),,@printf '%-6s %s\n' '$(1)' '$(2)')

srcs      = $(shell find $(1) -name '*.c' | LC_ALL=C sort)
lib       = $(BUILD)/lib$(1).a
upto      = $(if $(filter $(1),$(firstword $(2))),$(1),$(firstword $(2)) $(call upto,$(1),$(wordlist 2,9,$(2))))
# The libraries of a layer and of those before it, in link order.
libs_upto = $(shell printf '%s\n' $(foreach l,$(call upto,$(1),$(LAYERS)),$(call lib,$(l))) | tac)

DAEMON_MAIN := daemon/main.c
ALL_SRCS := $(foreach l,$(LAYERS),$(call srcs,$(l)))
HEADERS  := $(shell find $(LAYERS) -name '*.h' | LC_ALL=C sort)
ASSETS   := $(shell find dashboards/web storage/migrations -type f 2>/dev/null | LC_ALL=C sort)
objs      = $(patsubst %.c,$(BUILD)/%.o,$(1))

.PHONY: all
all: $(BUILD)/driftd

define layer_rules
$(call lib,$(1)): $(call objs,$(filter-out $(DAEMON_MAIN),$(call srcs,$(1))))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR,$$@)
	$$(Q)$(AR) rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rules,$(l))))

$(BUILD)/driftd: $(BUILD)/daemon/main.o $(call libs_upto,daemon)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(call libs_upto,daemon) $(LDLIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Files compiled in: .incbin finds them by the path relative to the root.
$(BUILD)/storage/migrations.o $(BUILD)/daemon/api/assets.o: $(ASSETS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# Tests: tests/unit/<layer>/test_x.c links with that layer and those before it.
UNIT_SRCS := $(shell find tests/unit -name 'test_*.c' 2>/dev/null | LC_ALL=C sort)
UNIT      := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRCS))
UNIT_THREADED := $(patsubst %.c,$(BUILD)/%,$(shell grep -l pthread $(UNIT_SRCS) /dev/null 2>/dev/null))
unit_layer = $(word 3,$(subst /, ,$(1)))

define unit_rule
$(BUILD)/$(1:.c=): $(BUILD)/$(1:.c=.o) $(call libs_upto,$(call unit_layer,$(1)))
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$< $$(filter %.a,$$^) $$(LDLIBS) -lcmocka
endef
$(foreach t,$(UNIT_SRCS),$(eval $(call unit_rule,$(t))))

BENCH_SRCS := $(shell find tests/bench -name '*.c' 2>/dev/null | LC_ALL=C sort)
BENCH_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(BENCH_SRCS))
$(BENCH_PROGRAMS): $(BUILD)/%: $(BUILD)/%.o $(call libs_upto,daemon)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(filter %.a,$^) $(LDLIBS)

SIMULATION_SRCS := $(shell find tests/simulation -name '*.c' 2>/dev/null | LC_ALL=C sort)
SIMULATION := $(patsubst %.c,$(BUILD)/%,$(SIMULATION_SRCS))
$(SIMULATION): $(BUILD)/%: $(BUILD)/%.o $(call libs_upto,detectors)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(filter %.a,$^) $(LDLIBS)

.PHONY: unit unit-programs unit-threaded bench-programs simulate
unit-programs: $(UNIT)
unit-threaded: $(UNIT_THREADED)
bench-programs: $(BENCH_PROGRAMS)
unit: $(UNIT)
	tests/scripts/run-unit $(UNIT)

.PHONY: run check bench lint fuzz headers layers banned install clean deps
deps:
	tests/scripts/install-deps

run:
	tests/scripts/install-deps run
	$(MAKE) all
	tests/demo/run

check:
	tests/scripts/install-deps check
	tests/scripts/check

bench: all bench-programs
	BUILD=$(BUILD) tests/bench/run

simulate: $(SIMULATION)
	BUILD=$(BUILD) tests/simulation/run

lint:
	tests/scripts/lint

headers:
	tests/scripts/headers $(HEADERS)

layers:
	tests/scripts/layers

banned:
	tests/scripts/banned

# libFuzzer targets: tests/fuzz/fuzz_x.c, linked with every layer.
FUZZ_SRCS := $(shell find tests/fuzz -name 'fuzz_*.c' 2>/dev/null | LC_ALL=C sort)
FUZZ_BUILD := build/fuzz
fuzz:
	tests/fuzz/run $(FUZZ_SRCS)

install: all
	install -D -m 755 $(BUILD)/driftd $(DESTDIR)$(PREFIX)/bin/driftd
	install -D -m 644 config/driftd.example.yaml $(DESTDIR)$(PREFIX)/share/doc/driftd/driftd.example.yaml
	install -D -m 644 config/model.example.yaml $(DESTDIR)$(PREFIX)/share/doc/driftd/model.example.yaml
	install -D -m 644 config/bash-completion/driftd $(DESTDIR)$(PREFIX)/share/bash-completion/completions/driftd
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/driftd/README.md
	install -D -m 644 config/driftd.8 $(DESTDIR)$(PREFIX)/share/man/man8/driftd.8
	install -D -m 644 config/driftd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/driftd.service

compile_commands.json: Makefile
	tests/scripts/compile-commands "$(CC) $(CPPFLAGS) $(CFLAGS)" $(ALL_SRCS) > $@

clean:
	rm -rf build compile_commands.json
