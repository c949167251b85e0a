"""What a cluster is told: our words in, Nomad's JSON out, nothing else and no secret."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datacenters.interface import JobRejected
from datacenters.jobspec import (
    OWN_DATA,
    Device,
    File,
    JobKind,
    JobSpec,
    Lifecycle,
    Mount,
    Port,
    Resources,
    Runtime,
    TaskSpec,
    literal,
)
from datacenters.nomad.render import TRUSTED, job_json, variable_items

from .shapes import JOB_ID, a_spec, a_task

SECOND = 1_000_000_000


def the_group(spec):
    (group,) = job_json(spec, TRUSTED)["TaskGroups"]
    return group


def the_task(spec, name="main"):
    return next(task for task in the_group(spec)["Tasks"] if task["Name"] == name)


def test_a_service_keeps_its_node_and_is_never_run_twice():
    group = the_group(a_spec())
    assert job_json(a_spec())["Type"] == "service"
    assert group["Update"] == {"MaxParallel": 0}
    assert group["Disconnect"] == {"LostAfter": 48 * 3600 * SECOND, "Replace": False, "Reconcile": "keep_original"}
    assert group["ReschedulePolicy"]["Attempts"] == 0
    assert not group["ReschedulePolicy"]["Unlimited"]


def test_a_batch_has_no_update_block_since_nomad_refuses_it():
    group = the_group(a_spec(kind=JobKind.BATCH))
    assert "Update" not in group
    assert group["Disconnect"]["Replace"] is False


@pytest.mark.parametrize(
    ("lifecycle", "rendered"),
    [
        (Lifecycle.PRESTART, {"Hook": "prestart", "Sidecar": False}),
        (Lifecycle.PRESTART_SIDECAR, {"Hook": "prestart", "Sidecar": True}),
        (Lifecycle.POSTSTART_SIDECAR, {"Hook": "poststart", "Sidecar": True}),
        (Lifecycle.POSTSTOP, {"Hook": "poststop", "Sidecar": False}),
    ],
)
def test_each_lifecycle_is_a_hook_of_nomads(lifecycle, rendered):
    spec = a_spec(a_task(), a_task("other", lifecycle=lifecycle))
    assert the_task(spec, "other")["Lifecycle"] == rendered
    assert "Lifecycle" not in the_task(spec)


def test_the_main_tasks_are_named_so_that_a_list_of_jobs_tells_a_status():
    spec = a_spec(a_task("web"), a_task("ui"), a_task("packages", lifecycle=Lifecycle.PRESTART))
    assert job_json(spec)["Meta"]["serai_main"] == "web,ui"


def test_packages_run_confined_unless_the_cluster_is_trusted():
    assert job_json(a_spec())["TaskGroups"][0]["Tasks"][0]["Driver"] == "exec"
    assert the_task(a_spec())["Driver"] == "raw_exec"


def test_only_the_operators_tasks_run_as_the_agents_user():
    spec = a_spec(a_task(), a_task("storage", lifecycle=Lifecycle.PRESTART, operator=True))
    assert the_task(spec, "storage")["User"] == "root"
    assert "User" not in the_task(spec)


def test_restarts_fail_in_the_end():
    policy = the_task(a_spec(a_task(restarts=3)))["RestartPolicy"]
    assert (policy["Attempts"], policy["Mode"]) == (3, "fail")


def test_many_restarts_have_room_in_their_interval():
    policy = the_task(a_spec(a_task(restarts=1000)))["RestartPolicy"]
    assert policy["Attempts"] * policy["Delay"] < policy["Interval"]


def test_the_disk_is_larger_than_all_logs():
    spec = a_spec(*(a_task(f"t{number}") for number in range(20)), disk_mb=100)
    logs = sum(task["LogConfig"]["MaxFiles"] * task["LogConfig"]["MaxFileSizeMB"] for task in the_group(spec)["Tasks"])
    assert the_group(spec)["EphemeralDisk"]["SizeMB"] > logs


def test_ports_are_dynamic_and_each_has_a_service_of_its_own():
    group = the_group(a_spec(ports=(Port("api"), Port("Monitor-1"))))
    assert group["Networks"] == [{"Mode": "host", "DynamicPorts": [{"Label": "api"}, {"Label": "Monitor-1"}]}]
    assert [service["Name"] for service in group["Services"]] == [f"{JOB_ID}-api", f"{JOB_ID}-monitor-1"]
    assert {service["Provider"] for service in group["Services"]} == {"nomad"}
    assert not any("Tags" in service for service in group["Services"])


def test_a_port_that_an_ingress_shows_tells_it_so_and_whom_to_ask():
    host = "api-1.apps.example.net"
    spec = a_spec(a_task(), ports=(Port("api", host=host), Port("ide")))
    shown, not_shown = job_json(spec)["TaskGroups"][0]["Services"]
    router = f"traefik.http.routers.{JOB_ID}-api"
    assert shown["Tags"] == [
        "traefik.enable=true",
        f"{router}.rule=Host(`{host}`) && !PathPrefix(`/.serai/`)",
        f"{router}.entrypoints=websecure",
        f"{router}.tls=true",
        f"{router}.middlewares=serai@file",
    ]
    assert "Tags" not in not_shown


def test_cores_are_shares_and_nomads_least_is_kept():
    assert the_task(a_spec(a_task(resources=Resources(cpu_cores=1.5, memory_mb=2_000))))["Resources"] == {
        "CPU": 1_500,
        "MemoryMB": 2_000,
    }
    assert the_task(a_spec(a_task(resources=Resources(cpu_cores=0, memory_mb=1))))["Resources"] == {
        "CPU": 1,
        "MemoryMB": 10,
    }


def test_what_a_person_typed_is_no_condition_on_nodes():
    """Otherwise an argument could keep its job waiting, and tell what nodes' metadata are called."""
    spec = a_spec(a_task(args=(literal("${meta.secret}"), literal("$${meta.other}"), "${meta.serai_python}")))
    assert [one["LTarget"] for one in job_json(spec)["Constraints"]] == ["${meta.serai_python}"]


