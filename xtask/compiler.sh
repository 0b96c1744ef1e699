#!/bin/sh
# What cargo compiles our crates with where their tests are built: the linter, so that nothing is read through twice; and
# without optimization where a test harness is made, because what a test waits for lies in the libraries it calls.
for word in "$@"; do
    [ "$word" = --test ] && exec clippy-driver "$@" -C opt-level=0
done
exec clippy-driver "$@"
