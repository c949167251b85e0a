"""Requests that can never be met: a sentence at the value to blame, and nothing written down."""

import json

import pytest

from accounts.models import AuditEvent
from jobs.models import Deployment, IdempotencyKey
from tests.unit.api.conftest import api, digits, site

__all__ = ["api", "digits", "site"]

A_NUMBER, A_WHOLE_NUMBER = "A number is wanted here, without quotes.", "A whole number is wanted here."
AN_OBJECT = "An object is wanted here: {…}."
NO_JSON = "The body is not valid JSON."
DEEP = '{"a":' * 5_000 + "1" + "}" * 5_000


@pytest.fixture(autouse=True)
def _nothing_is_written(db):
    yield
    assert not Deployment.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert not AuditEvent.objects.filter(action__startswith="deployment").exists()


@pytest.fixture
def refused(site, digits, api):
    """What Ada reads when she sends this body: a sentence by pointer, or the whole problem's."""

    def send(body: object) -> dict[str, str]:
        raw = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = api.bearer(api.person)
        answer = api.client.generic(
            "POST", "/api/v1/deployments", raw, content_type="application/json", headers=headers
        )
        assert answer.status_code == 422, answer.content
        assert answer["Content-Type"] == "application/problem+json"
        told = {error["pointer"]: error["detail"] for error in answer.json().get("errors", ())}
        return told or {"": answer.json()["title"]}

    return send


def a_digits(**members: object) -> dict[str, object]:
    return {"module": "digits", **members}


def with_resources(**resources: object) -> dict[str, object]:
    return a_digits(resources=resources)


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({"module": "cats"}, "#/module", "There is no module “cats”."),
        ({"module": ["digits"]}, "#/module", "A text is wanted here."),
        ({"module": 5}, "#/module", "A text is wanted here."),
        (a_digits(kind="server"), "#/kind", "One of these is wanted here: 'service' or 'batch'."),
        (a_digits(titel="x"), "#/titel", "There is no such value."),
        (a_digits(title="x" * 101), "#/title", "Ensure this value has at most 100 characters (it has 101)."),
        (a_digits(resources=None), "#/resources", AN_OBJECT),
        (a_digits(resources=[]), "#/resources", AN_OBJECT),
        (a_digits(prefer="local"), "#/prefer", "A list is wanted here: […]."),
        (a_digits(exclude=[None]), "#/exclude/0", "A text is wanted here."),
        (a_digits(datacenter="moon"), "#/datacenter", "“moon” is not known here. Known: local."),
        (a_digits(options={"workers": 9}), "#/options/workers", "Ensure this value is less than or equal to 8."),
        (a_digits(options={"workers": [1]}), "#/options/workers", "Enter a whole number."),
        (a_digits(options={"speed": 1}), "#/options/speed", "No such value is taken here. Taken: workers."),
        (a_digits(max_wait=-1), "#/max_wait", "At least 0 is wanted here."),
        # Longer than any clock counts: the sweep would stumble over it for everybody.
        (a_digits(max_wait=10**30), "#/max_wait", "Ensure this value is less than or equal to 31536000."),
        (with_resources(memory_mb="two"), "#/resources/memory_mb", A_NUMBER),
        (with_resources(memory_mb="1000"), "#/resources/memory_mb", A_NUMBER),
        (with_resources(memory_mb=True), "#/resources/memory_mb", A_NUMBER),
        (with_resources(memory_mb=[1]), "#/resources/memory_mb", A_WHOLE_NUMBER),
        (with_resources(memory_mb=99.5), "#/resources/memory_mb", A_WHOLE_NUMBER),
        (with_resources(memory_mb=0), "#/resources/memory_mb", "Ensure this value is greater than or equal to 100."),
        (with_resources(cpu_cores=-1), "#/resources/cpu_cores", "Ensure this value is greater than or equal to 0.1."),
        (with_resources(ram=1), "#/resources/ram", "There is no such value."),
        (
            with_resources(memory_mb=9_000),
            "#/resources/memory_mb",
            "9,000 MB of memory were asked for; the largest machine, in local, has 8,000 MB of memory even when "
            "it is empty.",
        ),
        (
            with_resources(cpu_cores=1e308),
            "#/resources/cpu_cores",
            "1.00e+308 CPU cores were asked for; the largest machine, in local, has 4 CPU cores even when it is empty.",
        ),
        ('{"module": "digits", "resources": {"cpu_cores": 1e999}}', "#/resources/cpu_cores", "Enter a number."),
        (
            with_resources(gpus=1),
            "#/resources/gpus",
            "A GPU was asked for, and no machine that can run this has one.",
        ),
        (with_resources(gpus=10**6), "#/resources/gpus", "Ensure this value is less than or equal to 16."),
        (
            with_resources(gpu_model="V100"),
            "#/resources/gpus",
            "Ask for at least one GPU, or leave the GPU's model and memory empty.",
        ),
        ([], "#", AN_OBJECT),
        (None, "#", AN_OBJECT),
        ("", "#", "This is missing."),
        ("nonsense", "", NO_JSON),
        (b"\xff\xfe", "", NO_JSON),
        (DEEP, "", NO_JSON),
        ("[" * 100_000, "", NO_JSON),
        ('{"module": "digits", "resources": {"cpu_cores": NaN}}', "", NO_JSON),
        ('{"module": "digits", "arguments": {"rate": -Infinity}}', "", NO_JSON),
        # What PostgreSQL refuses to keep, or even to look for, and what nobody can write as UTF-8.
        ({"module": "dig\0its"}, "", NO_JSON),
        (a_digits(title="\ud800"), "", NO_JSON),
        (a_digits(options={"\udfff": 1}), "", NO_JSON),
        (a_digits(prefer=[["\0"]]), "", NO_JSON),
    ],
)
def test_a_wrong_value_gets_a_sentence_at_its_place(refused, body, pointer, says):
    assert refused(body) == {pointer: says}


