# Campus. `make run` serves a demo campus, `make test` proves it works; `make help` lists the rest.
#
#   BUILD=dir        where objects and the program go (default build)
#   V=1              show the commands
#   SANITIZE=list    build with these sanitizers, e.g. address,undefined
#   COVERAGE=yes     build so that running it counts each line
#   PORT= VAR= DEMO= what `make run` serves, where it keeps its data, whether it fills it

BUILD ?= build
SANITIZE ?=
COVERAGE ?=
VAR ?=
PORT ?= 8080
DEMO ?= yes
CC ?= gcc

# Everything below but `deps` and `help` needs Debian's packages; deploy/deps installs what is missing, once.
.DEFAULT_GOAL := all

quiet      = $(if $(V),,@echo '  $(BUILD)' $(@:$(BUILD)/%=%);)
packages  := libevent openssl libcurl libzmq libpq libprotobuf-c libsodium jansson libpcre2-8 libutf8proc
warnings  := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual \
             -Wwrite-strings -Wvla -Werror
hardening := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
sanitized := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
counted   := -O0 --coverage -fprofile-update=atomic
flags     := -std=c17 -D_GNU_SOURCE -g -fno-strict-overflow -MMD -MP -I. -I$(BUILD) -I$(BUILD)/llhttp -pthread \
             $(if $(COVERAGE),$(counted),$(if $(SANITIZE),$(sanitized),$(hardening)))
CFLAGS    += $(flags) $(shell pkg-config --cflags $(packages) 2>/dev/null)
LDLIBS    += $(shell pkg-config --libs $(packages) 2>/dev/null) -pthread
LDFLAGS   += $(if $(COVERAGE),--coverage) $(if $(SANITIZE),-fsanitize=$(SANITIZE),-pie -Wl,-z,relro,-z,now)

