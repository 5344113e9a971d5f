#!/usr/bin/env bash
# Tries so many new inputs, shared over everything that reads what others write (tests/src/strangers.rs). An input that fails is
# printed as a line for a test of its own; one that ends the process, by its stack or its memory, is left in target/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

inputs=${1:?usage: tests/fuzz.sh INPUTS}
across=(cargo test --config tests/fuzz.toml --workspace --no-fail-fast --test strangers any_bytes_as_)
# What only a crate itself reaches, as it was built for the tests.
inside=(cargo test --workspace --no-fail-fast --lib --bins any_bytes_as_)

readers=$({ "${across[@]}" -- --list && "${inside[@]}" -- --list; } 2>/dev/null | grep -c ': test$')
export INPUTS_EACH=$(((inputs + readers - 1) / readers))
echo "$readers readers, $INPUTS_EACH inputs each"

quietly() { # command...
  "$@" -- --nocapture --test-threads 1 2>&1 |
    { grep -vE '^$|^ +(Running|Compiling|Finished) |^running |^test .*ok$|; 0 failed; ' || true; }
}

failed=0
quietly "${across[@]}" || failed=1
quietly "${inside[@]}" || failed=1
exit "$failed"