def test_a_gpu_is_asked_for_with_all_that_matters():
    device = Device(2, vendor="nvidia", model="Tesla T4", memory_mb=8_000, compute_capability=7.5)
    (asked,) = the_task(a_spec(a_task(resources=Resources(gpu=device))))["Resources"]["Devices"]
    assert (asked["Name"], asked["Count"]) == ("nvidia/gpu", 2)
    assert [(one["LTarget"], one["Operand"], one["RTarget"]) for one in asked["Constraints"]] == [
        ("${device.model}", "=", "Tesla T4"),
        ("${device.attr.memory}", ">=", "8000 MiB"),
        ("${device.attr.cuda_compute_capability}", "version", ">= 7.5"),
    ]


def test_any_gpu_is_asked_for_without_conditions():
    (asked,) = the_task(a_spec(a_task(resources=Resources(gpu=Device()))))["Resources"]["Devices"]
    assert asked == {"Name": "gpu", "Count": 1, "Constraints": []}


def test_a_job_goes_only_where_the_node_has_what_it_reads():
    spec = a_spec(a_task(command="${meta.serai_python}", env={"A": "${meta.serai_storage_root}/x"}))
    assert [one["LTarget"] for one in job_json(spec)["Constraints"]] == [
        "${meta.serai_python}",
        "${meta.serai_storage_root}",
    ]
    assert {one["Operand"] for one in job_json(spec)["Constraints"]} == {"is_set"}


