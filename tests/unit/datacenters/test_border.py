"""Clusters that misbehave: refuse, hang, lie, break off. What Serai says of them, and what it tries again."""

import base64
import itertools
import json
import socket
import time

import pytest

from datacenters.interface import JobEvent, JobNotFound, JobRejected, JobStatus, NamespaceMissing, Unreachable
from datacenters.nomad import NomadAdapter
from datacenters.nomad.events import changes

from .border import a_border, first_says, hangs, hangs_up, says, trickles
from .shapes import JOB_ID, a_spec, a_task, allocation, job

TOKEN = "11111111-2222-3333-4444-555555555555"
REGISTERED = says(200, {"JobModifyIndex": 7, "EvalID": "e"})


def adapter_at(address, timeout=5.0, **settings):
    return NomadAdapter(address, token=TOKEN, timeout=timeout, **settings)


@pytest.fixture
def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_there_is_unreachable(closed_port):
    with pytest.raises(Unreachable, match=r"cannot be reached\.$"):
        adapter_at(f"http://127.0.0.1:{closed_port}").state(JOB_ID, "ada")


def test_a_name_that_does_not_resolve_is_unreachable():
    with pytest.raises(Unreachable):
        adapter_at("http://no-such-host.invalid").nodes()


def test_an_address_that_is_none_is_said():
    with pytest.raises(Unreachable, match="address that is none"):
        adapter_at("nomad.example").nodes()


def test_a_cluster_that_hangs_is_left_after_the_timeout():
    with a_border(nodes=hangs(3)) as border:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="in time"):
            adapter_at(border.address, timeout=0.3).nodes()
        assert time.monotonic() - began < 2


def test_a_cluster_that_hangs_up_is_unreachable():
    with a_border(nodes=hangs_up) as border, pytest.raises(Unreachable):
        adapter_at(border.address).nodes()


@pytest.mark.parametrize(
    "body", ['[{"ID": "half', "", "<html>A proxy's page</html>", '{"not": "a list"}', "[1, 2]", '[{"Status": "ready"}]']
)
def test_an_answer_that_makes_no_sense_is_unreachable(body):
    with a_border(nodes=says(200, body), allocations=says(200, [])) as border, pytest.raises(Unreachable):
        adapter_at(border.address).nodes()


def test_too_many_connections_are_said_with_nomads_text():
    with a_border(nodes=says(429, "Your IP is issuing too many concurrent connections")) as border:
        with pytest.raises(Unreachable, match="too many concurrent connections"):
            adapter_at(border.address).nodes()
        assert len(border.asked) == 1


def test_a_redirect_is_not_followed_with_our_token():
    with a_border() as other, a_border(nodes=says(307, "", Location="x")) as border:
        border.answers["nodes"] = says(307, "", Location=f"{other.address}/v1/nodes")
        border.answers[f"var/nomad/jobs/{JOB_ID}"] = says(307, "", Location=f"{other.address}/v1/var")
        adapter = adapter_at(border.address)
        with pytest.raises(Unreachable):
            adapter.nodes()
        with pytest.raises(Unreachable):
            adapter.submit(a_spec(a_task(secrets=("KEY",))), {"KEY": "value"})
        assert other.asked == []


@pytest.mark.parametrize("status", [403, 500])
def test_a_server_that_just_came_back_is_asked_again(status):
    answers = first_says(2, says(status, "Permission denied"), says(200, {"ID": JOB_ID, "Stop": True}))
    with a_border() as border:
        border.answers |= {f"job/{JOB_ID}": answers, f"job/{JOB_ID}/allocations": says(200, [])}
        assert adapter_at(border.address).state(JOB_ID, "ada").status is JobStatus.STOPPED


def test_a_server_that_answered_well_before_is_believed_at_once():
    with a_border(nodes=says(200, []), allocations=says(200, [])) as border:
        adapter = adapter_at(border.address)
        adapter.nodes()
        border.answers["nodes"] = says(403, "Permission denied")
        before = len(border.asked)
        with pytest.raises(Unreachable, match="refuses Serai's token"):
            adapter.nodes()
        assert len(border.asked) == before + 1


def test_after_a_break_a_refusal_is_doubted_again():
    with a_border(nodes=says(200, []), allocations=says(200, [])) as border:
        adapter = adapter_at(border.address)
        adapter.nodes()
        border.answers["nodes"] = hangs_up
        with pytest.raises(Unreachable):
            adapter.nodes()
        border.answers["nodes"] = first_says(1, says(403, "Permission denied"), says(200, []))
        assert adapter.nodes() == []


