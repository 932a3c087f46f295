# Fullfield. `make` builds build/bin/{ffserver,ffworker,ffctl}; `make demo` and `make test` need nothing but a Debian machine.
# MARCH=x86-64-v3 builds for another machine; BUILD=dir builds elsewhere; `make help` lists the rest.

BUILD ?= build
MARCH ?= native
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3
CC = gcc
PC = pkg-config
WARN = -Wall -Wextra -Wshadow -Wconversion -Werror
OPT ?= -O3 -g
OPENMP = -fopenmp
SAN ?=
CPPFLAGS = -I. -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L
CFLAGS = -std=c17 $(WARN) $(OPT) -march=$(MARCH) -ffp-contract=off -fno-math-errno -fno-trapping-math $(OPENMP) $(SAN)
BUILD_ID := $(shell GIT_OPTIONAL_LOCKS=0 git describe --always --dirty 2>/dev/null || echo unknown)

PKGS = jansson libsodium gsl cfitsio libpng sqlite3 libzmq libmicrohttpd libcurl
HDF5 = hdf5-openmpi
PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PC) --cflags $(PKGS) $(HDF5) 2>/dev/null))
LIBS := -lhdf5_openmpi_hl $(shell $(PC) --libs $(HDF5) $(PKGS) 2>/dev/null) -lfftw3f -lfftw3 -lm -lpthread
LDFLAGS = -Wl,--as-needed

# Rooms, from the bottom up; a room may use those before it as the rules of docs/architecture.md say (make lint checks).
ROOMS = common files worker/core worker/theta worker/sim worker/sample worker/io worker/job worker/gang \
        server/queue server/store server/dispatch server/http server/main client/lib client/ffctl
lib = $(BUILD)/lib/libff_$(subst /,_,$(1)).a

