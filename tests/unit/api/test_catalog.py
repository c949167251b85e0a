"""The catalog and the datacenters by REST."""

import jsonschema


def test_modules_are_listed_with_their_facts(site, digits, api):
    listed = api.get("modules").json()

    assert listed["count"] == 1
    assert listed["items"][0]["id"] == "digits"
    assert listed["items"][0]["runtimes"] == ["package"]
    assert listed["items"][0]["trainable"] is True


def test_modules_are_found_by_words(site, digits, api):
    assert api.get("modules?q=digit").json()["count"] == 1
    assert api.get("modules?q=satellite").json()["count"] == 0


def test_a_module_shows_its_validation_report(digits, api):
    digits.report = [{"level": "warning", "field": "sata-type", "sentence": "Did you mean data-type?"}]
    digits.save()

    assert api.get("modules/digits").json()["report"] == digits.report


def test_an_unknown_module_is_not_found(api):
    assert api.get("modules/nothing").status_code == 404
    assert api.get("modules/nothing/form").status_code == 404


def test_the_form_is_a_json_schema_which_the_smallest_request_meets(site, digits, api):
    schema = api.get("modules/digits/form").json()

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"module": "digits"}, schema)
    resources = schema["properties"]["resources"]["properties"]
    assert resources["memory_mb"]["default"] == 2_000
    assert resources["memory_mb"]["maximum"] == 8_000
    assert schema["properties"]["datacenter"]["enum"] == ["local"]


def test_a_request_made_of_the_forms_defaults_is_taken(site, digits, api):
    schema = api.get("modules/digits/form").json()
    resources = {
        name: part["default"]
        for name, part in schema["properties"]["resources"]["properties"].items()
        if "default" in part
    }

    assert api.post("deployments", {"module": "digits", "resources": resources}).status_code == 201


def test_datacenters_say_what_they_have_and_how_old_the_figures_are(site, api):
    place = api.get("datacenters/local").json()

    assert place["cpu_cores"] == 4
    assert place["memory_mb_free"] == 8_000
    assert place["healthy"]
    assert place["as_of"]
    assert place["runtimes"] == ["package"]
    assert api.get("datacenters").json()["count"] == 1
    assert api.get("datacenters/atlantis").status_code == 404


def test_free_cores_are_counted_as_for_a_deployment(site, digits, api):
    site.nodes.update(cpu_cores=2, cpu_mhz=5_200, used_cpu_mhz=1_000)
    assert api.get("datacenters/local").json()["cpu_cores_free"] == 2
    site.nodes.update(used_cpu_mhz=4_200)
    assert api.get("datacenters/local").json()["cpu_cores_free"] == 1
    plan = api.post("deployments/plan", {"module": "digits"}).json()
    assert "1 CPU core" in plan["choices"][0]["sentence"]
