"""What a batch run's job is made of: script, attempts, and where its results go."""

import json

import pytest

from datacenters.jobspec import File, JobKind, Lifecycle, Runtime, TaskSpec
from datacenters.nomad.render import TRUSTED, YEAR_SECONDS, job_json
from jobs import services
from jobs.compilers.batch import output
from jobs.compilers.module import compile_module
from jobs.models import Deployment

SCRIPT = "print('${NOMAD_JOB_ID} {{ x }}')\n"


@pytest.fixture
def compiled(site, digits, ask, ada):
    def build(**changes: object):
        row = services.deploy(ask(kind=JobKind.BATCH, **changes), owner=ada)
        deployment = Deployment.objects.with_parts().get(pk=row.pk)
        return compile_module(deployment, digits, Runtime.PACKAGE)[0]

    return build


def main_of(spec) -> TaskSpec:
    return next(task for task in spec.tasks if task.name == "main")


def test_a_script_is_a_file_beside_the_program_that_starts_it(compiled):
    main = main_of(compiled(script=SCRIPT, arguments={"epochs": 3}))
    assert main.files[1] == File("local/script.py", SCRIPT)
    assert main.args == ("${NOMAD_TASK_DIR}/run_module.py", "script", "--epochs=3")


def test_a_script_stays_text_in_the_job(compiled):
    spec = compiled(script=SCRIPT)
    [task] = [task for task in job_json(spec, TRUSTED)["TaskGroups"][0]["Tasks"] if task["Name"] == "main"]
    [template] = [one for one in task["Templates"] if one["DestPath"] == "local/script.py"]
    assert template["EmbeddedTmpl"] == SCRIPT
    assert template["LeftDelim"] not in SCRIPT
    task["Templates"].remove(template)
    assert "{{ x }}" not in json.dumps(task)


def test_only_the_program_itself_is_tried_again_and_counted_for_a_year(compiled):
    spec = compiled(retries=3)
    assert [task.restarts for task in spec.tasks] == [0, 0, 3]
    tasks = {task["Name"]: task for task in job_json(spec, TRUSTED)["TaskGroups"][0]["Tasks"]}
    assert tasks["main"]["RestartPolicy"]["Attempts"] == 3
    assert tasks["main"]["RestartPolicy"]["Interval"] == YEAR_SECONDS * 10**9
    assert tasks["storage"]["RestartPolicy"]["Interval"] < YEAR_SECONDS * 10**9
    assert {task.lifecycle for task in spec.tasks[:2]} == {Lifecycle.PRESTART}


def test_results_go_into_a_folder_of_their_own_in_the_projects(compiled):
    spec = compiled()
    pk = spec.meta["serai_deployment"]
    assert main_of(spec).env["SERAI_OUTPUT_DIR"] == "${meta.serai_storage_root}/ada/digits/outputs/" + pk


@pytest.mark.parametrize(
    ("runtime", "folder"),
    [(Runtime.PACKAGE, "${meta.serai_mounts_root}/serai-%s/results"), (Runtime.CONTAINER, "/storages/results")],
)
def test_results_go_to_the_first_storage_that_may_be_written_to(deployed, runtime, folder):
    deployed.kind = JobKind.BATCH
    deployed.request["storages"] = [
        {"storage": "1", "target": "photos", "read_only": True},
        {"storage": "2", "target": "results", "read_only": False},
        {"storage": "3", "target": "more", "read_only": False},
    ]
    kept = folder % deployed.pk if "%s" in folder else folder
    assert output(deployed, runtime, "/else") == {"SERAI_OUTPUT_DIR": f"{kept}/outputs/{deployed.pk}"}
    deployed.request["storages"] = deployed.request["storages"][:1]
    assert output(deployed, runtime, "/else") == {"SERAI_OUTPUT_DIR": f"/else/outputs/{deployed.pk}"}


def test_rows_of_before_these_options_run_as_they_did(deployed, digits):
    deployed.kind = JobKind.BATCH
    for name in ("script", "retries", "max_run_seconds", "storages", "datasets"):
        del deployed.request[name]
    main = main_of(compile_module(deployed, digits, Runtime.PACKAGE)[0])
    assert (main.args[1], main.restarts, len(main.files)) == ("train", 0, 1)
