"""What a task may reach: its own folder, and nothing of Serai's or of another deployment."""

import os
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path

import h11
import httpx
import pytest

from datacenters.local.__main__ import token
from datacenters.local.node import task_pythons
from tests.agents import ROOT, free_port
from tests.contract.cluster import Cluster, job, over, shell

from .conftest import root_only

pytestmark = [pytest.mark.slow, root_only]


def said(cluster, job_id, script, namespace="default"):
    """What a script printed, run as a job of its own."""
    cluster.http.post("namespace", json={"Name": namespace})
    cluster.register(job(job_id, shell(f"({script}) 2>&1; true"), Namespace=namespace))
    where = {"namespace": namespace}
    deadline = time.monotonic() + 20
    while not (found := cluster.get(f"job/{job_id}/allocations", **where)) or not over(found[0]):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return cluster.log(found[0], **where).strip()


def test_each_job_has_an_uid_and_each_namespace_a_gid(shared_cluster, job_id):
    ada = said(shared_cluster, f"{job_id}-a", "id -u; id -g; id -G")
    bob = said(shared_cluster, f"{job_id}-b", "id -u; id -g; id -G")
    eve = said(shared_cluster, f"{job_id}-e", "id -u; id -g; id -G", namespace="eves")
    uids, gids, groups = zip(*(text.split() for text in (ada, bob, eve)), strict=True)
    assert len(set(uids)) == 3
    assert min(map(int, uids)) >= 200_000
    assert gids[0] == gids[1] != gids[2]
    assert groups == gids


def test_a_job_keeps_its_uid(shared_cluster, job_id):
    first = said(shared_cluster, job_id, "id -u")
    shared_cluster.stop(job_id)
    second = said(shared_cluster, job_id, "id -u; true")
    assert first == second


def test_a_task_cannot_read_the_agents_files(shared_cluster, job_id):
    data = shared_cluster.agent.tasks.parent / "data"
    script = (
        f"cat {data}/state.sqlite; ls {data}; cat {data.parent}/token; cat /proc/{shared_cluster.agent.pid}/environ"
    )
    text = said(shared_cluster, job_id, script)
    assert text.count("Permission denied") == 4
    assert shared_cluster.agent.token not in text


def test_a_task_cannot_reach_another_jobs_folder_or_environment(shared_cluster, job_id):
    secret = shell("umask; echo hidden > local/x; exec sleep 600", Env={"SECRET": "hidden"})
    other = f"{job_id}-other"
    shared_cluster.register(job(other, secret, kind="service"))
    theirs = shared_cluster.running(other)
    folder = shared_cluster.agent.tasks / "alloc" / theirs["ID"]
    script = (
        f"cat {folder}/main/local/x; ls {folder}; ls {folder}/main; ls {folder}/alloc; ls {folder}/.logs; "
        "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -e SECRET= -e NOMAD_TASK_NAME="
    )
    text = said(shared_cluster, job_id, script)
    assert text.count("Permission denied") == 5
    assert "SECRET=" not in text
    assert text.endswith("NOMAD_TASK_NAME=main")  # its own it may read, so the search itself works


def test_a_tasks_files_are_for_its_project(shared_cluster, job_id):
    text = said(shared_cluster, job_id, "umask; ulimit -c; touch local/x; stat -c %a local/x; stat -c %a .")
    assert text.split() == ["0007", "0", "660", "700"]


def test_a_task_gains_no_privileges(shared_cluster, job_id):
    assert said(shared_cluster, job_id, "grep NoNewPrivs /proc/self/status").split() == ["NoNewPrivs:", "1"]


def test_the_environment_is_clean(shared_cluster, job_id):
    text = said(shared_cluster, job_id, "env -0 | tr '\\0' '\\n' | cut -d= -f1 | sort")
    names = {name for name in text.split() if not name.startswith("NOMAD_")}
    assert names == {"PATH", "HOME", "LANG", "TMPDIR", "PWD"}


def test_an_operator_task_is_the_agents_own_user_and_knows_the_jobs(shared_cluster, job_id):
    operator = shell("id -u; echo $SERAI_TASK_UID $SERAI_TASK_GID; umask", name="storage", User="root")
    main = shell("id -u; id -g")
    shared_cluster.register(job(job_id, {**operator, "Lifecycle": {"Hook": "prestart"}}, main))
    allocation = shared_cluster.ended(job_id)
    own_uid, told, umask = shared_cluster.log(allocation, "storage").splitlines()
    assert own_uid == str(os.getuid())
    assert told.split() == shared_cluster.log(allocation).split()
    assert umask == "0022"


def test_packages_are_built_by_a_user_of_their_own(shared_cluster, job_id):
    told = shell("echo $SERAI_PACKAGES_UID $SERAI_PACKAGES_GID $SERAI_TASK_UID $SERAI_TASK_GID", User="root")
    shared_cluster.register(job(job_id, told))
    numbers = shared_cluster.log(shared_cluster.ended(job_id)).split()
    assert len(set(map(int, numbers[::2]))) == 2
    assert numbers[1] != numbers[3]
    assert "0" not in numbers


