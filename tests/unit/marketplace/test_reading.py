"""Whatever bytes an author commits, the reader answers with what can be had and says what is wrong."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.findings import Level
from marketplace.reading import MAX_BYTES, load
from marketplace.validation import examine


def sentences(data: bytes | str, level: Level | None = None) -> str:
    findings = load(data.encode() if isinstance(data, str) else data).findings
    return "\n".join(finding.sentence for finding in findings if level in (None, finding.level))


def test_a_plain_file_is_read_without_a_remark():
    loaded = load(b"title: Seeds\ntags: [deep learning, 3]\n")
    assert loaded.document == {"title": "Seeds", "tags": ["deep learning", 3]}
    assert loaded.findings == ()


def test_a_text_with_a_colon_does_not_hide_the_other_keys():
    text = "title: Seeds\ndescription:\n    First line.\n    The benefits are numerous: many.\nlinks:\n  dataset: https://x.org/d\n"
    loaded = load(text.encode())
    assert loaded.document["title"] == "Seeds"
    assert loaded.document["links"] == {"dataset": "https://x.org/d"}
    assert "The benefits are numerous: many." in loaded.document["description"]
    assert "line 4" in loaded.findings[0].sentence
    assert "description: |-" in loaded.findings[1].sentence


def test_broken_links_and_lists_are_read_line_by_line():
    text = (
        'title: "Seeds\nlinks:\n  source_code: https://x.org/code\n dataset: https://x.org/d\ntags:\n  - one\n - two\n'
    )
    document = load(text.encode()).document
    assert document["links"] == {"source_code": "https://x.org/code", "dataset": "https://x.org/d"}
    assert document["tags"] == ["one", "two"]


def test_a_key_that_comes_twice_is_noticed_with_its_line():
    loaded = load(b"libraries: [Keras]\ntitle: x\nlibraries: [PyTorch]\n")
    assert loaded.document["libraries"] == ["PyTorch"]
    assert "“libraries” comes twice, again in line 3" in loaded.findings[0].sentence
    assert loaded.findings[0].level is Level.WARNING


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("title: Körner".encode("latin-1"), "not UTF-8"),
        ("title: Seeds".encode("utf-16"), "UTF-16"),
        (b"\xef\xbb\xbftitle: Seeds", "byte order mark"),
        (b"title: Se\x07eds", "control characters"),
    ],
)
def test_odd_encodings_are_read_and_named(data, said):
    assert load(data).document["title"]
    assert said in sentences(data)


def test_line_ends_of_windows_and_old_macs_are_fine():
    assert load(b"title: a\r\ntags:\r\n  - x\r\n").document == {"title": "a", "tags": ["x"]}
    assert load(b"title: a\rtags:\r  - x\r").document == {"title": "a", "tags": ["x"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * (MAX_BYTES + 1), "larger than"),
        ("[" * 5_000, "nested too deeply"),
        ("a: &a [1]\nb: [" + "*a," * 20 + "]", "aliases"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x]\nb: [" + "0," * 5_000 + "]", "more than"),
        ("title: !!python/object:os.system x", "YAML tag"),
        ("title: !!bool maybe", "YAML tag"),
        ("- just\n- a list", "no keys"),
        ("", "no keys"),
        ("\tkey: tab", "not YAML"),
    ],
)
def test_what_is_no_metadata_is_refused_with_the_reason(text, said):
    assert said in sentences(text, Level.ERROR)


def test_aliases_that_double_themselves_end_early():
    bomb = "a: &a [" + "1," * 900 + "]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\n"
    assert "more than" in sentences(bomb, Level.ERROR)


def test_a_value_that_holds_itself_ends_early():
    assert sentences("a: &a [*a]", Level.ERROR)


def test_what_json_and_databases_cannot_keep_becomes_text():
    document = load(b'a: .nan\nb: 123456789012345678901234567890\nc: "x\\0y"\nd: "\\ud800"\ne: 2024-13-45\n').document
    assert document == {"a": ".nan", "b": "123456789012345678901234567890", "c": "xy", "d": "\ufffd", "e": "2024-13-45"}


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="abc:-[]{}&*!|>'\"#%@`,?\n\t 0.<", max_size=80).map(str.encode))
)
def test_no_bytes_stop_the_reader(data):
    examined = examine(data, "some-module")
    assert examined.metadata.title
    json.dumps(examined.metadata.document, allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["title", "summary", "tags", "links", "dates", "resources", "doi", "data-type", "libraries"]),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(["inference", "cpu", "docker_image", "created", "updated", "dataset"]),
                    inner,
                    max_size=3,
                ),
            ),
            max_leaves=6,
        ),
    )
)
def test_no_types_stop_the_checks(document):
    examined = examine(json.dumps(document).encode(), "some-module")
    assert isinstance(examined.metadata.summary, str)