def test_a_container_gets_its_image_and_only_the_jobs_own_folder():
    mount = Mount(f"/srv/mounts/{JOB_ID}/data", "/data", read_only=True)
    task = TaskSpec("main", Runtime.CONTAINER, image="ai4oshub/x:1", args=("serve",), mounts=(mount,))
    config = the_task(a_spec(task, ports=(Port("api"),)))["Config"]
    assert config == {
        "image": "ai4oshub/x:1",
        "init": True,
        "security_opt": ["no-new-privileges"],
        "pids_limit": 8_192,
        "args": ["serve"],
        "ports": ["api"],
        "mount": [
            {
                "type": "bind",
                "source": f"/srv/mounts/{JOB_ID}/data",
                "target": "/data",
                "readonly": True,
                "bind_options": [{"propagation": "rslave"}],
            }
        ],
    }


def test_containers_of_one_job_may_share_a_folder_of_their_allocation():
    mount = Mount(f"{OWN_DATA}/files", "/home/django/data")
    task = TaskSpec("main", Runtime.CONTAINER, image="cvat/server:1", mounts=(mount,), shared_memory_mb=128)
    config = the_task(a_spec(task))["Config"]
    shared = {"type": "bind", "source": "../alloc/data/files", "target": "/home/django/data", "readonly": False}
    assert (config["mount"], config["shm_size"]) == ([shared], 128 * 1024**2)


def test_a_job_with_a_network_of_its_own_opens_its_ports_alone():
    task = TaskSpec("main", Runtime.CONTAINER, image="cvat/ui:1")
    spec = a_spec(task, ports=(Port("web", inside=8000), Port("api")), own_network=True)
    assert the_group(spec)["Networks"] == [
        {"Mode": "bridge", "DynamicPorts": [{"Label": "web", "To": 8000}, {"Label": "api", "To": -1}]}
    ]
    # Nomad publishes them for the network, not for one container.
    assert "ports" not in the_task(spec)["Config"]


@pytest.mark.parametrize(
    "source",
    [
        "/etc",
        "/srv/mounts/other-job",
        f"/srv/{JOB_ID}/../..",
        f"{JOB_ID}/data",
        "/",
        f"${{NOMAD_X}}/{JOB_ID}",
        "../alloc",
        OWN_DATA,
        f"{OWN_DATA}/..",
        f"{OWN_DATA}/a/../..",
        "../alloc/logs",
        "../main/secrets",
        f"{OWN_DATA}/$x",
    ],
)
def test_no_other_folder_of_the_node_is_shown_to_a_container(source):
    task = TaskSpec("main", Runtime.CONTAINER, image="x", mounts=(Mount(source, "/data"),))
    with pytest.raises(JobRejected, match="own mount folder"):
        job_json(a_spec(task))


def test_a_secret_is_named_in_the_job_but_its_value_is_not():
    spec = a_spec(a_task(secrets=("TOKEN",)))
    (template,) = the_task(spec)["Templates"]
    assert template["Envvars"] is True
    assert template["DestPath"].startswith("secrets/")
    assert (
        template["EmbeddedTmpl"]
        == f'{{{{ with nomadVar "nomad/jobs/{JOB_ID}" }}}}\nTOKEN={{{{ .TOKEN }}}}\n{{{{ end }}}}'
    )


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("abc-123_=", "abc-123_="),
        ("two words", '"two words"'),
        ("a#b", '"a#b"'),
        ("line\nbreak", '"line\\nbreak"'),
        ('"quoted" \\', '"\\"quoted\\" \\\\"'),
        ("", ""),
    ],
)
def test_a_secrets_value_survives_the_environment_file(value, line):
    assert variable_items(a_spec(a_task(secrets=("KEY",))), {"KEY": value}) == {"KEY": line}


def test_a_secret_without_a_value_is_refused_since_its_task_would_wait_for_ever():
    with pytest.raises(JobRejected, match="TOKEN"):
        variable_items(a_spec(a_task(secrets=("TOKEN",))), {})


