#!/bin/sh
# Restores a snapshot before the start, makes one every few hours, and one at the end, when nobody works any more.
#
# In the first storage that is attached: cvat/snapshots/<when>.sql.gz, the database, and cvat/files, what was
# uploaded. A file never changes after its upload, so all snapshots share them and only new ones are copied.
set -eu
here=${NOMAD_ALLOC_DIR:-/alloc}/data
export PGHOST=127.0.0.1 PGUSER=root PGDATABASE=cvat PGPASSWORD="$CVAT_POSTGRES_PASSWORD"
kept="data assets projects tasks jobs" # of CVAT's data; its caches are made anew

first_storage() {
    for folder in "${SERAI_STORAGES_DIR:-/nowhere}"/*/; do
        if [ -d "$folder" ] && [ -w "$folder" ]; then
            echo "${folder}cvat"
            return
        fi
    done
}

copy() { # of FROM to TO what is not there yet
    for part in $kept; do
        [ -d "$1/$part" ] || continue
        mkdir -p "$2/$part"
        cp -Ru "$1/$part/." "$2/$part/"
    done
}

chosen() { # the snapshot that the form names
    case $OPTION_RESTORE in
    latest) ls "$store/snapshots" 2>/dev/null | grep '^[0-9TZ-]*\.sql\.gz$' | sort | tail -n 1 ;;
    *) echo "$OPTION_RESTORE" | sed 's/\.sql\.gz$//' | grep '^[0-9TZ-]*$' | sed 's/$/.sql.gz/' ;;
    esac
}

restore() {
    if [ -z "$store" ]; then
        echo "A snapshot is to be restored, but no storage that can be written is attached."
        exit 1
    fi
    name=$(chosen)
    if [ -z "$name" ] || [ ! -f "$store/snapshots/$name" ]; then
        echo "There is no snapshot “$OPTION_RESTORE” in the storage. There are:"
        ls "$store/snapshots" 2>/dev/null || echo "(none)"
        exit 1
    fi
    echo "Restoring the snapshot $name."
    copy "$store/files" "$here/files"
    chown -R 1000:1000 "$here/files"
    cp "$store/snapshots/$name" "$here/restore/database.sql.gz"
}

snapshot() {
    [ -n "$store" ] || return 0
    if ! pg_isready --quiet; then
        echo "The database does not answer, so there is nothing to keep."
        return 0
    fi
    name=$(date -u +%Y-%m-%dT%H-%M-%SZ).sql.gz
    mkdir -p "$store/snapshots" "$store/files"
    # First the database: each file that it names is then among those that are copied. The name comes last:
    # a snapshot that is listed is whole.
    pg_dump --no-owner --no-privileges --compress=6 --file="$here/restore/draft.sql.gz"
    copy "$here/files" "$store/files"
    cp "$here/restore/draft.sql.gz" "$store/snapshots/.draft-$name"
    mv "$store/snapshots/.draft-$name" "$store/snapshots/$name"
    rm -f "$here/restore/draft.sql.gz"
    echo "Snapshot $name: $(du -h "$store/snapshots/$name" | cut -f1) of database."
    ls "$store/snapshots" | grep '^[0-9TZ-]*\.sql\.gz$' | sort -r | tail -n "+$((OPTION_KEEP + 1))" |
        while read -r old; do rm -f "$store/snapshots/$old"; done
}

last() {
    trap '' TERM
    [ -z "$sleeping" ] || kill "$sleeping" 2>/dev/null || true
    snapshot
    exit 0
}

store=$(first_storage) sleeping=
[ -n "$store" ] || echo "No storage that can be written is attached: nothing is kept when this deployment stops."
if [ ! -e "$here/restore/ready" ]; then
    [ "${OPTION_RESTORE:-none}" = none ] || restore
    touch "$here/restore/ready"
fi
trap last TERM
while true; do
    sleep "${SNAPSHOT_SECONDS:-$((OPTION_EVERY_HOURS * 3600))}" &
    sleeping=$!
    wait "$sleeping"
    snapshot || echo "This snapshot failed; the next one is tried at its time."
done
