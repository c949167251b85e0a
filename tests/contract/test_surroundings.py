"""What a task finds: environment, interpolation, files from templates, ports, folders."""

import pytest

from .cluster import event, events, job, shell


def variable_template(job_id: str, *keys: str) -> dict:
    lines = "".join(f"{key}={{{{ .{key} }}}}\n" for key in keys)
    return {
        "EmbeddedTmpl": f'{{{{ with nomadVar "nomad/jobs/{job_id}" }}}}\n{lines}{{{{ end }}}}',
        "DestPath": "secrets/serai.env",
        "Envvars": True,
        "ChangeMode": "noop",
        "Perms": "0600",
    }


def test_a_task_knows_its_job_and_its_folders(cluster, job_id):
    script = "echo $NOMAD_JOB_ID $NOMAD_TASK_NAME $NOMAD_GROUP_NAME $NOMAD_NAMESPACE $NOMAD_REGION $NOMAD_DC"
    folders = (
        'for d in "$NOMAD_ALLOC_DIR/data" "$NOMAD_TASK_DIR" "$NOMAD_SECRETS_DIR"; do test -w "$d" && echo ok; done'
    )
    limits = "echo $NOMAD_CPU_LIMIT $NOMAD_MEMORY_LIMIT $NOMAD_ALLOC_INDEX"
    cluster.register(job(job_id, shell(f"{script}; {limits}; {folders}; pwd; echo $NOMAD_ALLOC_ID")))
    allocation = cluster.ended(job_id)
    first, second, *oks, folder, alloc_id = cluster.log(allocation).splitlines()
    assert first == f"{job_id} main serai default global local"
    assert second == "20 64 0"
    assert oks == ["ok", "ok", "ok"]
    assert folder.endswith("/main")
    assert alloc_id == allocation["ID"]


def test_env_and_meta_are_interpolated_and_unknown_names_stay(cluster, job_id):
    env = {
        "OWN": "${NOMAD_JOB_ID}",
        "NODE": "${node.datacenter}",
        "STAYS": "${no.such.thing}",
        "M": "${NOMAD_META_sign}",
    }
    env["ROOT"] = "${meta.serai_packages_root}"
    script = 'echo "$OWN $NODE $STAYS $M $NOMAD_META_who $NOMAD_META_WHO"; echo "$ROOT"'
    cluster.register(job(job_id, shell(script, Env=env), Meta={"who": "ada", "sign": "$"}))
    first, root = cluster.log(cluster.ended(job_id)).splitlines()
    assert first == f"{job_id} local ${{no.such.thing}} $ ada ada"
    assert root == str(cluster.agent.tasks / "packages")


def test_a_sign_out_of_an_interpolation_is_not_read_again(cluster, job_id):
    """How Serai writes a ``${`` that is to stay text, in Env and in Config alike."""
    written = "${NOMAD_META_dollar}{HOME}"
    one = shell("", Config={"command": "/usr/bin/printenv", "args": ["TEXT"]}, Env={"TEXT": written})
    two = shell("", name="two", Config={"command": "/bin/echo", "args": [written]})
    cluster.register(job(job_id, one, two, Meta={"dollar": "$"}))
    allocation = cluster.ended(job_id)
    assert cluster.log(allocation) == cluster.log(allocation, "two") == "${HOME}\n"


def test_config_has_an_escape_and_env_has_none(cluster, job_id):
    one = shell("", Config={"command": "/bin/echo", "args": ["$${NOMAD_JOB_ID} ${NOMAD_JOB_ID} ${env.WHO}"]})
    cluster.register(job(job_id, {**one, "Env": {"WHO": "ada", "X": "$${NOMAD_JOB_ID}"}}, shell("echo $X", name="x")))
    assert cluster.log(cluster.ended(job_id)) == f"${{NOMAD_JOB_ID}} {job_id} ada\n"


def test_an_unknown_name_in_config_fails_the_task(cluster, job_id):
    cluster.register(job(job_id, shell("echo ${no.such.thing}")))
    allocation = cluster.ended(job_id)
    assert allocation["ClientStatus"] == "failed"
    assert "There is no variable named" in event(allocation, "Failed Validation")["ValidationError"]


def test_a_variable_reaches_the_task_and_nothing_else(cluster, job_id):
    cluster.save_variable(job_id, PASSWORD="open sesame", URL="https://ada.example/?a=b&c")
    cluster.register(
        job(job_id, shell('echo "$PASSWORD|$URL"', Templates=[variable_template(job_id, "PASSWORD", "URL")]))
    )
    allocation = cluster.ended(job_id)
    assert cluster.log(allocation) == "open sesame|https://ada.example/?a=b&c\n"
    assert "sesame" not in str(allocation)
    assert "sesame" not in str(cluster.get(f"job/{job_id}"))