def test_a_wrong_token_is_said_and_never_shown():
    with a_border() as border:
        border.otherwise = says(403, "Permission denied")
        with pytest.raises(Unreachable, match="Its administrator must check the token") as raised:
            adapter_at(border.address).check()
        assert TOKEN not in str(raised.value)


def test_a_region_that_is_away_is_unreachable_not_a_rejection():
    with a_border() as border:
        border.otherwise = says(500, "No path to region")
        with pytest.raises(Unreachable, match="No path to region"):
            adapter_at(border.address, region="moon").submit(a_spec(), {})


def test_every_call_names_region_namespace_and_token():
    with a_border(jobs=REGISTERED) as border:
        border.answers[f"var/nomad/jobs/{JOB_ID}"] = says(200, {})
        adapter_at(border.address, region="eu").submit(a_spec(a_task(secrets=("KEY",))), {"KEY": "value"})
        assert [(method, path.partition("?")[0]) for method, path, _headers in border.asked] == [
            ("PUT", f"/v1/var/nomad/jobs/{JOB_ID}"),
            ("POST", "/v1/jobs"),
        ]
        for _method, path, headers in border.asked:
            assert "namespace=ada" in path
            assert "region=eu" in path
            assert headers["X-Nomad-Token"] == TOKEN


def test_a_job_that_no_cluster_takes_is_rejected_with_its_own_reasons():
    faults = '2 errors occurred:\n\t* driver "exec" is not allowed\n\t* memory too small\n\n'
    with a_border(jobs=says(500, faults)) as border:
        with pytest.raises(JobRejected) as raised:
            adapter_at(border.address).submit(a_spec(), {})
        assert str(raised.value) == 'The datacenter refuses this job: driver "exec" is not allowed; memory too small.'


def test_a_cluster_without_a_leader_did_not_reject_the_job():
    with a_border(jobs=says(500, "No cluster leader")) as border, pytest.raises(Unreachable):
        adapter_at(border.address).submit(a_spec(), {})


def test_a_variables_values_are_in_no_message():
    conflict = says(409, {"Items": {"KEY": "the old secret"}})
    with a_border() as border:
        border.answers[f"var/nomad/jobs/{JOB_ID}"] = conflict
        with pytest.raises(Unreachable) as raised:
            adapter_at(border.address).submit(a_spec(a_task(secrets=("KEY",))), {"KEY": "new"})
        assert "secret" not in str(raised.value)


def test_a_job_nobody_knows_is_not_found_but_stopping_it_is_no_error():
    with a_border() as border:
        border.otherwise = says(404, "job not found")
        adapter = adapter_at(border.address)
        with pytest.raises(JobNotFound):
            adapter.state(JOB_ID, "ada")
        adapter.stop(JOB_ID, "ada")
        adapter.purge(JOB_ID, "ada")


def test_an_id_with_odd_signs_stays_one_part_of_the_path():
    with a_border() as border:
        with pytest.raises(JobNotFound):
            adapter_at(border.address).state("a/../b?c#d", "ada")
        assert border.asked[0][1].startswith("/v1/job/a%2F..%2Fb%3Fc%23d?")


def test_a_failure_on_the_way_names_the_cluster_but_no_query(closed_port):
    with pytest.raises(Unreachable) as raised:
        adapter_at(f"http://127.0.0.1:{closed_port}").log("a", "ada", "main", "stdout")
    assert "namespace" not in str(raised.value)


def test_lists_take_few_calls_however_many_jobs_there_are():
    jobs = [job(ID=f"serai-{number}") for number in range(50)]
    placed = [
        allocation(JobID=one["ID"], TaskStates={"main": {"State": "running"}}, NodeID="n", NodeName="n") for one in jobs
    ]
    with a_border(
        jobs=says(200, jobs), allocations=says(200, placed), nodes=says(200, [{"ID": "n", "Datacenter": "dc9"}])
    ) as border:
        found = adapter_at(border.address).states("serai-")
        assert {state.status for state in found} == {JobStatus.RUNNING}
        assert {state.datacenter for state in found} == {"dc9"}
        assert len(border.asked) == 3


