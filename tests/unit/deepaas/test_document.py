"""Reading the documents of modules, old and new."""

import json

import pytest
from django.conf import settings
from jsonschema import Draft202012Validator

from jobs.deepaas.document import (
    Argument,
    DocumentUnusable,
    Location,
    Media,
    ModuleApi,
    Operation,
    Type,
    json_schema,
    parse,
)

from . import load

RECORDED = settings.SERAI_SHARED / "deepaas-api"


@pytest.fixture
def old() -> ModuleApi:
    return parse(load("swagger2"))


@pytest.fixture
def new() -> ModuleApi:
    return parse(load("openapi3"))


def predict(api: ModuleApi) -> Operation:
    assert api.predict
    return api.predict


def argument(api: ModuleApi, name: str) -> Argument:
    found = predict(api).argument(name)
    assert found
    return found


def test_the_model_and_its_paths_come_from_the_document(old: ModuleApi) -> None:
    assert [model.name for model in old.models] == ["flower_namer"]
    assert old.version == "2.6.0"
    assert old.predict
    assert old.predict.path == "/v2/models/flower_namer/predict/"
    assert old.train
    assert old.train.path == "/v2/models/flower_namer/train/"


def test_an_argument_carries_all_that_a_form_needs(old: ModuleApi) -> None:
    assert argument(old, "top") == Argument(
        name="top", type=Type.INTEGER, title="Top", help="how many names", default=3, minimum=1, maximum=10
    )


def test_files_know_what_kind_they_are(old: ModuleApi) -> None:
    picture = argument(old, "picture")
    assert (picture.type, picture.media, picture.location, picture.required) == (
        Type.FILE,
        Media.IMAGE,
        Location.FORM,
        True,
    )
    assert [file.media for file in predict(old).files] == [Media.IMAGE, Media.AUDIO]


def test_a_list_has_the_type_of_its_items(old: ModuleApi) -> None:
    weights = argument(old, "weights")
    assert (weights.multiple, weights.type, weights.default) == (True, Type.NUMBER, [0.5, 0.5])


def test_passwords_are_secret_and_their_default_is_not_told(old: ModuleApi) -> None:
    key = argument(old, "key")
    assert key.secret
    assert "default" not in key.json_schema()


def test_anything_is_not_offered_as_a_media_type(old: ModuleApi) -> None:
    accept = predict(old).accept
    assert accept
    assert accept.choices == ("application/json", "image/png")
    assert accept.location is Location.HEADER


def test_an_operation_without_required_arguments_computes_something_when_called_bare(old: ModuleApi) -> None:
    assert predict(old).needs_input
    assert not Operation("/predict/", (Argument("top", default=3),)).needs_input


def test_the_schema_is_valid_and_judges_values(old: ModuleApi) -> None:
    assert old.train
    schema = json_schema(old.train)
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    assert judge.is_valid({"epochs": 5, "optimiser": "sgd"})
    assert not judge.is_valid({"optimiser": "sgd"})
    assert not judge.is_valid({"epochs": 51})


def test_openapi_3_is_read_through_its_references(new: ModuleApi) -> None:
    picture, tags, top = (argument(new, name) for name in ("picture", "tags", "top"))
    assert (picture.type, picture.media, picture.required) == (Type.FILE, Media.VIDEO, True)
    assert (tags.multiple, tags.choices, tags.location) == (True, ("red", "blue"), Location.FORM)
    assert (top.type, top.minimum, top.default, top.required) == (Type.INTEGER, 1, 3, False)
    assert predict(new).produces == ("application/json", "image/png")
    assert new.train is None


def test_the_base_path_of_a_server_goes_before_the_paths(new: ModuleApi) -> None:
    assert predict(new).path == "/base/v2/models/flower_namer/predict"


def test_references_in_a_circle_end(new: ModuleApi) -> None:
    assert argument(new, "loop").type is Type.TEXT


@pytest.mark.parametrize("rubbish", [None, [], "swagger", {}, {"paths": []}])
def test_what_is_no_document_says_so(rubbish: object) -> None:
    with pytest.raises(DocumentUnusable):
        parse(rubbish)


def test_broken_parts_of_a_document_cost_only_themselves() -> None:
    api = parse(
        {
            "info": "none",
            "paths": {
                7: None,
                "/v2/models/odd/predict/": {
                    "post": {
                        "parameters": ["?", {}, {"name": "x", "in": "query"}, {"in": "body", "schema": 3}],
                        "produces": "application/json",
                        "responses": [],
                    }
                },
                "/v2/models/odd/train/": {"post": "none"},
                "/v2/models/{model}/predict/": {"post": {}},
            },
        }
    )
    assert [model.name for model in api.models] == ["odd"]
    assert [item.name for item in predict(api).arguments] == ["x"]


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded answers of real modules in {RECORDED}")
@pytest.mark.parametrize(("name", "arguments"), [("demo_app", 13), ("digits_module", 2)])
def test_documents_of_real_modules_are_read_whole(name: str, arguments: int) -> None:
    api = parse(json.loads((RECORDED / f"{name}.swagger.json").read_text()))
    assert len(predict(api).arguments) == arguments
    assert api.train
    for operation in (predict(api), api.train):
        Draft202012Validator.check_schema(json_schema(operation))
