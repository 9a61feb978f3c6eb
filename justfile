# What CI runs.
check:
    .ci/run

# The inner loop: CPU only.
test *ARGS:
    cargo test --no-default-features {{ARGS}}

# Figures for docs/benchmarks.md.
bench:
    cargo run --release --no-default-features -- bench