def test_a_node_is_asked_for_its_metadata_once():
    listed = [{"ID": "n1", "Name": "one", "Datacenter": "dc1", "Status": "ready", "ModifyIndex": 3}]
    with a_border(
        nodes=says(200, listed), allocations=says(200, []), node__n1=says(200, {"Meta": {"a": "b"}})
    ) as border:
        adapter = adapter_at(border.address)
        assert [adapter.nodes()[0].meta, adapter.nodes()[0].meta] == [{"a": "b"}, {"a": "b"}]
        assert [path for _method, path, _headers in border.asked if "/node/" in path] == [
            "/v1/node/n1?namespace=default&region=global"
        ]


# ── Streams ──────────────────────────────────────────────────────────────────────────────────────


def line(index, *things):
    return json.dumps({"Index": index, "Events": list(things)}).encode() + b"\n"


def about(topic, job_id, **payload):
    return {"Topic": topic, "Namespace": "ada", "Payload": {topic: payload or {"JobID": job_id}}}


def events_of(*answers, take=10, **changes):
    with a_border(acl__token__self=says(200, {}), event__stream=answers[0], **changes) as border:
        adapter = adapter_at(border.address)
        return list(itertools.islice(adapter.events(5), take)), border.asked


def test_events_come_at_once_even_in_pieces():
    whole = line(7, about("Allocation", "serai-1"), about("Evaluation", "serai-1"))
    stream = trickles(
        b"{}\n", whole[:20], whole[20:], line(8, about("Job", "", ID="serai-2")), b"{}\n", pause=0.05, stays=3
    )
    began = time.monotonic()
    found, asked = events_of(stream, take=4)
    assert found == [None, JobEvent(7, "ada", "serai-1"), JobEvent(8, "ada", "serai-2"), None]
    assert time.monotonic() - began < 2
    assert "index=6" in asked[-1][1]
    assert "topic=Job&topic=Evaluation&topic=Allocation&topic=Node" in asked[-1][1]


def test_a_change_of_a_node_is_news_without_a_job():
    found, _asked = events_of(trickles(line(9, {"Topic": "Node", "Payload": {"Node": {"ID": "n"}}}), stays=1), take=1)
    assert found == [JobEvent(9, "", None)]


def test_a_stream_that_ends_is_unreachable():
    with pytest.raises(Unreachable, match="ended its stream"):
        events_of(trickles(b"{}\n"))


def test_a_stream_that_is_no_stream_is_unreachable():
    with pytest.raises(Unreachable, match="no event"):
        events_of(trickles(b"{}\n<html>\n"))


def test_a_wrong_token_is_noticed_before_the_silent_stream():
    wrong, silent = says(403, "Permission denied"), trickles(stays=9)
    with (
        a_border(acl__token__self=wrong, event__stream=silent) as border,
        pytest.raises(Unreachable, match="refuses Serai's token"),
    ):
        next(iter(adapter_at(border.address).events(0)))


@pytest.mark.slow
def test_a_stream_that_stays_silent_is_given_up_and_tried_without_nodes():
    with a_border(acl__token__self=says(200, {}), event__stream=trickles(stays=20)) as border:
        adapter = adapter_at(border.address)
        with pytest.raises(Unreachable):
            next(iter(adapter.events(0)))
        border.answers["event/stream"] = trickles(b"{}\n", stays=1)
        assert next(iter(adapter.events(0))) is None
        assert "topic=Node" not in border.asked[-1][1]


def test_a_token_that_is_told_no_events_asks_for_allocations_that_changed():
    ours = {"ModifyIndex": 12, "Namespace": "serai-ada", "JobID": JOB_ID}
    old = {"ModifyIndex": 3, "Namespace": "serai-bob", "JobID": "serai-of-bob"}
    newer = says(200, [ours, old], **{"X-Nomad-Index": "12"})
    with a_border(
        acl__token__self=says(200, {}), event__stream=trickles(), allocations=newer, evaluations=says(200, [])
    ) as border:
        adapter = adapter_at(border.address)
        for _topics in ("with nodes", "without"):
            with pytest.raises(Unreachable, match="tells this token no events"):
                next(iter(adapter.events(5)))
        heard = list(itertools.islice(adapter.events(5), 3))
        assert heard == [JobEvent(12, "serai-ada", JOB_ID), None, None]
        asked = [path for _method, path, _headers in border.asked if "/allocations" in path]
        assert ["index=5" in asked[-2], "index=12" in asked[-1]] == [True, True]


def test_a_job_that_is_purged_is_news_though_nothing_of_it_is_left():
    ours = {"ModifyIndex": 12, "Namespace": "serai-ada", "JobID": JOB_ID}
    answers = iter([([ours], 12), ([], 15), ([], 15)])
    heard = list(itertools.islice(changes(lambda _index: next(answers), list, 12), 4))
    assert heard == [None, JobEvent(15, "serai-ada", JOB_ID), None, None]


