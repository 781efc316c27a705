#!/bin/sh
# Compiles every .in file to pins with hashes. No header, index or find-links line is kept:
# an address of a registry does not belong into the repository.
set -eu
before=${EXCLUDE_NEWER:-$(date -u -d '7 days ago' +%F)}
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links --exclude-newer "$before" "$@"
}
compile runtime.in -o runtime.txt
compile -c runtime.txt aws.in -o aws.txt
compile -c runtime.txt -c aws.txt test.in -o test.txt
compile -c test.txt dev.in -o dev.txt
compile --no-deps binaries.in -o binaries.txt
# pip finds the pin of a package that is asked for with an extra only where the pin names the extra.
compile --no-strip-extras -c runtime.txt ../bench/requirements/peers.in -o ../bench/requirements/peers.txt
