#!/bin/sh
# Makes the folders that the containers share, each writable for whom its container runs as.
set -eu
here=${NOMAD_ALLOC_DIR:-/alloc}/data
mkdir -p "$here/files" "$here/redis" "$here/kvrocks" "$here/restore"
chown 1000:1000 "$here/files" # the user of CVAT's image
chmod 0777 "$here/redis" "$here/kvrocks" "$here/restore"