def test_quoted_values_arrive_as_they_were(cluster, job_id):
    cluster.save_variable(job_id, TEXT='"two\\nlines and a \\" quote, a \\\\ and a $HOME"')
    cluster.register(job(job_id, shell('printf "%s" "$TEXT"', Templates=[variable_template(job_id, "TEXT")])))
    assert cluster.log(cluster.ended(job_id)) == 'two\nlines and a " quote, a \\ and a $HOME'


def test_a_comment_begins_anywhere_in_an_unquoted_value(cluster, job_id):
    """Why Serai quotes such values."""
    cluster.save_variable(job_id, BARE="before#after", QUOTED='"before#after"')
    cluster.register(
        job(job_id, shell('echo "$BARE|$QUOTED"', Templates=[variable_template(job_id, "BARE", "QUOTED")]))
    )
    assert cluster.log(cluster.ended(job_id)) == "before|before#after\n"


def test_a_task_waits_for_its_variable(cluster, job_id):
    cluster.register(job(job_id, shell('echo "$LATE"', Templates=[variable_template(job_id, "LATE")])))
    waiting = cluster.allocation(job_id, lambda one: "Template" in events(one))
    assert waiting["ClientStatus"] == "pending"
    missing = f"Missing: nomad.var.block(nomad/jobs/{job_id}@default.global)"
    assert event(waiting, "Template")["DisplayMessage"] == missing
    cluster.save_variable(job_id, LATE="better than never")
    assert cluster.log(cluster.ended(job_id)) == "better than never\n"


def test_a_job_that_waits_for_its_variable_can_be_stopped(cluster, job_id):
    cluster.register(job(job_id, shell("true", Templates=[variable_template(job_id, "NEVER")])))
    cluster.allocation(job_id, lambda one: "Template" in events(one))
    cluster.stop(job_id)
    assert cluster.ended(job_id)["ClientStatus"] == "complete"


def test_a_deleted_variable_is_gone(cluster, job_id):
    cluster.save_variable(job_id, A="1")
    path = f"var/nomad/jobs/{job_id}"
    assert cluster.get(path)["Items"] == {"A": "1"}
    assert cluster.http.delete(path).status_code == 204
    assert cluster.http.get(path).status_code == 404
    assert cluster.http.delete(path).status_code == 204


def test_a_file_is_written_as_it_is(cluster, job_id):
    content = "#!/bin/sh\necho 100% ${HOME+set} {{ not a template }} $((1 + 1))\n"
    marks = {"LeftDelim": "<%0<", "RightDelim": ">0%>"}
    template = {"EmbeddedTmpl": content, "DestPath": "local/bin/run.sh", "Perms": "0755", "ChangeMode": "noop", **marks}
    cluster.register(job(job_id, shell("exec local/bin/run.sh", Templates=[template])))
    assert cluster.log(cluster.ended(job_id)) == "100% set {{ not a template }} 2\n"


def test_a_template_reads_the_environment(cluster, job_id):
    template = {
        "EmbeddedTmpl": 'id={{ env "NOMAD_JOB_ID" }} ${NOMAD_JOB_ID}',
        "DestPath": "local/t",
        "ChangeMode": "noop",
    }
    cluster.register(job(job_id, shell("cat local/t", Templates=[template])))
    assert cluster.log(cluster.ended(job_id)) == f"id={job_id} ${{NOMAD_JOB_ID}}"


def test_a_file_outside_the_tasks_folder_is_refused(cluster, job_id):
    template = {"EmbeddedTmpl": "x", "DestPath": "../../../../escaped", "ChangeMode": "noop"}
    assert "escapes" in cluster.refusal(job(job_id, shell("true", Templates=[template])))


@pytest.mark.parametrize("label", ["api", "my-port"])
def test_ports_are_given_and_told(cluster, job_id, label):
    network = {"Networks": [{"Mode": "host", "DynamicPorts": [{"Label": label}]}]}
    script = "env | grep -E '^NOMAD_(IP|PORT|ADDR|HOST_PORT)_' | sort"
    cluster.register(job(job_id, shell(script), group=network))
    allocation = cluster.ended(job_id)
    (port,) = allocation["AllocatedResources"]["Shared"]["Ports"]
    name, value = label.replace("-", "_"), port["Value"]
    assert (port["Label"], port["HostIP"]) == (label, "127.0.0.1")
    assert cluster.log(allocation).split() == [
        f"NOMAD_ADDR_{name}=127.0.0.1:{value}",
        f"NOMAD_HOST_PORT_{name}={value}",
        f"NOMAD_IP_{name}=127.0.0.1",
        f"NOMAD_PORT_{name}={value}",
    ]


def test_tasks_of_a_group_share_a_folder(cluster, job_id):
    write = shell("echo from one > $NOMAD_ALLOC_DIR/data/x", name="one", Lifecycle={"Hook": "prestart"})
    cluster.register(job(job_id, write, shell("cat $NOMAD_ALLOC_DIR/data/x")))
    assert cluster.log(cluster.ended(job_id)) == "from one\n"
