"""Descriptions come from anywhere: what they show is safe, and loads nothing from other sites."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.markdown import render


def test_markdown_is_rendered():
    html = render("Some **bold** text\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert "<strong>bold</strong>" in html
    assert "<ol>" in html
    assert "<td>1</td>" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "<iframe src='https://x.org'></iframe>",
        "<svg><script>alert(1)</script></svg>",
        "<p style='position:fixed'>x</p>",
        "<form action='/d'><input></form>",
        "<style>*{}</style>",
        "<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)>",
        "<![CDATA[<script>alert(1)</script>]]>",
        "![x](data:text/html;base64,PHNjcmlwdD4=)",
        "<object data='x'></object><embed src=x><base href='//x.org'>",
    ],
)
def test_nothing_of_it_runs(text):
    html = render(text)
    assert not re.search(
        r"<(script|img|iframe|svg|style|form|input|object|embed|base)|<[^>]*(javascript:|onerror=|style=)", html
    )


def test_links_leave_without_telling_from_where():
    assert render("[x](https://x.org)") == '<p><a href="https://x.org" rel="nofollow noopener noreferrer">x</a></p>\n'


@pytest.mark.parametrize(
    "text",
    [
        "![A seed](https://x.org/a.png)",
        "<img src='https://x.org/a.png' alt='A seed'>",
        "<img class='fit', src='https://x.org/a.png' alt='A seed'/>",
        "<img class=''fit'', src=''https://x.org/a.png'', alt='A seed'/>",
    ],
)
def test_pictures_of_other_sites_become_links(text):
    assert '<a href="https://x.org/a.png" rel="nofollow noopener noreferrer">A seed</a>' in render(text)


def test_a_picture_without_words_names_its_site_and_a_local_one_says_its_words():
    assert "picture on x.org</a>" in render("<video><source src='https://x.org/a.mp4'></video>")
    assert render("![my plot](images/plot.png)") == "<p>my plot</p>\n"


def test_a_picture_in_a_link_stays_one_link():
    html = render("[![A seed](https://x.org/a.png)](https://x.org/page)")
    assert html.count("<a ") == 1
    assert ">A seed</a>" in html


@pytest.mark.parametrize("text", ["# One\n\n<h2>Two</h2>\n", "### One\n\n<h5>Two</h5>\n"])
def test_headings_follow_that_of_the_page(text):
    assert render(text) == "<h2>One</h2>\n<h3>Two</h3>\n"


def test_signs_stay_signs():
    assert render("a < b & c `<script>`") == "<p>a &lt; b &amp; c <code>&lt;script&gt;</code></p>\n"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="<>/=\"' aimgsrchtp:![]()*_`#&;-\n|~", max_size=60))
def test_no_text_makes_it_fail_or_brings_other_tags(text):
    tags = set(re.findall(r"<([a-z0-9]+)", render(text)))
    assert not tags & {"img", "script", "video", "source", "iframe"}