def test_another_user_name_is_refused(shared_cluster, job_id):
    assert 'User "www-data"' in shared_cluster.refusal(job(job_id, shell("true", User="www-data")))


def test_a_link_planted_by_a_task_leads_the_agent_nowhere(shared_cluster, job_id, place):
    """Main replaces its folder by a link before its template is written: it is written as main's own user."""
    target = place / "target"
    target.mkdir(mode=0o700)
    plant = f'rm -rf "$NOMAD_ALLOC_DIR/../main/local"; ln -s {target} "$NOMAD_ALLOC_DIR/../main/local"'
    template = {"EmbeddedTmpl": "written", "DestPath": "local/file", "ChangeMode": "noop"}
    first = shell(plant, name="plant", Lifecycle={"Hook": "prestart"})
    shared_cluster.register(job(job_id, first, shell("true", Templates=[template])))
    allocation = shared_cluster.ended(job_id)
    assert allocation["ClientStatus"] == "failed"
    assert list(target.iterdir()) == []


def test_a_tasks_folder_cannot_be_moved_away(shared_cluster, job_id):
    """The allocation's own folder is the agent's: a task cannot put something else where the agent looks."""
    text = said(shared_cluster, job_id, 'cd "$NOMAD_ALLOC_DIR/.."; mv main other; mv .logs logs; touch x')
    assert text.count("Permission denied") == 3


def test_a_job_reads_its_own_variables_only(shared_cluster, job_id):
    other = f"{job_id}-other"
    shared_cluster.save_variable(other, KEY="not yours")
    template = {
        "EmbeddedTmpl": f'{{{{ with nomadVar "nomad/jobs/{other}" }}}}{{{{ .KEY }}}}{{{{ end }}}}',
        "DestPath": "local/stolen",
        "ChangeMode": "noop",
    }
    shared_cluster.register(job(job_id, shell("cat local/stolen", Templates=[template])))
    waiting = shared_cluster.allocation(
        job_id, lambda one: any(e["Type"] == "Template" for e in one["TaskStates"]["main"]["Events"])
    )
    assert waiting["ClientStatus"] == "pending"


def test_the_tasks_folder_lets_others_pass_but_not_look(shared_cluster):
    for folder in (shared_cluster.agent.tasks, shared_cluster.agent.tasks / "alloc"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o711
    state = shared_cluster.agent.tasks.parent / "data" / "state.sqlite"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_the_token_file_is_made_for_its_owner_alone(place):
    made = token(place / "token")
    assert len(made) > 30
    assert stat.S_IMODE((place / "token").stat().st_mode) == 0o600
    assert token(place / "token") == made


NOBODY = 65_534


@pytest.fixture
def nobodys_agent(place):
    """An agent that is not root's: by a Python that any account may run, over a copy of our code."""
    python = next(task_pythons(), None)
    if python is None:
        pytest.skip("there is no Python here that other accounts may run")
    shutil.copytree(ROOT / "datacenters", place / "datacenters")
    shutil.copytree(Path(h11.__file__).parent, place / "h11")
    subprocess.run(["chmod", "-R", "a+rX", str(place)], check=True)
    home = place / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    port = free_port()
    command = [python, "-m", "datacenters.local", "--data", f"{home}/data", "--tasks", f"{home}/tasks"]
    command += ["--port", str(port), "--token-file", f"{home}/token"]
    process = subprocess.Popen(command, cwd=place, user=NOBODY, group=NOBODY, extra_groups=[])
    address, headers = f"http://127.0.0.1:{port}/v1/", {}
    deadline = time.monotonic() + 20
    while not (home / "token").exists() or socket.socket().connect_ex(("127.0.0.1", port)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    headers["X-Nomad-Token"] = (home / "token").read_text()
    with httpx.Client(base_url=address, headers=headers, timeout=30) as http:
        yield Cluster(None, http)
    process.terminate()
    assert process.wait(10) == 0


def test_started_by_anyone_else_it_says_that_it_serves_one_person(nobodys_agent, shared_cluster):
    def meta(cluster):
        [node] = cluster.get("nodes")
        return cluster.get(f"node/{node['ID']}")["Meta"]

    assert meta(nobodys_agent)["serai_one_person"] == "true"
    assert "serai_one_person" not in meta(shared_cluster)


def test_started_by_anyone_else_all_tasks_are_that_persons(nobodys_agent, job_id):
    operator = shell("id -u; echo $SERAI_TASK_UID", name="storage", User="root", Lifecycle={"Hook": "prestart"})
    nobodys_agent.register(job(job_id, operator, shell("id -u; echo x > local/x && cat local/x")))
    allocation = nobodys_agent.ended(job_id)
    assert nobodys_agent.log(allocation, "storage").split() == [str(NOBODY), str(NOBODY)]
    assert nobodys_agent.log(allocation).split() == [str(NOBODY), "x"]
