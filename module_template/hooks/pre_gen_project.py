"""Refuse, in words, what would make a module that does not work."""

import json
import keyword
import re
import sys
from urllib.parse import urlsplit

answers = json.loads(r"""{{ cookiecutter | tojson }}""")
INSTALLED = "aiohttp deepaas joblib marshmallow mlflow numpy pandas pil scipy sklearn test tests webargs yaml"
TAKEN = {*INSTALLED.split(), *sys.stdlib_module_names}
LINE = re.compile(r"[^\x00-\x1f\"'\\{}]{1,120}")

problems = []
for name, what in [("title", "title"), ("summary", "summary"), ("author", "author")]:
    if not LINE.fullmatch(answers[name]) or not answers[name].strip():
        problems.append(f"The {what} takes 1 to 120 characters, without quotes, backslashes and curly brackets.")
if not re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", answers["slug"]) or "--" in answers["slug"]:
    problems.append(
        f"The short name {answers['slug']!r} becomes part of addresses: up to 40 small letters, digits and single "
        "dashes, a letter first, no dash last."
    )
package = answers["package"]
if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", package) or keyword.iskeyword(package):
    problems.append(f"The package {package!r} is no name for Python: small letters, digits and _, a letter first.")
elif package in TAKEN:
    problems.append(f"A package {package!r} exists already and would be hidden. Take another name.")
if not re.fullmatch(r"[^@\s\"'\\{}]+@[^@\s\"'\\{}]+", answers["email"]):
    problems.append(f"{answers['email']!r} is no e-mail address.")
url = answers["source_url"]
if (
    urlsplit(url).scheme not in ("http", "https")
    or not re.fullmatch(r"[^\s\"'\\{}]+", url)
    or not urlsplit(url).hostname
):
    problems.append(f"The address of the source code starts with https://, not {url!r}.")
if problems:
    sys.exit("\n".join(problems))
