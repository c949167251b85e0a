"""Pictures of what really ran, for the documentation: ``python scripts/pictures.py LINK "NAME|PATH" …``.

LINK is what ``manage.py signin_link`` prints, NAME that of ``docs/images/NAME.png``, PATH a page of that Serai. Of a
page that is longer, ``NAME|PATH|#part`` shows the part with this CSS selector.
"""

import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
SIZE: ViewportSize = {"width": 1280, "height": 800}
LARGEST_BYTES = 120_000
SETTLED_MS = 2_500  # charts have drawn, and icons and fonts have come


def main(link: str, *wanted: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(viewport=SIZE, color_scheme="light", reduced_motion="reduce").new_page()
        page.goto(link)
        site = "{0.scheme}://{0.netloc}".format(urlsplit(link))
        page.wait_for_url(f"{site}/")
        for one in wanted:
            name, path, *part = one.split("|")
            page.goto(site + path)
            page.wait_for_timeout(SETTLED_MS)
            take(page, IMAGES / f"{name}.png", *part)
        browser.close()


def take(page: Page, file: Path, part: str = "") -> None:
    # Of the whole page: a part that is scrolled to has the page's head over it.
    box = page.locator(part).first.bounding_box() if part else None
    page.screenshot(path=file, full_page=bool(part), clip=box)
    size = file.stat().st_size
    remark = " (too large)" if size > LARGEST_BYTES else ""
    sys.stdout.write(f"{file.relative_to(ROOT)}: {size / 1000:.0f} kB{remark}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
