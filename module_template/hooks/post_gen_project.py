"""Put the chosen example and licence in their places and drop the others."""

import shutil
from pathlib import Path

here = Path()
example = here / "_tasks" / "{{ cookiecutter.task }}"
package = here / "src" / "{{ cookiecutter.package }}"
for part, target in [("src", package), ("samples", here / "samples"), ("tests", here / "tests")]:
    target.mkdir(parents=True, exist_ok=True)  # git keeps no empty folder in the template
    for path in (example / part).iterdir():
        text = path.read_bytes()
        if path.suffix == ".py":
            text = text.replace(b"PACKAGE", b"{{ cookiecutter.package }}")
        (target / path.name).write_bytes(text)
shutil.copy(here / "_licences" / "{{ cookiecutter.licence }}.txt", here / "LICENSE")
shutil.rmtree(here / "_tasks")
shutil.rmtree(here / "_licences")