def test_letters_of_every_script_are_no_wrong_values(refused):
    assert list(refused({"module": "cats", "title": "Ümläute, 漢字, 🦔, \\u0000 as six letters"})) == ["#/module"]


@pytest.mark.parametrize("key", ["k" * 201, "k" * 8_000])
def test_a_key_that_is_too_long_is_refused(api, site, digits, key):
    answer = api.post("deployments", {"module": "digits"}, Idempotency_Key=key)
    assert answer.status_code == 422
    assert answer.json()["title"] == "This Idempotency-Key has more than 200 letters."


ODD = ["%00", "%ff", "%F0%9F%98%80", "a" * 5_000, "%5C", "%25", "'", "%ED%A0%80", "%C2%B2", "9" * 400]


@pytest.mark.parametrize("odd", ODD)
def test_no_question_breaks_the_api(api, site, digits, odd):
    missing = "deployments/00000000-0000-0000-0000-000000000000"
    for route in (
        *(f"deployments?{name}={odd}" for name in ("q", "project", "module", "cursor", "limit", "status")),
        *(f"modules?{name}={odd}" for name in ("q", "cursor", "limit")),
        *(f"modules/{odd}", f"modules/{odd}/form", f"datacenters/{odd}", f"{missing}/logs?task={odd}", f"{odd}"),
    ):
        answer = api.get(route)
        assert answer.status_code in (200, 404, 422), route
        if answer.status_code != 200:
            assert answer["Content-Type"] == "application/problem+json", route


@pytest.mark.parametrize("odd", ODD)
def test_no_address_breaks_a_page(client, ada, site, digits, odd):
    client.force_login(ada)
    for page in (
        *(f"/modules/?{name}={odd}" for name in ("q", "tags", "libraries", "page", "sort")),
        *(f"/deployments/?{name}={odd}" for name in ("q", "project", "page", "status")),
        *(f"/modules/{odd}/", f"/modules/digits/deploy/?clone={odd}", f"/signin?next=/{odd}", f"/people/{odd}/"),
    ):
        assert client.get(page).status_code in (200, 302, 403, 404), page


def test_no_name_breaks_signing_in(client, ada):
    for name in ("\0", "a\0da", "x" * 10_000, "🦔"):
        assert client.post("/signin", {"username": name, "password": "x"}).status_code in (422, 429)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("memory_mb", "9000", "the largest machine, in local, has 8,000 MB of memory even when it is empty."),
        ("memory_mb", "lots", "Enter a whole number."),
        ("memory_mb", "1", "Ensure this value is greater than or equal to 100."),
        ("gpus", "1", "A GPU was asked for, and no machine that can run this has one."),
        ("datacenter", "moon", "“moon” is not known here. Known: local."),
        ("title", "a\0b", "Null characters are not allowed."),
    ],
)
def test_the_page_says_the_same_at_its_field(client, ada, site, digits, field, value, says):
    client.force_login(ada)
    answer = client.post("/modules/digits/deploy/", {field: value})
    assert answer.status_code == 422
    assert says in answer.context["form"].errors[field][0]
    assert answer.context["form"].errors[field].as_text().removeprefix("* ")[:40] in answer.content.decode()
