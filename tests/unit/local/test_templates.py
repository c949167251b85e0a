"""The few template functions, and environment lines."""

import pytest

from datacenters.local.templates import MissingVariable, TemplateFault, env_lines, parse, render

ENV = {"NOMAD_JOB_ID": "j"}
VARIABLES = {"nomad/jobs/j": {"user": "ada", "key": "s3cret"}}


def rendered(template: str, *marks: str) -> str:
    return render(parse(template, *marks), ENV, VARIABLES.get)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("plain {text} $x", "plain {text} $x"),
        ('{{ env "NOMAD_JOB_ID" }}/{{env "NONE"}}', "j/"),
        ('{{ with nomadVar "nomad/jobs/j" }}U={{ .user }} K={{.key}}{{ end }}!', "U=ada K=s3cret!"),
        ('{{ with nomadVar "nomad/jobs/j" }}[{{ .none }}]{{ end }}', "[]"),
        ('a\n  {{- with nomadVar "nomad/jobs/j" -}}\n b {{- end }}', "ab"),
        ('{{ with nomadVar "nomad/jobs/j" }}{{ env "NOMAD_JOB_ID" }}{{ end }}', "j"),
    ],
)
def test_templates(template, text):
    assert rendered(template) == text


def test_other_marks_leave_the_usual_ones_alone():
    assert rendered('{{ .x }} <% env "NOMAD_JOB_ID" %>', "<%", "%>") == "{{ .x }} j"


def test_a_missing_variable_is_waited_for():
    with pytest.raises(MissingVariable) as missing:
        rendered('{{ with nomadVar "nomad/jobs/other" }}{{ .x }}{{ end }}')
    assert missing.value.path == "nomad/jobs/other"


@pytest.mark.parametrize(
    "template",
    ["{{ .outside }}", "{{ end }}", '{{ with nomadVar "x" }}', "{{ range . }}{{ end }}", '{{ key "consul" }}', "{{}}"],
)
def test_what_is_not_understood_is_refused(template):
    with pytest.raises(TemplateFault):
        parse(template)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("K=plain", "plain"),
        ("export K=a b", "a b"),
        ("K=a#b", "a"),
        ('K="a#b \\n \\u0041 \\" \\\\"', 'a#b \n A " \\'),
        ("K='a \\n #b'", "a \\n #b"),
        ("K=", ""),
        ("K=a=b", "a=b"),
        ('K="\u2028"', "\u2028"),
    ],
)
def test_environment_lines(line, value):
    assert env_lines(f"# a comment\n\n{line}\nno value here\n") == {"K": value}
