"""A tool file is understood whole, or told what is wrong with it, each fault in a sentence."""

import re

import pytest
import yaml
from django.conf import settings

from datacenters.jobspec import JobKind, Runtime
from jobs.tools import ToolFault, load, read

from .conftest import TOY


def faults(folder, text: str) -> str:
    (folder / "toy.yml").write_text(text)
    with pytest.raises(ToolFault) as fault:
        read(folder / "toy.yml")
    return str(fault.value)


def changed(**values: object) -> str:
    """The toy's file with other values; None takes one out."""
    document = {**yaml.safe_load(TOY), **values}
    return yaml.safe_dump({name: value for name, value in document.items() if value is not None})


def task(**values: object) -> dict[str, object]:
    tasks = yaml.safe_load(TOY)["runtimes"]["package"]["tasks"]
    return {"package": {"tasks": [{**tasks[0], **values}]}}


def container(**values: object) -> dict[str, object]:
    return {"container": {"tasks": [{"name": "main", "image": "pages:1", **values}]}}


def test_what_never_runs_at_the_same_time_shares_nothing(folder):
    tasks = [
        {"name": "before", "image": "pages:1", "lifecycle": "prestart", "share": 1},
        {"name": "database", "image": "database:1", "lifecycle": "prestart-sidecar", "share": 0.4},
        {"name": "main", "image": "pages:1", "share": 0.6},
        {"name": "after", "image": "pages:1", "lifecycle": "poststop"},
    ]
    assert "shares of its tasks" in faults(folder, changed(runtimes={"container": {"tasks": tasks}}))
    tasks[0]["share"] = 0.5
    (folder / "toy.yml").write_text(changed(runtimes={"container": {"tasks": tasks}}))
    assert read(folder / "toy.yml").runtimes[Runtime.CONTAINER].main.name == "main"


def test_a_batch_has_no_ports(folder):
    (folder / "toy.yml").write_text(changed(kind="batch", ports=None, runtimes=container()))
    assert (read(folder / "toy.yml").kind, read(folder / "toy.yml").ports) == (JobKind.BATCH, ())


def test_a_tool_file_is_read_with_its_scripts(folder):
    tool = read(folder / "toy.yml")
    (main,) = tool.runtimes[Runtime.PACKAGE].tasks
    assert (tool.id, tool.title, tool.licence) == ("toy", "Page server", "Apache-2.0")
    assert "ThreadingHTTPServer" in main.files["local/serve.py"]
    assert [option.variable for option in tool.options][:2] == ["OPTION_GREETING", "OPTION_PAGES"]
    assert tool.health_path("page") == "/index.txt"