protos    := $(wildcard proto/*.proto)
contract  := $(protos) $(wildcard proto/*/*.proto)
structs   := options status bus google/protobuf/descriptor
sources   := $(filter-out services/main.c,$(wildcard common/*.c services/*.c services/*/*.c))
embedded  := $(sort $(wildcard common/schema/*.sql services/*/*.sql services/*/schema/*.sql services/*/mail/*.txt \
             services/demo/*.csv services/gateway/docs/*.md))
generated := $(structs:%=$(BUILD)/%.pb-c.o) $(BUILD)/embedded.o $(BUILD)/llhttp/api.o $(BUILD)/llhttp/http.o $(BUILD)/llhttp/llhttp.o
page      := $(addprefix $(BUILD)/docs/,index.html docs.css docs.js icon.svg swagger-ui.css swagger-ui-bundle.js licence.txt)
objects   := $(sources:%.c=$(BUILD)/%.o)
units     := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
fixtures  := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
stages    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/stages/*.c))

all: $(BUILD)/campus

$(BUILD)/campus: $(BUILD)/services/main.o $(BUILD)/libcampus.a
	$(quiet)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libcampus.a: $(objects) $(generated)
	$(quiet)rm -f $@ && ar rcs $@ $^

$(objects) $(BUILD)/services/main.o $(fixtures) $(stages): $(BUILD)/%.o: %.c | $(structs:%=$(BUILD)/%.pb-c.h) $(BUILD)/llhttp/llhttp.h
	@mkdir -p $(@D)
	$(quiet)$(CC) $(CFLAGS) $(warnings) -c -o $@ $<

# Generated code and the parser that Debian ships as source are compiled without our warnings.
$(structs:%=$(BUILD)/%.pb-c.o) $(BUILD)/llhttp/%.o $(BUILD)/embedded.o: flags += -w -DLLHTTP_STRICT_MODE=1

$(BUILD)/%.pb-c.o: $(BUILD)/%.pb-c.c
	$(quiet)$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/options.pb-c.c $(BUILD)/options.pb-c.h $(BUILD)/status.pb-c.c $(BUILD)/status.pb-c.h \
$(BUILD)/bus.pb-c.c $(BUILD)/bus.pb-c.h \
$(BUILD)/google/protobuf/descriptor.pb-c.c $(BUILD)/google/protobuf/descriptor.pb-c.h &: proto/options.proto proto/status.proto proto/bus.proto
	@mkdir -p $(BUILD)
	$(quiet)protoc -Iproto -I/usr/include --c_out=$(BUILD) $^ /usr/include/google/protobuf/descriptor.proto

$(BUILD)/llhttp/llhttp.h: /usr/share/include/llhttp/llhttp.h
	@mkdir -p $(@D)
	@cp $< $@

$(BUILD)/llhttp/%.o: /usr/share/llhttp/%.c $(BUILD)/llhttp/llhttp.h
	$(quiet)$(CC) $(CFLAGS) -c -o $@ $<

# Passwords that everybody tries first, one a line in the order of their bytes: the list that zxcvbn-ts keeps, of the widest use
# among those that are kept at all. Shorter ones than six characters could be no part of a password that is admitted.
common_version := 4.1.3
common_sha256  := bf3027c16c069d7877e25dc8751bc819e10e479afcc5ee1a323eb2ab73129ca9
common         := build/npm/zxcvbn-ts-language-common-$(common_version)

$(common)/package.json: deploy/npm-files
	$(quiet)deploy/npm-files @zxcvbn-ts/language-common $(common_version) $(common_sha256) $(common) && touch $@

$(BUILD)/common_passwords.txt: $(common)/package.json Makefile
	@mkdir -p $(@D)
	$(quiet)tr ',' '\n' <$(common)/src/passwords.json | tr -d '[]"' | awk 'length >= 6' | LC_ALL=C sort -u >$@ && [ -s $@ ]

# The page at /docs: files of ours and of one npm package, plain and compressed. Every BUILD shares what was fetched.
ui_version := 5.34.1
ui_sha256  := 8e7286de0230e431fc8a5a75490d28117af3d0c306413b6f9e17f7bb55045fb6
ui         := build/npm/swagger-ui-dist-$(ui_version)

$(ui)/package.json: deploy/npm-files
	$(quiet)deploy/npm-files swagger-ui-dist $(ui_version) $(ui_sha256) $(ui) && touch $@

$(BUILD)/docs/%: services/gateway/docs/%
	@mkdir -p $(@D)
	@cp $< $@

$(BUILD)/docs/swagger-ui.css $(BUILD)/docs/swagger-ui-bundle.js: $(ui)/package.json
	@mkdir -p $(@D)
	@cp $(ui)/$(@F) $@

$(BUILD)/docs/licence.txt: $(ui)/package.json $(common)/package.json
	@mkdir -p $(@D)
	@cat $(ui)/NOTICE $(ui)/LICENSE $(ui)/swagger-ui-bundle.js.LICENSE.txt $(common)/LICENSE.txt >$@

$(BUILD)/docs/%.gz: $(BUILD)/docs/%
	$(quiet)gzip -9nc $< >$@

# The contract with its comments, the statements, the migrations and the page travel inside the program.
$(BUILD)/schema.binpb: $(contract)
	@mkdir -p $(@D)
	$(quiet)protoc -Iproto -I/usr/include --include_imports --include_source_info --descriptor_set_out=$@ $(protos)

paged = $(foreach file,$(page) $(page:=.gz),docs/$(notdir $(file))=$(file)) common_passwords.txt=$(BUILD)/common_passwords.txt

$(BUILD)/embedded.S: $(BUILD)/schema.binpb $(embedded) $(page) $(page:=.gz) $(BUILD)/common_passwords.txt deploy/embed Makefile
	$(quiet)deploy/embed schema.binpb=$(BUILD)/schema.binpb $(embedded) $(paged) >$@

$(BUILD)/embedded.o: $(BUILD)/embedded.S
	$(quiet)$(CC) -c -o $@ $<

# A unit test is one file; what several need is a fixture, of which each takes what it calls.
$(BUILD)/tests/unit/libfixtures.a: $(fixtures)
	$(quiet)rm -f $@ && ar rcs $@ $^

$(units): $(BUILD)/%: %.c $(BUILD)/tests/unit/libfixtures.a $(BUILD)/libcampus.a
	$(quiet)$(CC) $(CFLAGS) $(warnings) $(LDFLAGS) -o $@ $< $(@D)/libfixtures.a $(BUILD)/libcampus.a -lcmocka -levent_pthreads $(LDLIBS)

# The road from HTTP to PostgreSQL in pieces: what one stage hands to the next is kept from going further.
cuts := http_arena http_set_context http_context http_respond dispatch_send database_submit

$(BUILD)/tests/bench/bench-stages: $(stages) $(BUILD)/tests/unit/libfixtures.a $(BUILD)/libcampus.a
	$(quiet)$(CC) $(CFLAGS) $(LDFLAGS) $(cuts:%=-Wl,--wrap=%) -o $@ $^ -lcmocka $(LDLIBS)

# A service of the tests: the same embedded files by name, but its own statements instead of the program's.
$(BUILD)/tests/faults/tally.S: $(BUILD)/schema.binpb tests/faults/tally.sql deploy/embed
	@mkdir -p $(@D)
	$(quiet)deploy/embed schema.binpb=$(BUILD)/schema.binpb services/tally/tally.sql=tests/faults/tally.sql >$@

$(BUILD)/tests/faults/tally: tests/faults/tally.c $(BUILD)/tests/faults/tally.S $(BUILD)/libcampus.a
	$(quiet)$(CC) $(CFLAGS) $(warnings) $(LDFLAGS) -o $@ $< $@.S $(BUILD)/libcampus.a $(LDLIBS)

# The next release, for tests of rolling upgrades: the program of a patched copy of a few files, otherwise of the same objects.
newer     := $(BUILD)/tests/rolling
patched   := common/version.h services/membership/people.c services/membership/people.sql
added     := services/membership/schema/900_nickname.sql
aware     := $(basename $(shell grep -lF '"common/version.h"' services/main.c $(sources)))
renewed   := $(aware:%=$(newer)/%.o) $(newer)/services/membership/people.o $(newer)/embedded.o
# An embedded file of the next release is its own, or else the one of this.
newly      = $(foreach file,$(sort $(embedded) $(added)),$(file)=$(if $(filter $(file),$(patched) $(added)),$(newer)/)$(file))

$(newer)/schema.binpb $(addprefix $(newer)/,$(patched) $(added)) &: tests/rolling/newer.patch $(contract) $(patched)
	$(quiet)rm -rf $(newer) && mkdir -p $(newer) && cp --parents $(contract) $(patched) $(newer)
	@patch --silent --no-backup-if-mismatch -p1 -d $(newer) <$<
	@protoc -I$(newer)/proto -I/usr/include --include_imports --include_source_info --descriptor_set_out=$(newer)/schema.binpb \
	  $(protos:%=$(newer)/%)

$(newer)/embedded.S: $(newer)/schema.binpb $(embedded) $(page) $(page:=.gz) $(BUILD)/common_passwords.txt deploy/embed Makefile
	$(quiet)deploy/embed schema.binpb=$(newer)/schema.binpb $(newly) $(paged) >$@

$(newer)/embedded.o: $(newer)/embedded.S
	$(quiet)$(CC) -c -o $@ $<

$(aware:%=$(newer)/%.o): $(newer)/%.o: %.c $(newer)/schema.binpb | $(BUILD)/libcampus.a
	@mkdir -p $(@D)
	$(quiet)$(CC) -I$(newer) $(CFLAGS) $(warnings) -c -o $@ $<

$(newer)/services/membership/people.o: $(newer)/services/membership/people.c | $(BUILD)/libcampus.a
	$(quiet)$(CC) $(CFLAGS) $(warnings) -c -o $@ $<

$(newer)/campus: $(renewed) $(BUILD)/libcampus.a
	$(quiet)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

-include $(objects:.o=.d) $(units:=.d) $(fixtures:.o=.d) $(stages:.o=.d) $(BUILD)/tests/faults/tally.d $(BUILD)/services/main.d $(renewed:.o=.d)

# -- what people type ------------------------------------------------------------------------------------------------

.PHONY: all units run image test compose-test sanitize sanitize-thread coverage valgrind lint format fuzz faults bench bench-stages \
        bench-abuse clean help
jobs := $(shell nproc 2>/dev/null || echo 2)
# The same Makefile again, once the packages are there that it asks pkg-config about.
again = +@$(MAKE) $(if $(V),,-s) --no-print-directory -j$(jobs)

units: $(units) $(BUILD)/tests/faults/tally $(BUILD)/tests/rolling/campus $(BUILD)/tests/bench/bench-stages

run: ## serve a campus at http://127.0.0.1:8080 with its data in VAR; Ctrl-C stops it
	@deploy/deps build run
	$(again) all
	@BUILD='$(BUILD)' VAR='$(VAR)' PORT='$(PORT)' DEMO='$(DEMO)' exec deploy/run

image: ## the container image, as docker compose builds it too
	docker build -f deploy/Dockerfile -t campus .

test: ## unit tests and black-box tests; TESTS="tests/api -k page" runs some of the latter
	@deploy/deps build run test
	$(again) all units
	@BUILD='$(BUILD)' exec tests/run $(TESTS)

compose-test: ## docker-compose.yml, started, scaled, killed and restarted by a Docker engine
	@deploy/deps compose
	@BUILD='$(BUILD)' exec tests/run tests/compose

sanitize: ## the same tests with address and undefined-behaviour sanitizers
	$(again) test BUILD=build/asan SANITIZE=address,undefined

sanitize-thread: ## the same tests with the thread sanitizer
	$(again) test BUILD=build/tsan SANITIZE=thread

coverage: ## how much of common/ and services/gateway/ the tests run, and which lines they do not
	@deploy/deps build run test coverage
	$(again) all units BUILD=build/coverage COVERAGE=yes
	@BUILD=build/coverage exec tests/coverage

valgrind: ## the unit tests that do not race a clock, under valgrind
	@deploy/deps build run test valgrind
	$(again) units
	@BUILD='$(BUILD)' exec tests/valgrind

lint: ## format, warnings of clang, clang-tidy, cppcheck, gcc's analyzer, sizes, shell scripts
	@deploy/deps build test lint
	$(again) all units
	$(again) all units BUILD=$(BUILD)/clang CC=clang
	@BUILD='$(BUILD)' CFLAGS='$(CFLAGS)' exec deploy/lint

format: ## rewrite the sources as clang-format wants them
	@deploy/deps lint
	@find common services tests -name '*.[ch]' -exec clang-format -i {} +

FUZZ_SECONDS ?= 60
fuzzers := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

fuzz: ## every fuzzer of tests/fuzz for FUZZ_SECONDS, from its corpus, as many at once as there are processors
	@deploy/deps build fuzz
	$(again) fuzzers BUILD=build/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined
	$(again) --keep-going $(fuzzers:%=fuzz-%)

# What makes a fuzzer stop lies in build/fuzz/found; what it has learned, in build/fuzz/corpus for the next time.
.PHONY: $(fuzzers:%=fuzz-%)
$(fuzzers:%=fuzz-%): fuzz-%:
	@mkdir -p build/fuzz/corpus/$* build/fuzz/found
	@build/fuzz/tests/fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
	  -verbosity=0 -print_final_stats=1 -artifact_prefix=build/fuzz/found/$*- \
	  build/fuzz/corpus/$* $(wildcard tests/fuzz/corpus/$*) >build/fuzz/$*.log 2>&1 || { cat build/fuzz/$*.log; exit 1; }
	@sed -n 's/^stat::number_of_executed_units: */fuzz: $*: nothing found, runs: /p' build/fuzz/$*.log

.PHONY: fuzzers
fuzzers: $(fuzzers:%=$(BUILD)/tests/fuzz/fuzz_%)

$(BUILD)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(BUILD)/tests/unit/sample_message.o $(BUILD)/libcampus.a
	@mkdir -p $(@D)
	$(quiet)$(CC) $(CFLAGS) $(warnings) -o $@ $< $(BUILD)/tests/unit/sample_message.o $(BUILD)/libcampus.a -fsanitize=fuzzer,address,undefined $(LDLIBS)

FAULT_SECONDS ?= 120

faults: ## a campus under load to which happens what SEED says, for FAULT_SECONDS; is all there then that was acknowledged?
	@deploy/deps build run test
	$(again) all
	@BUILD='$(BUILD)' SEED='$(SEED)' FAULT_SECONDS='$(FAULT_SECONDS)' exec tests/storm/run

bench: ## measure: what DESIGN says that it holds, beside pgbench, Fastify and Django REST framework
	@deploy/deps build run bench
	$(again) all
	@BUILD='$(BUILD)' exec tests/bench/run

bench-stages: ## what each stage of a request costs: time, instructions, allocations
	@deploy/deps build run test
	$(again) $(BUILD)/tests/bench/bench-stages
	@$(BUILD)/tests/bench/bench-stages $(BUILD)/bench-stages.json
	@echo; echo 'All figures: $(BUILD)/bench-stages.json'

bench-abuse: ## what others notice while one client misbehaves, in each way there is
	@deploy/deps build run test
	$(again) all
	@BUILD='$(BUILD)' exec tests/bench/abuse.py

clean: ## remove everything that was built; data in VAR stays
	rm -rf build

help: ## this list
	@sed -nE 's/^([a-z-]+): ## (.*)/  make \1\t\2/p' Makefile | expand -t 20
	@echo; sed -nE 's/^#  ( [A-Z]+=.*)/ \1/p' Makefile
