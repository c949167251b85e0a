"""What a module's job is made of, and what is never in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from datacenters.jobspec import Device, JobKind, Lifecycle, Runtime
from datacenters.nomad.render import TRUSTED, job_json
from jobs import compilers, services, tracking
from jobs.compilers import CannotCompile, compile_deployment
from jobs.compilers.module import environment_key
from jobs.models import Deployment

FILES = Path(compilers.__file__).parent / "files"


def compiled(request, ada):
    deployment = services.deploy(request, owner=ada)
    return compile_deployment(Deployment.objects.with_parts().get(pk=deployment.pk))


def task(spec, name):
    return next(one for one in spec.tasks if one.name == name)


def test_a_package_module_is_installed_stored_and_served(site, digits, ask, ada):
    spec, _secrets = compiled(ask(options={"workers": 3}), ada)
    assert [one.name for one in spec.tasks] == ["storage", "packages", "main"]
    assert [one.lifecycle for one in spec.tasks] == [Lifecycle.PRESTART, Lifecycle.PRESTART, Lifecycle.MAIN]
    assert [one.operator for one in spec.tasks] == [True, True, False]
    main = task(spec, "main")
    assert main.command == "${meta.serai_packages_root}/" + environment_key(digits) + "/bin/python"
    assert main.args[1:] == (
        *("serve", "--listen-ip", "${NOMAD_IP_api}", "--listen-port", "${NOMAD_PORT_api}", "--workers", "3"),
    )
    assert main.env["SERAI_STORAGE_DIR"] == "${meta.serai_storage_root}/ada/digits"
    assert main.env["SERAI_DEPLOYMENT_ID"] == spec.meta["serai_deployment"]
    assert main.kill_signal == "SIGINT"
    assert [port.label for port in spec.ports] == ["api"]
    assert spec.datacenters == ("local",)
    assert job_json(spec, TRUSTED)["Type"] == "service"


def test_a_training_has_no_port_and_its_arguments_stay_text(site, digits, ask, ada):
    arguments = {"epochs": 3, "rate": 0.5, "layers": [1, 2], "name": "${attr.secret}", "flag": True, "none": None}
    spec, _secrets = compiled(ask(kind=JobKind.BATCH, arguments=arguments), ada)
    assert spec.ports == ()
    assert task(spec, "main").args[1:] == (
        *("train", "--epochs=3", "--flag=True", "--layers=[1, 2]", "--name=$${attr.secret}", "--rate=0.5"),
    )
    assert job_json(spec, TRUSTED)["Type"] == "batch"


def test_a_gpu_is_asked_for_by_the_main_task_alone(site, digits, ask, ada):
    device = {
        "vendor": "nvidia",
        "kind": "gpu",
        "model": "T4",
        "count": 2,
        "healthy": 2,
        "used": 0,
        "memory_mb": 16_000,
    }
    site.nodes.update(devices=[device])
    spec, _secrets = compiled(ask(gpus=2, gpu_model="T4", gpu_memory_mb=8_000), ada)
    assert task(spec, "main").resources.gpu == Device(count=2, model="T4", memory_mb=8_000)
    assert [one.resources.gpu for one in spec.tasks[:2]] == [None, None]


def test_an_image_is_run_with_the_tag_that_was_asked_for(site, digits, ask, ada):
    digits.docker_image, digits.package = "ai4oshub/digits", ""
    digits.save()
    site.offers_containers = True
    site.save()
    site.nodes.update(drivers=["docker"])
    spec, _secrets = compiled(ask(options={"image_tag": "gpu"}), ada)
    (main,) = spec.tasks
    assert (main.runtime, main.image) == (Runtime.CONTAINER, "ai4oshub/digits:gpu")
    assert "0.0.0.0" in main.args
    digits.docker_image = "registry.example:5000/digits@sha256:abc"
    digits.save()
    assert compiled(ask(), ada)[0].tasks[0].image == "registry.example:5000/digits@sha256:abc"


def test_secrets_are_named_in_the_job_and_their_values_are_not(site, digits, ask, ada, monkeypatch):
    told = ({"MLFLOW_TRACKING_URI": "http://mlflow"}, {"MLFLOW_TRACKING_PASSWORD": "hush-hush"})
    monkeypatch.setattr(tracking, "environment", lambda deployment: told)
    spec, secrets = compiled(ask(), ada)
    assert secrets == {"MLFLOW_TRACKING_PASSWORD": "hush-hush"}
    rendered = json.dumps(job_json(spec, TRUSTED))
    assert "MLFLOW_TRACKING_PASSWORD" in rendered
    assert "hush-hush" not in rendered


def test_no_name_of_a_person_is_in_the_jobs_meta(site, digits, ask, ada):
    spec, _secrets = compiled(ask(title="Ada's secret plan"), ada)
    assert "Ada" not in json.dumps(job_json(spec, TRUSTED))


def test_each_start_is_another_version_of_the_job_and_each_sending_the_same(deployed, ada):
    row = Deployment.objects.with_parts().get()
    assert compile_deployment(row) == compile_deployment(row)
    first = compile_deployment(row)[0]
    row.starts += 1
    assert compile_deployment(row)[0] != first


def test_another_version_of_a_package_gets_another_environment(digits):
    before = environment_key(digits)
    digits.package_digest = "changed"
    assert environment_key(digits) != before


def test_a_datacenter_that_no_longer_offers_it_is_named(deployed, site):
    site.offers_packages = False
    site.save()
    with pytest.raises(CannotCompile, match="Datacenter ifca no longer offers"):
        compile_deployment(Deployment.objects.with_parts().get())


# ── The programs that run on the node ────────────────────────────────────────────────────────────
def test_the_storage_folder_belongs_to_the_projects_group_and_its_parent_to_nobody_else(tmp_path):
    if os.getuid():
        pytest.skip("only root can give folders away")
    folder = tmp_path / "ada" / "digits"
    subprocess.run(
        [sys.executable, FILES / "storage.py", folder], env={"SERAI_TASK_GID": "54321"}, check=True, umask=0o077
    )
    assert (folder.stat().st_gid, folder.stat().st_mode & 0o7777) == (54321, 0o2770)
    assert (folder.parent.stat().st_gid, folder.parent.stat().st_mode & 0o7777) == (54321, 0o2750)


def test_a_link_in_the_place_of_a_storage_folder_gives_nothing_away(tmp_path):
    (tmp_path / "ada").mkdir()
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "ada" / "digits").symlink_to(tmp_path / "secrets")
    ended = subprocess.run([sys.executable, FILES / "storage.py", tmp_path / "ada" / "digits"], check=False)
    assert ended.returncode
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def run_module(*arguments, **programs):
    """``run_module.py`` with one model, whose programs are these."""
    return subprocess.run(
        [sys.executable, FILES / "run_module.py", *arguments],
        env={"DEEPAAS_V2_MODEL": "tiny", **programs},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_training_that_fails_keeps_its_exit_code(tmp_path):
    (tmp_path / "deepaas-cli").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "deepaas-cli").chmod(0o755)
    assert run_module("train", PATH=f"{tmp_path}:/bin:/usr/bin").returncode == 7


def test_the_service_is_always_told_which_model(tmp_path):
    (tmp_path / "deepaas-run").write_text("#!/bin/sh\necho $@\n")
    (tmp_path / "deepaas-run").chmod(0o755)
    said = run_module("serve", "--listen-port", "1", PATH=f"{tmp_path}:/bin:/usr/bin").stdout
    assert said == "--listen-port 1 --model-name tiny\n"


def test_an_ingress_shows_what_has_no_login_of_its_own_and_only_where_there_is_one(deployed, settings):
    assert [port.host for port in compile_deployment(deployed)[0].ports] == [""]
    settings.SERAI_INGRESS, settings.SERAI_APPS_HOST = True, "apps.example.net"
    assert [port.host for port in compile_deployment(deployed)[0].ports] == [f"api-{deployed.pk}.apps.example.net"]
