"""A person uses a running module from its page."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from datacenters.interface import Endpoint
from jobs.models import Deployment, Status
from marketplace.models import Asset, Kind, Source
from tests.unit.deepaas import load
from tests.unit.deepaas.test_client import PREDICT, module

HTMX = {"HX-Request": "true"}
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
SCORES = {"labels": ["rose", "tulip"], "probabilities": [0.25, 0.75]}


@pytest.fixture
def deployment(ada: User) -> Deployment:
    return Deployment.objects.create(
        project=ada.personal_project,
        owner=ada,
        asset_slug="flowers",
        title="Flowers",
        request={},
        status=Status.RUNNING,
        api_document=load("swagger2"),
        endpoints=[{"label": "api", "host": "127.0.0.1", "port": 1, "healthy": True}],
    )


@pytest.fixture
def url(deployment: Deployment) -> str:
    return reverse("use", args=[deployment.pk])


@pytest.fixture
def person(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def lives_at(endpoint: Endpoint) -> None:
    row = {"label": "api", "host": endpoint.host, "port": endpoint.port, "healthy": True}
    Deployment.objects.update(endpoints=[row])


def picture(name: str = "flower.png", content: bytes = PNG) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, "image/png")


def answering(value: Any) -> dict[str, Any]:
    return {"answers": {PREDICT: (200, "application/json", json.dumps(value).encode())}}


# ── The form ─────────────────────────────────────────────────────────────────────────────────────
def test_each_argument_has_its_widget(person, url) -> None:
    page = person.get(url).content.decode()
    assert '<input type="file" name="picture" data-preview="" data-limit-mb="512"' in page
    assert 'accept="image/*"' in page
    assert 'accept="audio/*"' in page
    assert '<input type="number" name="top" value="3" step="1" min="1" max="10"' in page
    assert '<option value="la">la</option>' in page
    assert '<option value="image/png">Image (PNG)</option>' in page
    assert 'type="password" name="key"' in page
    assert page.count("<textarea") == 2
    assert 'enctype="multipart/form-data"' in page


def test_eve_finds_nothing(client, eve, url) -> None:
    client.force_login(eve)
    assert client.get(url).status_code == 404
    assert client.post(url).status_code == 404


def test_bob_of_the_same_project_uses_it_too(client, bob, url) -> None:
    client.force_login(bob)
    assert client.get(url).status_code == 200


def test_the_document_is_asked_for_when_nobody_has_it_yet(person, url) -> None:
    document = (200, "application/json", json.dumps(load("swagger2")).encode())
    Deployment.objects.update(api_document=None)
    with module(answers={"/swagger.json": document}) as endpoint:
        lives_at(endpoint)
        assert 'name="picture"' in person.get(url).content.decode()
    assert Deployment.objects.get().api_document == load("swagger2")


def test_a_deployment_on_its_way_has_no_form_yet(person, url) -> None:
    Deployment.objects.update(status=Status.STARTING, reason="Packages are being installed.")
    page = person.get(url)
    assert page.status_code == 200
    assert "Packages are being installed." in page.content.decode()
    assert person.post(url).status_code == 409


# ── The answer ───────────────────────────────────────────────────────────────────────────────────
def test_scores_come_as_bars_the_highest_first(person, url) -> None:
    with module(**answering({"status": "OK", "predictions": SCORES})) as endpoint:
        lives_at(endpoint)
        answer = person.post(url, {"picture": picture()}, headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in page
    assert page.index("tulip") < page.index("rose")
    assert '<progress value="75.0"' in page


def test_without_script_the_whole_page_comes_with_the_answer(person, url) -> None:
    with module(**answering({"predictions": SCORES})) as endpoint:
        lives_at(endpoint)
        page = person.post(url, {"picture": picture(), "top": "7"}).content.decode()
    assert "<html" in page
    assert "tulip" in page
    assert 'name="top" value="7"' in page


def test_an_image_is_shown_within_the_policy_of_the_pages(person, url) -> None:
    with module(answers={PREDICT: (200, "image/png", PNG)}) as endpoint:
        lives_at(endpoint)
        answer = person.post(url, {"picture": picture(), "accept": "image/png"}, headers=HTMX)
    assert 'src="data:image/png;base64,iVBORw0KGgo' in answer.content.decode()
    assert "img-src 'self' data:" in answer["Content-Security-Policy"]
    assert "media-src data:" in answer["Content-Security-Policy"]


def test_what_a_module_answers_is_never_markup(person, url) -> None:
    evil = "<script>alert(1)</script>"
    with module(**answering({evil: [{evil: evil}, {evil: "x"}], "y": evil})) as endpoint:
        lives_at(endpoint)
        page = person.post(url, {"picture": picture()}).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    with module(answers={PREDICT: (200, "text/html", evil.encode())}) as endpoint:
        lives_at(endpoint)
        assert "<script>alert" not in person.post(url, {"picture": picture()}).content.decode()


def test_the_file_arrives_whole_and_the_values_typed(person, url) -> None:
    with module() as endpoint:
        lives_at(endpoint)
        answer = person.post(url, {"picture": picture(), "weights": "1\n2.5", "rotate": "false"}, headers=HTMX)
    page = answer.content.decode().replace("&quot;", '"')
    assert "filename=" in page
    assert "weights=1&amp;weights=2.5" in page
    assert "rotate=false" in page


def test_the_snippets_make_the_same_call_and_hold_no_secret(person, url, deployment) -> None:
    with module() as endpoint:
        lives_at(endpoint)
        values = {"picture": picture("my flower.png"), "top": "7", "key": "hush-hush", "accept": "image/png"}
        context = person.post(url, values, headers=HTMX).context
    curl, python, javascript = (code for _title, code in context["use"].snippets)
    address = f"http://127.0.0.1:8000/d/{deployment.pk}/api{PREDICT}?top=7"
    assert all(address in code for code in (curl, python, javascript))
    assert "-F 'picture=@my flower.png'" in curl
    assert "$SERAI_TOKEN" in curl
    assert "-o answer.png" in curl
    compile(python, "snippet", "exec")
    assert "hush-hush" not in curl + python + javascript


# ── What goes wrong ──────────────────────────────────────────────────────────────────────────────
def test_a_wrong_value_gets_its_sentence_and_nothing_is_sent(person, url) -> None:
    answer = person.post(url, {"picture": picture(), "top": "11"}, headers=HTMX)
    assert answer.status_code == 422
    assert "This must be at most 10." in answer.content.decode()
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#use-form", "outerHTML")


def test_a_missing_file_gets_its_sentence(person, url) -> None:
    assert "This field is required." in person.post(url, {}).content.decode()


def test_what_the_module_refuses_stands_at_its_field(person, url) -> None:
    refusal = json.dumps({"picture": ["This is no picture."], "other": ["Odd."]}).encode()
    with module(answers={PREDICT: (422, "application/json", refusal)}) as endpoint:
        lives_at(endpoint)
        answer = person.post(url, {"picture": picture()}, headers=HTMX)
    assert answer.status_code == 422
    assert answer.context["form"].errors == {"picture": ["This is no picture."], "__all__": ["other: Odd."]}


def test_a_file_too_large_gets_its_sentence(person, url, settings) -> None:
    settings.UPLOAD_LIMIT_MB = 1
    answer = person.post(url, {"picture": picture(content=b"x" * 1_000_001)}, headers=HTMX)
    assert answer.status_code == 422
    assert "larger than 1 MB" in answer.content.decode()


def test_a_module_that_fails_says_why_and_where_to_look(person, url) -> None:
    with module(answers={PREDICT: (500, "application/json", b'{"message": "No weights yet."}')}) as endpoint:
        lives_at(endpoint)
        page = person.post(url, {"picture": picture()}, headers=HTMX).content.decode()
    assert "The module failed: No weights yet." in page
    assert "/log/" in page
    assert "/restart/" not in page


def test_a_stuck_module_is_noticed_and_can_be_restarted(person, url, settings, deployment) -> None:
    settings.PREDICT_SECONDS = 0.3
    with module(silent={PREDICT}) as endpoint:
        lives_at(endpoint)
        page = person.post(url, {"picture": picture()}, headers=HTMX).content.decode()
    assert "may be stuck" in page
    assert f'action="/deployments/{deployment.pk}/restart/"' in page
    assert Deployment.objects.get().healthy is False


def test_a_module_that_is_gone_says_so(person, url) -> None:
    assert "Nothing listens at its port." in person.post(url, {"picture": picture()}).content.decode()


# ── Examples ─────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def with_samples(deployment: Deployment, tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    rows = [{"title": "A rose", "arguments": {"weights": [1.5, 2], "rotate": False}, "files": {"picture": "rose.png"}}]
    (folder / "predict.json").write_text(json.dumps(rows))
    (folder / "rose.png").write_bytes(PNG)
    source = Source.objects.create(slug="ours", title="Ours", kind="folder", location=str(tmp_path))
    deployment.asset = Asset.objects.create(
        source=source, slug="flowers", title="Flowers", package=str(tmp_path), kind=Kind.MODULE
    )
    deployment.save()


def test_one_press_tries_an_example(person, url, with_samples) -> None:
    page = " ".join(person.get(url).content.decode().split())
    assert 'name="_sample" value="0" formnovalidate>A rose</button>' in page
    with module() as endpoint:
        lives_at(endpoint)
        answer = person.post(url, {"_sample": "0"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "rose.png" in page
    assert "weights=1.5" in page
    assert "1.5\n2</textarea>" in page
    assert 'class="use-preview" src="data:image/png;base64,' in page


def test_with_script_an_example_fills_the_form_too(person, url, with_samples) -> None:
    with module() as endpoint:
        lives_at(endpoint)
        by_example = person.post(url, {"_sample": "0"}, headers=HTMX).content.decode()
        by_hand = person.post(url, {"picture": picture()}, headers=HTMX).content.decode()
    assert 'hx-swap-oob="true"' in by_example
    assert "1.5\n2</textarea>" in by_example
    assert "<form" not in by_hand, "a chosen file would be lost with its form"


def test_an_example_that_is_not_there_is_an_empty_form(person, url, with_samples) -> None:
    assert person.post(url, {"_sample": "9"}).status_code == 422
