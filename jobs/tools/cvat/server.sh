#!/bin/bash
# CVAT's server: its tables, its one user, then itself.
set -eu
cd "$HOME"
./backend_entrypoint.sh init
python3 manage.py shell <"$NOMAD_TASK_DIR/superuser.py"
exec ./backend_entrypoint.sh run server