@given(st.text(max_size=60))
def test_a_files_text_is_never_read_as_a_template(content):
    (template,) = the_task(a_spec(a_task(files=(File("local/x", content),))))["Templates"]
    assert template["EmbeddedTmpl"] == (content or "\n")
    assert template["LeftDelim"] not in content
    assert template["RightDelim"] not in content


def test_a_file_with_our_own_marks_gets_others():
    (template,) = the_task(a_spec(a_task(files=(File("local/x", "<%0< {{ }} >1%>"),))))["Templates"]
    assert template["LeftDelim"] == "<%2<"


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/x", "", "local/../../x", "${NOMAD_ALLOC_DIR}/x"])
def test_a_file_stays_in_its_tasks_folder(path):
    with pytest.raises(JobRejected):
        job_json(a_spec(a_task(files=(File(path, "x"),))))


NOMAD_META = {"${NOMAD_META_serai_dollar}": "$", "${NOMAD_META_serai_percent}": "%"}


def as_nomad_reads(text):
    """One pass over known names, as env does; in a config ``$${`` and ``%{`` would mean something else."""
    assert "$${" not in text
    assert "%{" not in text
    return re.sub(r"\$\{[A-Za-z_.]+\}", lambda found: NOMAD_META[found[0]], text)


@given(st.text(alphabet="$%{}aN", max_size=30))
def test_what_a_person_typed_reaches_the_program_as_it_was(text):
    config = the_task(a_spec(a_task(args=(literal(text),))))["Config"]
    assert as_nomad_reads(config["args"][0]) == text


def test_our_own_interpolation_stays():
    task = the_task(a_spec(a_task(args=("${NOMAD_PORT_api}",), env={"P": "${NOMAD_PORT_api}"})))
    assert (task["Config"]["args"], task["Env"]) == (["${NOMAD_PORT_api}"], {"P": "${NOMAD_PORT_api}"})


@pytest.mark.parametrize(
    "spec",
    [
        a_spec(id="a/b"),
        a_spec(id="a?b"),
        a_spec(datacenters=()),
        a_spec(a_task("packages", lifecycle=Lifecycle.PRESTART)),
        a_spec(a_task(), a_task()),
        a_spec(a_task(command="")),
        a_spec(TaskSpec("main", Runtime.CONTAINER)),
        a_spec(ports=(Port("api/x"),)),
        a_spec(ports=(Port("a" * 40),)),
        a_spec(ports=(Port("api", inside=80),)),
        a_spec(a_task(secrets=("not a name",))),
        a_spec(a_task(resources=Resources(gpu=Device(model="${attr.unique.hostname}")))),
    ],
)
def test_what_no_nomad_could_take_is_refused_with_a_sentence(spec):
    with pytest.raises(JobRejected, match=r"\w.*\.$"):
        job_json(spec)


# ── Whatever the spec holds, only these members are sent ─────────────────────────────────────────

ALLOWED = {
    "": {"ID", "Name", "Namespace", "Type", "Priority", "Datacenters", "Meta", "Constraints", "TaskGroups"},
    "Constraints": {"LTarget", "Operand", "RTarget"},
    "TaskGroups": {"Name", "Count", "EphemeralDisk", "RestartPolicy", "ReschedulePolicy", "Disconnect", "Update"}
    | {"Networks", "Services", "Tasks"},
    "EphemeralDisk": {"SizeMB"},
    "RestartPolicy": {"Attempts", "Interval", "Delay", "Mode"},
    "ReschedulePolicy": {"Attempts", "Interval", "Delay", "DelayFunction", "MaxDelay", "Unlimited"},
    "Disconnect": {"LostAfter", "Replace", "Reconcile"},
    "Update": {"MaxParallel"},
    "Networks": {"Mode", "DynamicPorts"},
    "DynamicPorts": {"Label", "To"},
    "Services": {"Name", "PortLabel", "Provider", "Tags"},
    "Tasks": {"Name", "Driver", "Config", "Env", "Resources", "RestartPolicy", "KillSignal", "KillTimeout"}
    | {"LogConfig", "Templates", "Lifecycle", "User"},
    "Config": {"command", "args", "image", "init", "ports", "mount", "security_opt", "pids_limit", "shm_size"},
    "mount": {"type", "source", "target", "readonly", "bind_options"},
    "bind_options": {"propagation"},
    "Resources": {"CPU", "MemoryMB", "Devices"},
    "Devices": {"Name", "Count", "Constraints"},
    "LogConfig": {"MaxFiles", "MaxFileSizeMB"},
    "Templates": {"DestPath", "EmbeddedTmpl", "Envvars", "ChangeMode", "Perms", "LeftDelim", "RightDelim"},
    "Lifecycle": {"Hook", "Sidecar"},
}
FREE = {"Env", "Meta"}  # names chosen by compilers

