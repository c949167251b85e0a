"""The documentation within the product."""

import re
from html import unescape

import pytest
from django.contrib.staticfiles import finders

from dashboard import guide

pytestmark = pytest.mark.django_db


def test_everybody_reads_without_signing_in(client):
    page = client.get("/docs/tutorial/first-prediction/")
    assert page.status_code == 200
    assert "From nothing to a trained model" in page.content.decode()


def test_a_page_that_is_not_there_is_404(client):
    assert client.get("/docs/how-to/fly/").status_code == 404
    assert client.get("/docs/../manage.py/").status_code == 404


def test_every_page_has_a_title_and_most_say_what_they_are_for():
    pages = guide.pages().values()
    assert all(page.title for page in pages)
    assert sum(not page.summary for page in pages) < len(pages) / 2


@pytest.mark.parametrize("path", sorted(guide.pages()))
def test_every_link_and_picture_of_a_page_leads_somewhere(client, path):
    html = str(guide.show(guide.pages()[path]).html)
    ours = [unescape(address) for address in re.findall(r'href="(/[^"]*)"', html)]
    assert not re.search(r'href="(?!https?://|/|#)', html)
    for address in ours:
        place, _sign, anchor = address.partition("#")
        answer = client.get(place)
        assert answer.status_code in (200, 302)
        assert not anchor or f'id="{anchor}"' in answer.content.decode()
    for picture in re.findall(r'<img src="/static/([^"]*)"', html):
        assert finders.find(picture)


def test_html_in_a_page_stays_text():
    assert "<script" not in guide._markdown.render("<script>1</script>")
