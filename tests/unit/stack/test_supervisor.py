import shlex
import subprocess
from pathlib import Path

from supervisor.options import ServerOptions

from dashboard.stack import supervisor

ROOT = Path(__file__).resolve().parents[3]


def test_the_procfile_names_every_process():
    assert list(supervisor.read_procfile(ROOT / "Procfile")) == [
        "redis",
        "local",
        "mlflow",
        "homes",
        "web",
        "worker",
        "watcher",
    ]


def test_supervisord_reads_what_we_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where it is started
    (tmp_path / "logs").mkdir()
    config = tmp_path / supervisor.CONFIG
    config.write_text(supervisor.configuration({"web": "sleep 100%", "worker": "true; echo"}))
    options = ServerOptions()
    options.realize(["-c", str(config)])
    [group] = options.process_group_configs
    web, worker = group.process_configs
    assert web.command.endswith("sleep 100%'")
    assert worker.command.endswith("true; echo'")
    assert worker.autorestart


def test_a_line_of_the_procfile_sees_the_environment_and_becomes_the_process():
    line = supervisor.shell_line('echo "$GREETING" ${MISSING:+--never} $$')
    started = subprocess.Popen(
        shlex.split(line), env={"GREETING": "hello  world", "SERAI_ROOT": "/"}, stdout=subprocess.PIPE, text=True
    )
    assert started.communicate()[0] == f"hello  world {started.pid}\n"
