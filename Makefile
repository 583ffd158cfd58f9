# The two commands of the README are `make demo` and `make test`; the rest are their parts.
# One development profile serves clippy, tests and checks, so that nothing is built twice.

PYTHON := .venv/bin/python
TARGET := $(or $(CARGO_TARGET_DIR),target)
BLUEFLY := $(TARGET)/debug/bluefly
SCANS := $(TARGET)/scans
PYTEST := -q -p no:cacheprovider --basetemp $(abspath $(TARGET))/flyer
# Checks the documents as their readers understand them; not part of this repository.
VALIDATE := ../shared/tools/validate_docs.py

.PHONY: demo test setup fmt lint doc unit check-scan check-api check-python check-ca check-panda check-tiled deny pictures bench fuzz
# The parts of `test` follow one another: all of them build, and some need what another one made.
.NOTPARALLEL:

demo: setup
	cargo run --release -- demo

test: setup fmt lint doc deny unit check-scan check-api check-python check-ca check-panda

setup:
	./setup

fmt:
	cargo fmt --all --check

# Also the program of those who build it without TLS.
lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo check --package bluefly --lib --no-default-features --locked --quiet

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

unit:
	cargo test --workspace --locked

# What `bluefly scan` and `bluefly schema` leave is checked with the tools of those who will read it.
# The program is the one that the tests drive: `cargo build` would choose other features and build it
# again.
check-scan: setup
	cargo test --workspace --locked --no-run --quiet
	$(PYTHON) tests/python/test_check_scan.py
	$(PYTHON) tests/python/test_schema.py $(BLUEFLY)
	rm -rf $(SCANS)
	$(BLUEFLY) scan etc/demo.json --beamline etc/sim.toml --sim --fast --seed 1 --out $(SCANS)/demo
	$(PYTHON) tests/python/check_scan.py $(SCANS)/demo --num-events 1600
	BLUEFLY__DEVICE__DIODE__EXPOSURES_PER_FRAME=3 $(BLUEFLY) scan etc/demo.json \
	  --beamline etc/sim.toml --sim --fast --seed 1 --out $(SCANS)/rates
	$(PYTHON) tests/python/check_scan.py $(SCANS)/rates --num-events 1600
	$(PYTHON) tests/python/check_live.py $(BLUEFLY) etc/demo.json etc/sim.toml $(SCANS)/live
	$(PYTHON) tests/python/check_scan.py $(SCANS)/live --num-events 1600
	timeout 15 $(BLUEFLY) demo --out $(SCANS)/real
	$(PYTHON) tests/python/check_scan.py $(SCANS)/real --num-events 1600
	@if [ -f $(VALIDATE) ]; then \
	  $(PYTHON) $(VALIDATE) --strict $(SCANS)/*/documents.jsonl; \
	else \
	  echo "check-scan: $(VALIDATE) is not there: documents were checked against their schemas only"; \
	fi

# The server does what it says of itself: schemathesis asks it by its own /openapi.json.
check-api: setup
	cargo test --workspace --locked --no-run --quiet
	$(PYTHON) tests/python/check_api.py $(BLUEFLY) etc/sim.toml $(TARGET)/api

# The Python package, with the program on a simulated beamline and the RunEngine of bluesky.
check-python: setup
	cargo test --workspace --locked --no-run --quiet
	$(PYTHON) -m mypy --config-file python/pyproject.toml --cache-dir $(TARGET)/mypy python/bluefly
	BLUEFLY=$(abspath $(BLUEFLY)) $(PYTHON) -m pytest $(PYTEST) -n 2 tests/python/flyer

# The simulated IOC, asked by clients of Channel Access that are not ours: libca through pyepics and
# aioca, and caproto.
check-ca: setup
	cargo test --workspace --locked --no-run --quiet
	BLUEFLY=$(abspath $(BLUEFLY)) $(PYTHON) -m pytest -q -p no:cacheprovider tests/python/ioc

# The simulated PandA, asked by the client of those who make PandAs.
check-panda: setup
	cargo test --workspace --locked --no-run --quiet
	BLUEFLY=$(abspath $(BLUEFLY)) $(PYTHON) -m pytest -q -p no:cacheprovider tests/python/panda

# The Python package with Tiled, which brings 130 packages (1.3 GB, some minutes): not part of `test`.
check-tiled:
	test -d .venv-tiled || python3 -m venv .venv-tiled
	.venv-tiled/bin/pip install --quiet --disable-pip-version-check \
	  -r tests/python/flyer/requirements-tiled.txt
	cargo test --workspace --locked --no-run --quiet
	BLUEFLY=$(abspath $(BLUEFLY)) .venv-tiled/bin/python -m pytest $(PYTEST) \
	  tests/python/flyer/test_tiled.py

# Licences, sources and duplicates are tested by tests/it/dependencies.rs from the same deny.toml;
# cargo-deny looks deeper where it is installed. It does not fetch advisories: that needs a network.
deny:
	@if cargo deny --version >/dev/null 2>&1; then \
	  cargo deny --locked check licenses bans sources; \
	else \
	  echo "deny: cargo-deny is not installed (cargo install cargo-deny): left to the tests"; \
	fi

# The pictures of docs/scanning.md, after a change of an example or of how pictures are drawn. Tests
# compare them with what the program draws.
pictures:
	cargo test --workspace --locked --no-run --quiet
	for example in docs/examples/*.json; do \
	  name=$$(basename $$example .json); \
	  $(BLUEFLY) points $$example --format svg > docs/pictures/$$name.svg || exit 1; \
	done
	for name in snake constant_duration; do \
	  $(BLUEFLY) profile docs/examples/$$name.json --beamline etc/sim.toml --format svg \
	    > docs/pictures/$$name.profile.svg || exit 1; \
	done

# The figures of docs/performance.md.
bench:
	cargo bench --locked --bench supervision --bench storage --bench points --bench run --bench api --bench panda \
	  --bench ca

# Ten minutes of odd specifications, and ten of each kind of odd messages. Needs a nightly compiler and
# `cargo install cargo-fuzz`.
fuzz:
	python3 fuzz/seeds.py fuzz/corpus/spec
	cargo +nightly fuzz run spec -- -max_total_time=600 -max_len=4096 -timeout=5 -rss_limit_mb=1024
	cargo +nightly fuzz run channel_access -- -max_total_time=600 -max_len=4096 -timeout=5 -rss_limit_mb=1024
	cargo +nightly fuzz run panda_control -- -max_total_time=600 -max_len=4096 -timeout=5 -rss_limit_mb=1024
	mkdir -p fuzz/corpus/panda_data
	cargo +nightly fuzz run panda_data fuzz/corpus/panda_data tests/recordings/panda -- -max_total_time=600 -max_len=4096 -timeout=5 -rss_limit_mb=1024