def test_a_job_that_finds_no_place_is_news_each_time_its_reason_changes():
    waits = [{"ModifyIndex": index, "Namespace": "serai-ada", "JobID": JOB_ID} for index in (7, 7, 9)]
    reasons = iter([[], *([one] for one in waits), []])
    heard = list(itertools.islice(changes(lambda index: ([], index), lambda: next(reasons), 5), 7))
    assert heard == [None, JobEvent(7, "serai-ada", JOB_ID), None, None, JobEvent(9, "serai-ada", JOB_ID), None, None]


def test_an_answer_that_hides_how_new_it_is_is_no_answer():
    silent = {"acl__token__self": says(200, {}), "event__stream": trickles(), "allocations": says(200, [])}
    with a_border(**silent) as border:
        adapter = adapter_at(border.address)
        for _topics in ("with nodes", "without"):
            with pytest.raises(Unreachable):
                next(iter(adapter.events(5)))
        with pytest.raises(Unreachable, match="how new"):
            next(iter(adapter.events(5)))


def frame(data):
    return json.dumps({"File": "alloc/logs/main.stdout.0", "Data": base64.b64encode(data).decode()}).encode()


def followed(*pieces, state="dead", **how):
    place = "client/fs/logs/one"
    with a_border() as border:
        border.answers[place] = trickles(*pieces, **how)
        border.answers["allocation/one"] = says(200, {"TaskStates": {"main": {"State": state}}})
        return list(itertools.islice(adapter_at(border.address).follow_log("one", "ada", "main", "stdout"), 10))


def test_a_followed_log_comes_in_pieces_and_ends_with_its_task():
    pieces = [frame(b"one\n")[:9], frame(b"one\n")[9:] + frame(b"two\n"), b"{}", b"{}", b"{}", frame(b"never read")]
    assert followed(*pieces, pause=0.02) == [b"one\n", b"two\n"]


def test_a_silent_log_gives_signs_of_life_while_its_task_runs():
    assert followed(*[b"{}"] * 6, frame(b"x"), state="running", pause=0.02) == [b"", b"", b"x"]


def test_a_task_that_has_not_started_has_no_log_but_a_gone_allocation_is_said():
    with a_border() as border:
        adapter = adapter_at(border.address)
        border.otherwise = says(404, 'task "main" not started yet. No logs available')
        assert adapter.log("one", "ada", "main", "stdout") == b""
        assert list(adapter.follow_log("one", "ada", "main", "stdout")) == []
        border.otherwise = says(404, 'Unknown allocation "one"')
        with pytest.raises(JobNotFound):
            adapter.log("one", "ada", "main", "stdout")


def test_figures_that_are_not_published_are_none():
    with a_border() as border:
        border.otherwise = says(200, {"ResourceUsage": None, "Tasks": None})
        assert adapter_at(border.address).usage("one", "ada") is None
        border.otherwise = says(404, "No path to node")
        with pytest.raises(Unreachable):
            adapter_at(border.address).usage("one", "ada")


def test_a_restart_is_waited_for_longer_than_other_calls():
    with a_border(
        client__allocation__one__restart=first_says(
            0, hangs_up, lambda handler: (time.sleep(0.6), says(200, {})(handler))
        )
    ) as border:
        adapter_at(border.address, timeout=0.2).restart("one", "ada", "main")


def test_a_namespace_that_is_there_is_not_made_again():
    with a_border(namespaces=says(200, [{"Name": "ada"}]), namespace=says(200, "")) as border:
        adapter = adapter_at(border.address)
        adapter.ensure_namespace("ada")
        adapter.ensure_namespace("ada")
        adapter.ensure_namespace("bob")
        adapter.ensure_namespace("bob")
        assert [(method, path.partition("?")[0]) for method, path, _headers in border.asked] == [
            ("GET", "/v1/namespaces"),
            ("GET", "/v1/namespaces"),
            ("POST", "/v1/namespace"),
        ]


def test_a_namespace_that_serai_may_not_make_is_asked_of_the_operator():
    with a_border(namespaces=says(200, []), namespace=says(403, "Permission denied")) as border:
        adapter = adapter_at(border.address)
        with pytest.raises(NamespaceMissing, match="no namespace serai-ada"):
            adapter.ensure_namespace("serai-ada")
