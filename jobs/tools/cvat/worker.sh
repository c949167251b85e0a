#!/bin/bash
# All of CVAT's queues in one container: what people wait for has a process of its own, beside what may take long.
set -eu
cd "$HOME"
until python3 manage.py migrate --check && python3 manage.py migrateredis --check; do sleep 5; done
trap 'kill $(jobs -p); wait' TERM INT
work() { python3 manage.py rqworker "$@" --worker-class cvat.rqworker.DefaultWorker; }
work chunks webhooks quality_reports analytics_reports &
work import export annotation &
wait -n
exit 1 # a worker ended by itself: start both anew
