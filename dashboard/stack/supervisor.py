"""The Procfile as a configuration for supervisord, which keeps every process up."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CONFIG = "supervisord.conf"
# No path stands in it: supervisord runs in the data folder, and would interpret odd characters.
MAIN = """\
[supervisord]
nodaemon=true
silent=true
logfile=logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile=supervisord.pid
{user}

[group:serai]
programs={names}
"""
# A process that stays up for five seconds counts as started; one that does not is tried again, a
# second later each time. All end together: the group is stopped as one.
PROGRAM = """
[program:{name}]
command={command}
autorestart=true
startsecs=5
startretries=100000
stopsignal=TERM
stopwaitsecs=20
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


def read_procfile(file: Path) -> dict[str, str]:
    """The command line of each process, by name."""
    lines = [line.strip() for line in file.read_text().splitlines()]
    pairs = [line.split(":", 1) for line in lines if line and not line.startswith("#")]
    return {name.strip(): command.strip() for name, command in pairs}


def configuration(commands: Mapping[str, str]) -> str:
    """What supervisord reads. Values reach the processes by the environment: none is written here."""
    main = MAIN.format(user="user=root" if os.geteuid() == 0 else "", names=",".join(commands))
    programs = [
        PROGRAM.format(name=name, command=shell_line(command).replace("%", "%%")) for name, command in commands.items()
    ]
    return main + "".join(programs)


def shell_line(command: str) -> str:
    """A Procfile's line as a command: a shell fills in the variables, then becomes the process."""
    return shlex.join(["/bin/sh", "-c", f'cd "$SERAI_ROOT" && exec {shlex.join(_die_with_parent())} {command}'])


def start_command() -> Sequence[str]:
    return [*_die_with_parent(), sys.executable, "-m", "supervisor.supervisord", "-c", CONFIG]


def _die_with_parent() -> list[str]:
    # Were the supervisor killed with -9, its processes would hold ports and files of the next start.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else ["env"]