def test_a_change_of_any_of_its_files_changes_its_digest(folder):
    before = read(folder / "toy.yml").digest
    assert read(folder / "toy.yml").digest == before
    (folder / "toy" / "serve.py").write_text("print()")
    assert read(folder / "toy.yml").digest != before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (changed(id="other"), "id: it must be “toy”, as the file is called."),
        (changed(ports=None), "ports: a service has some, a batch has none."),
        (changed(kind="batch"), "ports: a service has some, a batch has none."),
        (changed(kind="daily"), "kind: “daily” is none of: service, batch."),
        (changed(ports=[{"label": "page", "inside": 80}]), "“inside” belongs to containers with a network of their own"),
        (changed(ports=[{"label": "page", "inside": 70_000}]), "ports.0.inside: “70000” is more than 65535."),
        (changed(runtimes=task(volumes={"data": "/data"})), "runtimes.package.main: only a container has “volumes”."),
        (changed(runtimes=container(volumes={"../x": "/data"})), "“../x” is not of the form"),
        (changed(runtimes=container(volumes={"data": "${HOME}"})), "“${HOME}” is not of the form"),
        (
            changed(runtimes=container(volumes={"data": "/data"}, lifecycle="prestart-sidecar")),
            "runtimes.container.main: “volumes” are there when a task of lifecycle “prestart” has made them.",
        ),
        (changed(runtimes=container(digest="sha256:abc")), "digest: “sha256:abc” is not of the form"),
        (changed(runtimes=container(lifecycle="sometimes")), "lifecycle: “sometimes” is none of: prestart, prestart-"),
        (changed(runtimes=container(lifecycle="prestart")), "runtimes.container: it has no main task."),
        (changed(title=7), "title: “7” stands where a text is needed."),
        (changed(colour="red"), "The file: “colour” is not known here. Known: id, title"),
        (changed(ports=[]), "ports: Something must stand here."),
        (changed(ports=[{"label": "Page!"}]), "ports.0.label: “Page!” is not of the form"),
        (changed(resources={"memory_mb": -1}), "resources.memory_mb: “-1” is less than 0."),
        (changed(secrets=[]), "runtimes.package.main: “PAGE_KEY” is none of the tool's secrets."),
        (
            changed(ports=[{"label": "page", "authorization": {"scheme": "token", "secret": "NONE"}}]),
            "ports.page: “NONE” is none of the tool's secrets.",
        ),
        (
            changed(ports=[{"label": "page", "authorization": {"secret": "PAGE_KEY"}}]),
            "ports.0.authorization: One of these must stand here, and no other of them: “scheme” / “cookie”.",
        ),
        (changed(ports=[{"label": "page", "activity": "guess"}]), "“guess” is none of: jupyter, code-server"),
        (changed(runtimes=task(command="${HOME}/x")), "${HOME} is not known to its tasks. Known: NOMAD_ADDR_page"),
        (changed(runtimes=task(args=["${OPTION_NOSUCH}"])), "${OPTION_NOSUCH} is not known to its tasks."),
        (changed(runtimes=task(files={"local/x": "toy/missing.py"})), "there is no file toy/missing.py."),
        (changed(runtimes=task(files={"../x": "toy/serve.py"})), "“../x” is not of the form"),
        (changed(runtimes=task(files={"local/x": "../../etc/passwd"})), "“../../etc/passwd” is not of the form"),
        (
            changed(runtimes={"package": {**task()["package"], "requirements": "nosuch"}}),
            "runtimes.package: there is no lock requirements/nosuch.txt.",
        ),
        (
            changed(runtimes={"package": {"tasks": task()["package"]["tasks"] * 2}}),
            "runtimes.package: two tasks have the same name. runtimes.package: the shares of its tasks add up to more",
        ),
        (changed(runtimes={"container": task()["package"]}), "runtimes.container.main: “image” is missing."),
        ("id: [", "The file is not YAML"),
        (TOY + "title: Twice\n", "“title” comes twice"),
    ],
)  # fmt: skip
def test_each_fault_is_a_sentence(folder, text, sentence):
    assert sentence in faults(folder, text)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"type": "colour"}, "“colour” is none of: text, integer"),
        ({"type": "choice"}, "“choices” belong to an option of type “choice”"),
        ({"type": "text", "choices": {"a": "A"}}, "“choices” belong to an option of type “choice”"),
        ({"type": "choice", "choices": {"a": "A"}, "default": "b"}, "the default must be one of the choices"),
        ({"type": "deployment"}, "“of” belongs to an option of type “deployment”"),
        ({"type": "text", "of": "cvat"}, "“of” belongs to an option of type “deployment”"),
        ({"type": "text", "minimum": 3}, "only a number has a minimum"),
        ({"type": "integer", "default": 0, "minimum": 1}, "the default does not fit"),
        ({"type": "integer"}, "the default does not fit"),
        ({"type": "boolean", "default": 1}, "the default does not fit"),
        ({"type": "integer", "default": True}, "the default does not fit"),
    ],
)
def test_each_fault_of_an_option_is_a_sentence(folder, option, sentence):
    assert sentence in faults(folder, changed(options=[{"name": "size", "title": "Size", **option}]))


def test_all_faults_are_told_at_once(folder):
    text = faults(folder, changed(title=None, resources=None, summary=3))
    assert len(re.findall(r"is missing|stands where", text)) == 3


def test_one_bad_file_keeps_no_other_from_being_read(folder):
    (folder / "bad.yml").write_text("title: Bad")
    shelf = load(folder)
    assert list(shelf.tools) == ["toy"]
    assert list(shelf.faults) == ["bad"]


def test_every_tool_of_ours_is_without_fault():
    shelf = load(settings.BASE_DIR / "jobs" / "tools")
    assert shelf.faults == {}
    assert "ide" in shelf.tools


def test_the_example_of_the_guide_is_a_tool(tmp_path):
    guide = (settings.BASE_DIR / "docs" / "how-to" / "add-a-tool.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "serve.py").write_text("")
    (tmp_path / "pages.yml").write_text(example)
    assert read(tmp_path / "pages.yml").title == "Page server"
