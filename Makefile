# Fullfield. `make` builds build/bin/{ffworker,ffctl}; `make demo` and `make test` need nothing but a Debian machine.
# MARCH=x86-64-v3 builds for another machine; BUILD=dir builds elsewhere.

BUILD ?= build
MARCH ?= native
CC = gcc
PC = pkg-config
WARN = -Wall -Wextra -Wshadow -Wconversion -Werror
OPT ?= -O3 -g
SAN ?=
CPPFLAGS = -I. -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L -DFF_BUILD_ID=\"$(BUILD_ID)\"
CFLAGS = -std=c17 $(WARN) $(OPT) -march=$(MARCH) -ffp-contract=off -fno-math-errno -fno-trapping-math -fopenmp $(SAN)
BUILD_ID := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

PKGS = jansson libsodium gsl cfitsio libpng
HDF5 = hdf5-openmpi
PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PC) --cflags $(PKGS) $(HDF5) 2>/dev/null))
LIBS := -lhdf5_openmpi_hl $(shell $(PC) --libs $(HDF5) $(PKGS) 2>/dev/null) -lfftw3f -lfftw3 -lm -lpthread

# Rooms, from the bottom up; a room may use those before it as the rules of docs/design say (make lint checks).
ROOMS = common files worker/core worker/theta worker/sim worker/sample worker/io worker/job client/ffctl
lib = $(BUILD)/lib/libff_$(subst /,_,$(1)).a

# Sources compiled twice, for float and for double (-DFF_REAL_IS_FLOAT / _DOUBLE).
TWICE = $(wildcard worker/core/*_real.c)

all: $(BUILD)/bin/ffworker $(BUILD)/bin/ffctl

srcs = $(filter-out %/main.c $(TWICE),$(wildcard $(1)/*.c))
objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(call srcs,$(1))) \
       $(patsubst %.c,$(BUILD)/obj/%.f32.o,$(filter $(1)/%,$(TWICE))) $(patsubst %.c,$(BUILD)/obj/%.f64.o,$(filter $(1)/%,$(TWICE)))

$(BUILD)/obj/%.f32.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -DFF_REAL_IS_FLOAT -MMD -MP -c $< -o $@
$(BUILD)/obj/%.f64.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -DFF_REAL_IS_DOUBLE -MMD -MP -c $< -o $@
$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

define room
$(call lib,$(1)): $(call objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

# What a room's tests and programs link: itself and all it may use, top first.
needs_common = common
needs_files = files common
needs_worker/core = worker/core common
needs_worker/theta = worker/theta common
needs_worker/sim = worker/sim worker/core common
needs_worker/sample = worker/sample worker/core common
needs_worker/io = worker/io files common
needs_worker/job = worker/job worker/io worker/sample worker/sim worker/theta worker/core files common
needs_client/ffctl = client/ffctl files common
libs = $(foreach r,$(needs_$(1)),$(call lib,$(r)))

$(BUILD)/bin/ffworker: $(BUILD)/obj/worker/main/main.o $(call libs,worker/job)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/bin/ffctl: $(BUILD)/obj/client/ffctl/main.o $(call libs,client/ffctl)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

# Unit tests: tests/unit/ROOM/NAME_test.c -> build/tests/ROOM/NAME_test (cmocka, TAP). `make unit-theta` runs one room's.
define room_tests
unit_bins_$(1) = $$(patsubst tests/unit/%.c,$(BUILD)/tests/%,$$(wildcard tests/unit/$(notdir $(1))/*_test.c))
$(BUILD)/tests/$(notdir $(1))/%_test: tests/unit/$(notdir $(1))/%_test.c $(call libs,$(1))
	@mkdir -p $$(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -Wno-conversion -MMD -MP -o $$@ $$< $(call libs,$(1)) -lcmocka $(LIBS)
unit-$(notdir $(1)): $$(unit_bins_$(1))
	@set -e; for t in $$^; do echo "# $$$$t"; $$$$t; done
UNIT_BINS += $$(unit_bins_$(1))
endef
$(foreach r,$(ROOMS),$(eval $(call room_tests,$(r))))

clean:
	rm -rf $(BUILD)
.PHONY: all clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
