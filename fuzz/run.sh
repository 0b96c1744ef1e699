#!/bin/sh
# Coverage-guided fuzzing on the stable compiler: fuzz/run.sh TARGET [OPTIONS OF LIBFUZZER]. For a minute, or as long as -runs=N
# or -max_total_time=SECONDS says. Findings lie in fuzz/artifacts/TARGET/, what was learnt in fuzz/corpus/TARGET/.
set -eu
cd "$(dirname "$0")"
target=$1
shift
[ $# -gt 0 ] || set -- -max_total_time=60
host=$(rustc -vV | sed -n 's/^host: //p')
cargo=${CARGO:-cargo}
# Not instrumented: it is no target.
(cd .. && "$cargo" run --quiet -p painwatch-ingest-core --example fuzz_seeds)
# For the target alone, so that build scripts and macros are not instrumented.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
features=
case $target in mqtt | status | inflate) features=doors ;; esac
"$cargo" build --release --target "$host" --features "$features" --bin "$target"
mkdir -p "corpus/$target" "artifacts/$target"
[ ! -d "seeds/$target" ] || cp "seeds/$target"/* "corpus/$target/"
# Importers read files.
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
"target/$host/release/$target" "corpus/$target" -timeout=5 -rss_limit_mb=1024 -max_len=65536 \
    -artifact_prefix="artifacts/$target/" -print_final_stats=1 "$@"