# Sources compiled twice, for float and for double (-DFF_REAL_IS_FLOAT / _DOUBLE).
TWICE = $(wildcard worker/core/*_real.c)

all: summary $(BUILD)/bin/ffworker $(BUILD)/bin/ffserver $(BUILD)/bin/ffctl

srcs = $(filter-out %/main.c $(TWICE),$(wildcard $(1)/*.c))
objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(call srcs,$(1))) \
       $(patsubst %.c,$(BUILD)/obj/%.f32.o,$(filter $(1)/%,$(TWICE))) $(patsubst %.c,$(BUILD)/obj/%.f64.o,$(filter $(1)/%,$(TWICE)))
compile = $(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS)

# One line a step; V=1 shows the commands.
Q = $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)")

$(BUILD)/obj/%.f32.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $< (float))
	$(Q)$(compile) -DFF_REAL_IS_FLOAT -MMD -MP -c $< -o $@
$(BUILD)/obj/%.f64.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $< (double))
	$(Q)$(compile) -DFF_REAL_IS_DOUBLE -MMD -MP -c $< -o $@
$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(compile) -MMD -MP -c $< -o $@

# The build id is known to one object only, which is compiled again when the id changes.
$(BUILD)/build_id: FORCE
	@mkdir -p $(@D)
	@echo '$(BUILD_ID)' | cmp -s - $@ || echo '$(BUILD_ID)' > $@
$(BUILD)/obj/common/version.o: $(BUILD)/build_id
$(BUILD)/obj/common/preset.o: $(wildcard proto/presets/*.json)
$(BUILD)/obj/server/http/embed.o: $(wildcard server/web/*) proto/openapi.json proto/job.schema.json
$(BUILD)/obj/server/queue/migrate.o: $(wildcard migrations/*.sql)
$(BUILD)/obj/common/version.o: private CPPFLAGS += -DFF_BUILD_ID=\"$(BUILD_ID)\"

define room
$(call lib,$(1)): $(call objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$(filter %.o,$$^)
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
needs_worker/gang = worker/gang $(needs_worker/job)
needs_server/queue = server/queue common
needs_server/store = server/store server/queue files common
needs_server/dispatch = server/dispatch server/store server/queue files common
needs_server/http = server/http server/dispatch server/store server/queue files common
needs_server/main = server/main $(needs_server/http)
needs_client/lib = client/lib files common
needs_client/ffctl = client/ffctl client/lib files common
libs = $(foreach r,$(needs_$(1)),$(call lib,$(r)))

$(BUILD)/bin/ffworker: $(BUILD)/obj/worker/main/main.o $(call libs,worker/gang)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/bin/ffserver: $(BUILD)/obj/server/main/main.o $(call libs,server/main)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/bin/ffctl: $(BUILD)/obj/client/ffctl/main.o $(call libs,client/ffctl)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# Unit tests: tests/unit/ROOM/NAME_test.c -> build/tests/ROOM/NAME_test (cmocka, TAP). `make unit-theta` runs one room's.
# The client's tests are tests/unit/client.
test_dir = $(if $(filter client/ffctl,$(1)),client,$(if $(filter server/main,$(1)),server,$(notdir $(1))))
define room_tests
unit_bins_$(1) = $$(patsubst tests/unit/%.c,$(BUILD)/tests/%,$$(wildcard tests/unit/$(call test_dir,$(1))/*_test.c))
$(BUILD)/tests/$(call test_dir,$(1))/%_test: $(BUILD)/obj/tests/unit/$(call test_dir,$(1))/%_test.o $(call libs,$(1))
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $$@ $$< $(call libs,$(1)) -lcmocka $(LIBS)
unit-$(call test_dir,$(1)): $$(unit_bins_$(1))
	@set -e; for t in $$^; do echo "# $$$$t"; $$$$t; done
UNIT_BINS += $$(unit_bins_$(1))
.PHONY: unit-$(call test_dir,$(1))
endef
$(foreach r,$(ROOMS),$(eval $(call room_tests,$(r))))
$(BUILD)/obj/tests/%.o: private CFLAGS += -Wno-conversion

unit-bins: $(UNIT_BINS)
unit: unit-bins
	@$(RUN) --programs $(UNIT_BINS)

# Whole test runs. Each installs what is missing first, so the build is a second make that sees the new packages.
RUN = $(PYTHON) tests/run.py --build $(BUILD)
JOBS ?= $(shell nproc)
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))
deps:
	@deploy/install-deps.sh --tests
test: deps
	@$(SUBMAKE) all unit-bins venv
	@$(RUN) --py $(BUILD)/venv/bin/python --programs $(UNIT_BINS)
check: deps
	@$(SUBMAKE) all unit-bins
	@$(RUN) --quick --py $(PYTHON) --programs $(UNIT_BINS)
pytest: all venv
	@$(RUN) --py $(BUILD)/venv/bin/python

# Python packages that Debian does not have; without PyPI their tests are skipped, and say so.
VENV_STAMP = $(BUILD)/venv/.installed
venv: $(VENV_STAMP)
$(VENV_STAMP): tests/py/requirements.txt
	@test -x $(BUILD)/venv/bin/python || $(PYTHON) -m venv --system-site-packages $(BUILD)/venv
	@echo "Python packages from PyPI into $(BUILD)/venv"
	@if $(BUILD)/venv/bin/python -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 -r $<; \
	 then touch $@; else echo "PyPI cannot be reached: tests that need its packages will be skipped"; fi

# Unit tests and the programs from outside under AddressSanitizer and UndefinedBehaviourSanitizer, built apart.
ASAN_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
asan:
	@$(SUBMAKE) BUILD=$(BUILD)/asan OPT="-O1 -g" SAN="$(ASAN_FLAGS)" unit-asan
unit-asan: all unit-bins
	@$(RUN) --sanitized --quick --py $(PYTHON) --py-files test_ffctl.py test_jobs.py test_members.py --programs $(UNIT_BINS)

# Fuzzing: tests/fuzz/NAME_fuzz.c (libFuzzer), linked with the rooms that fuzz_room_NAME may use (common unless said here),
# all compiled again by clang with sanitizers, apart. `make fuzz FUZZ_SECONDS=60 FUZZ="job wire"`: a minute each of these.
fuzz_room_npy = files
fuzz_room_text = files
fuzz_room_convert = files
fuzz_room_query = server/http
FUZZ_SECONDS ?= 20
FUZZ ?= $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_FLAGS = -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer
define fuzzer
$(BUILD)/bin/$(1)_fuzz: $(BUILD)/obj/tests/fuzz/$(1)_fuzz.o $(call libs,$(or $(fuzz_room_$(1)),common))
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $$@ $$^ $(LIBS)
endef
$(foreach f,$(FUZZ),$(eval $(call fuzzer,$(f))))
fuzz:
	@$(SUBMAKE) BUILD=$(BUILD)/fuzz CC=clang-14 WARN=-w OPENMP= OPT="-O1 -g" \
	 SAN="$(FUZZ_FLAGS)" FUZZ="$(FUZZ)" fuzz-run
fuzz-run: $(foreach f,$(FUZZ),$(BUILD)/bin/$(f)_fuzz)
	@tests/fuzz/run.sh $(BUILD) $(FUZZ_SECONDS) $(FUZZ)

# Benchmarks: tests/bench/NAME.c -> build/bench/NAME, each prints `name value unit [threads]` lines.
BENCH_BINS = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(call libs,worker/job)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
bench: all $(BENCH_BINS)
	@$(PYTHON) tests/bench/bench.py --build $(BUILD) $(BENCH) $(BENCH_BINS)

# Others' programs for the same models, from PyPI, beside ours. PEERS="--only 64x64x128" for some of them.
bench-peers: $(BENCH_BINS)
	@$(PYTHON) tests/bench/peers.py --build $(BUILD) $(PEERS)

# Load: tests/load/*.c -> build/load/load, a client; load.py starts servers and gangs, and writes build/load.json.
# LOAD=--quick, or LOAD="--only tasks,flat".
$(BUILD)/load/load: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/load/*.c))
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^
load: all $(BUILD)/load/load
	@$(PYTHON) tests/load/load.py --build $(BUILD) $(LOAD)

# Faults on purpose (tests/fault): every row of the fault matrix, then KILLS kills at the programs' crash points. FAULT: more
# options, as FAULT="--rows none --summary bench/fault/kills.json".
KILLS ?= 60
fault: deps
	@$(SUBMAKE) all
	@$(PYTHON) tests/fault/run.py --build $(BUILD) --kills $(KILLS) $(FAULT)

demo:
	@deploy/install-deps.sh
	@$(SUBMAKE) all
	@BUILD=$(BUILD) deploy/demo.sh

lint:
	@tests/lint/lint.sh

SHARE = $(DESTDIR)$(PREFIX)/share
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/fullfield/examples $(SHARE)/fullfield/slurm $(SHARE)/doc/fullfield/images \
	 $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(BUILD)/bin/ffserver $(BUILD)/bin/ffworker $(BUILD)/bin/ffctl $(DESTDIR)$(PREFIX)/bin
	install -m 644 proto/job.schema.json proto/openapi.json proto/wire.md deploy/systemd/server.json $(SHARE)/fullfield
	install -m 755 deploy/slurm/gang.sbatch $(SHARE)/fullfield/slurm
	install -m 644 examples/*.json $(SHARE)/fullfield/examples
	install -m 644 README.md docs/*.md $(SHARE)/doc/fullfield
	install -m 644 docs/images/* $(SHARE)/doc/fullfield/images
	install -m 644 deploy/systemd/*.service $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed -i 's|/usr/local/|$(PREFIX)/|g' $(DESTDIR)$(PREFIX)/lib/systemd/system/fullfield-*.service

summary:
	@echo "Fullfield $(BUILD_ID): $$($(CC) --version | head -1), -march=$(MARCH), into $(BUILD)/"
	@for p in $(PKGS) $(HDF5) fftw3f fftw3; do \
	 v=$$($(PC) --modversion $$p 2>/dev/null) && printf ' %s %s' $$p $$v || missing="$$missing $$p"; done; echo; \
	 test -z "$$missing" || { echo "not found:$$missing; deploy/install-deps.sh installs them"; exit 1; }

help:
	@echo "make           build $(BUILD)/bin/ffserver, ffworker and ffctl"
	@echo "make demo      install what is missing, build, infer a posterior from real (or mock) and simulated data"
	@echo "make test      install what is missing, build, run every test (at most 15 minutes on two cores)"
	@echo "make check     the quick part of the tests (at most 2 minutes)"
	@echo "make unit      unit tests only; make unit-ROOM: of $(foreach r,$(ROOMS),$(call test_dir,$(r)))"
	@echo "make pytest    Python tests only"
	@echo "make asan      unit and command-line tests under AddressSanitizer and UndefinedBehaviourSanitizer"
	@echo "make fuzz      every fuzz target for FUZZ_SECONDS ($(FUZZ_SECONDS)); FUZZ=\"NAME ..\" for some of them"
	@echo "make fault     kills, full disks, lost networks: the fault matrix, and KILLS ($(KILLS)) kills at crash points"
	@echo "make lint      format, includes, forbidden functions, shell scripts"
	@echo "make bench     speed against the machine's limits -> $(BUILD)/bench.json; BENCH=--quick or --full"
	@echo "make bench-peers  others' programs from PyPI beside ours -> $(BUILD)/peers.json; PEERS=\"--only 64x64x128\""
	@echo "make load      requests, tasks, watchers, memory under load -> $(BUILD)/load.json; LOAD=--quick"
	@echo "make install   into DESTDIR/PREFIX (PREFIX=$(PREFIX))"
	@echo "make clean     remove $(BUILD)/"
	@echo "Variables: BUILD=dir, MARCH=native|x86-64-v3|.., V=1 (show commands), JOBS, PREFIX, DESTDIR, PYTHON"

clean:
	rm -rf $(BUILD)
.PHONY: all unit-bins unit deps test check pytest venv asan unit-asan fuzz fuzz-run bench bench-peers load demo lint install summary help clean FORCE
.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
