"""Things to deploy that are no modules, each told by one file here: its form, tasks, ports and words.

``<id>.yml`` is the whole of a tool; what its tasks run lies in a folder beside it, what they need installed in
``requirements/<role>.txt``. Values of the form reach the tasks as ``OPTION_<NAME>`` in their environment.
"""

from jobs.tools.files import ToolFault, load, read
from jobs.tools.secrets import BESIDE, Login, beside, certificate, is_environment, login, port_of, secrets_of
from jobs.tools.shelf import kind_of, known, tool_of
from jobs.tools.tool import Authorization, Shelf, Tool, ToolOption, ToolPort, ToolRuntime, ToolTask

__all__ = [
    "BESIDE",
    "Authorization",
    "Login",
    "Shelf",
    "Tool",
    "ToolFault",
    "ToolOption",
    "ToolPort",
    "ToolRuntime",
    "ToolTask",
    "beside",
    "certificate",
    "is_environment",
    "kind_of",
    "known",
    "load",
    "login",
    "port_of",
    "read",
    "secrets_of",
    "tool_of",
]
