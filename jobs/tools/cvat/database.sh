#!/bin/sh
# PostgreSQL, with the snapshot's content if one is restored; it listens for the containers of this job alone.
set -eu
here=${NOMAD_ALLOC_DIR:-/alloc}/data
hooks=${INIT_HOOKS:-/docker-entrypoint-initdb.d} # what PostgreSQL's image runs in a new database, in this order

# The keeper says when it knows what to restore.
until [ -e "$here/restore/ready" ]; do sleep 0.5; done

# A restore that broke off has left half a database.
[ -e "$here/restore/done" ] || rm -rf "$here/database"
[ ! -e "$here/restore/database.sql.gz" ] || cp "$here/restore/database.sql.gz" "$hooks/10-snapshot.sql.gz"
echo "touch '$here/restore/done'" >"$hooks/20-done.sh"

export PGDATA="$here/database" POSTGRES_USER=root POSTGRES_DB=cvat POSTGRES_PASSWORD="$CVAT_POSTGRES_PASSWORD"
exec docker-entrypoint.sh postgres -c listen_addresses=127.0.0.1