names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
texts = st.text(max_size=20)
devices = st.builds(
    Device,
    count=st.integers(1, 8),
    vendor=st.sampled_from(["", "nvidia", "amd"]),
    model=texts.filter(lambda text: "${" not in text),
    memory_mb=st.integers(0, 80_000),
    compute_capability=st.floats(0, 10),
)
packages = st.builds(
    TaskSpec,
    name=names,
    lifecycle=st.sampled_from(Lifecycle),
    command=texts.filter(bool),
    args=st.lists(texts, max_size=3).map(tuple),
    env=st.dictionaries(names, texts, max_size=3),
    files=st.lists(st.builds(File, names, texts, st.booleans()), max_size=2).map(tuple),
    secrets=st.lists(st.sampled_from(["TOKEN", "PASSWORD"]), unique=True).map(tuple),
    resources=st.builds(Resources, st.floats(0, 64), st.integers(0, 10**6), st.none() | devices),
    operator=st.booleans(),
    restarts=st.integers(0, 2000),
)
containers = st.builds(
    TaskSpec,
    name=names,
    runtime=st.just(Runtime.CONTAINER),
    image=texts.filter(bool),
    command=texts,
    mounts=st.lists(
        st.builds(Mount, st.sampled_from([f"/srv/{JOB_ID}", f"{OWN_DATA}/files"]), texts, st.booleans()), max_size=2
    ).map(tuple),
    shared_memory_mb=st.integers(0, 4_000),
)
specs = st.builds(
    JobSpec,
    id=st.just(JOB_ID),
    namespace=names,
    kind=st.sampled_from(JobKind),
    datacenters=st.just(("dc1",)),
    tasks=st.lists(packages | containers, max_size=3, unique_by=lambda task: task.name).map(
        lambda tasks: (a_task("the-main-one"), *tasks)
    ),
    ports=st.lists(st.builds(Port, names), max_size=2, unique_by=lambda port: port.label).map(tuple),
    own_network=st.booleans(),
    meta=st.dictionaries(names, names, max_size=2),
)
SECRETS = {"TOKEN": "the secret that nobody may see", "PASSWORD": "hunter2-hunter2"}


def not_allowed(value, place=""):
    """Members that are in no allow-list, by their path."""
    if isinstance(value, list):
        return [found for item in value for found in not_allowed(item, place)]
    if not isinstance(value, dict) or place in FREE:
        return []
    odd = [f"{place}.{key}" for key in value if key not in ALLOWED[place]]
    return odd + [found for key, item in value.items() for found in not_allowed(item, key)]


@settings(max_examples=60, deadline=None)
@given(specs)
def test_whatever_the_spec_holds_only_known_members_and_no_secret_are_sent(spec):
    rendered = job_json(spec, TRUSTED)
    assert not not_allowed(rendered)
    variable_items(spec, SECRETS)
    sent = json.dumps(rendered)
    assert not [value for value in SECRETS.values() if value in sent]
    assert {task["Driver"] for task in rendered["TaskGroups"][0]["Tasks"]} <= {"raw_exec", "docker"}
