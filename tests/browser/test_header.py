"""The head of each page has room for long names, at every width."""

import pytest

from accounts import services
from accounts.models import create_person
from tests.browser.site import furnish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

OUTSIDE = """
() => [...document.querySelectorAll(".site-header *")]
  .filter((one) => one.checkVisibility() && !one.closest(".visually-hidden") && getComputedStyle(one).position !== "fixed")
  .map((one) => [one.getBoundingClientRect(), one.className || one.tagName])
  .filter(([box]) => box.width > 1 && (box.right > innerWidth + 1 || box.left < -1))
  .map(([_box, name]) => String(name))
"""
OVERLAP = """
() => {
  const parts = [".brand", ".site-nav", ".site-header-end"].map((one) => document.querySelector(one));
  const boxes = parts.filter((one) => getComputedStyle(one).position !== "fixed").map((one) => one.getBoundingClientRect());
  return boxes.slice(1).some((box, place) => box.left < boxes[place].right - 1);
}
"""


@pytest.mark.parametrize("width", [1440, 1280, 1100, 992, 768, 375])
def test_long_names_and_a_lost_connection_fit(visit, width):
    person = create_person("wolfeschlegelsteinhausen", full_name="Hubert Blaine Wolfeschlegelsteinhausenbergerdorff")
    furnish(person)
    project = services.create_project(
        person, "Institute for the Analysis of Handwritten Observations, group of Prof. Lovelace"
    )
    seen = visit(person, width=width)
    seen.go("/deployments/")
    if width > 700:
        seen.page.locator(".switcher summary").click()
        with seen.page.expect_navigation():
            seen.page.get_by_role("button", name=project.name).click()
    seen.page.evaluate("document.getElementById('live-state').hidden = false")
    seen.shoot(f"header-long-{width}")
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen.page.evaluate(OUTSIDE) == []
    assert not seen.page.evaluate(OVERLAP)
    assert seen.page.evaluate("document.querySelector('.site-header-row').offsetHeight") <= 64
