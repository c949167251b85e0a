"""Reading what tasks write: whole, in part, following, rotated."""

import base64
import json
import threading
import time

import pytest

from .cluster import job, shell

pytestmark = pytest.mark.slow


def test_both_streams_are_kept_apart(cluster, job_id):
    cluster.register(job(job_id, shell("echo out; echo err >&2")))
    allocation = cluster.ended(job_id)
    assert (cluster.log(allocation), cluster.log(allocation, stream="stderr")) == ("out\n", "err\n")


def test_a_log_is_read_from_an_offset(cluster, job_id):
    cluster.register(job(job_id, shell("printf 0123456789")))
    allocation = cluster.ended(job_id)
    assert cluster.log(allocation, offset=4) == "456789"
    assert cluster.log(allocation, offset=3, origin="end") == "789"
    assert cluster.log(allocation, offset=100) == ""


def test_old_output_makes_room_for_new(cluster, job_id):
    script = "i=0; while [ $i -lt 6000 ]; do echo line $i %s; i=$((i+1)); done" % ("x" * 500)
    cluster.register(job(job_id, shell(script)))
    text = cluster.log(cluster.ended(job_id))
    assert 1_000_000 < len(text) < 2_200_000
    assert text.endswith(f"line 5999 {'x' * 500}\n")
    assert "line 0 " not in text


def test_a_followed_log_comes_as_it_is_written(cluster, job_id):
    cluster.register(job(job_id, shell("echo one; sleep 1; echo two; sleep 1; echo three; exec sleep 100")))
    running = cluster.running(job_id)
    query = {"task": "main", "type": "stdout", "follow": "true", "plain": "true"}
    found, times = b"", []
    with cluster.http.stream("GET", f"client/fs/logs/{running['ID']}", params=query) as response:
        for piece in response.iter_raw():
            found += piece
            times.append(time.monotonic())
            if b"three" in found:
                break
    assert found == b"one\ntwo\nthree\n"
    assert times[-1] - times[0] > 0.8


def test_a_framed_log_says_its_place_and_gives_signs_of_life(cluster, job_id):
    cluster.register(job(job_id, shell("echo hello; exec sleep 100")))
    allocation = cluster.running(job_id)
    cluster.log_with("hello", allocation)
    query = {"task": "main", "type": "stdout", "follow": "true"}
    text, decoder = "", json.JSONDecoder()
    with cluster.http.stream("GET", f"client/fs/logs/{allocation['ID']}", params=query) as response:
        for piece in response.iter_text():
            text += piece
            if "{}" in text:
                break
    frame, end = decoder.raw_decode(text)
    assert base64.b64decode(frame["Data"]) == b"hello\n"
    assert (frame["File"], frame["Offset"]) == ("alloc/logs/main.stdout.0", 6)
    assert text[end:].startswith("{}")


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ({"task": "nobody", "type": "stdout"}, 400, 'unknown task name "nobody"'),
        ({"type": "stdout"}, 400, "must provide task name"),
        ({"task": "main", "type": "x"}, 400, "must provide log type (stdout/stderr)"),
    ],
)
def test_a_wrong_question_is_said_so(cluster, job_id, query, status, text):
    cluster.register(job(job_id, shell("true")))
    allocation = cluster.ended(job_id)
    response = cluster.http.get(f"client/fs/logs/{allocation['ID']}", params={**query, "plain": "true"})
    assert (response.status_code, response.text) == (status, text)


def test_what_has_not_started_has_no_log(cluster, job_id):
    cluster.register(job(job_id, shell("true", Config={"command": "/nowhere"})))
    allocation = cluster.ended(job_id)
    response = cluster.http.get(f"client/fs/logs/{allocation['ID']}", params={"task": "main", "type": "stdout"})
    assert (response.status_code, response.text) == (404, 'task "main" not started yet. No logs available')


def test_an_unknown_allocation_is_404(cluster):
    unknown = "11111111-1111-1111-1111-111111111111"
    response = cluster.http.get(f"client/fs/logs/{unknown}", params={"task": "main", "type": "stdout"})
    assert (response.status_code, response.text) == (404, f'Unknown allocation "{unknown}"')
    assert cluster.http.get(f"allocation/{unknown}").status_code == 404
    assert cluster.http.get("allocation/short").status_code == 500


def test_a_busy_task_shows_in_the_figures(cluster, job_id):
    busy = "i=0; while :; do i=$((i+1)); done"
    cluster.register(job(job_id, shell(busy), shell("exec sleep 100", name="idle")))
    allocation = cluster.running(job_id)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        tasks = cluster.get(f"client/allocation/{allocation['ID']}/stats")["Tasks"]
        if tasks and "main" in tasks and tasks["main"]["ResourceUsage"]["CpuStats"]["Percent"] > 20:
            break
        time.sleep(0.3)
    assert tasks["main"]["ResourceUsage"]["CpuStats"]["Percent"] > 20
    assert tasks["main"]["ResourceUsage"]["MemoryStats"]["RSS"] > 100_000
    assert tasks["idle"]["ResourceUsage"]["CpuStats"]["Percent"] < 20


def test_many_may_follow_at_once(cluster, job_id):
    cluster.register(job(job_id, shell("sleep 1; echo together; exec sleep 100")))
    allocation = cluster.running(job_id)
    query = {"task": "main", "type": "stdout", "follow": "true", "plain": "true"}
    heard = []

    def follow():
        with (
            cluster.agent.client() as http,
            http.stream("GET", f"client/fs/logs/{allocation['ID']}", params=query) as response,
        ):
            heard.append(next(response.iter_raw()))

    threads = [threading.Thread(target=follow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert heard == [b"together\n"] * 8
