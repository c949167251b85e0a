"""The marketplace follows its sources; nothing vanishes, and one bad file never stops the others."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.models import AuditEvent
from marketplace import services
from marketplace.importing import Outcome
from marketplace.models import Asset, Condition, Kind, Source, SourceKind

MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this"


def package(folder: Path, metadata: bytes) -> Path:
    """A module folder that can be installed."""
    folder.mkdir()
    (folder / "ai4-metadata.yml").write_bytes(metadata)
    (folder / "pyproject.toml").write_text('[project]\nname = "seeds"\nversion = "1"\n')
    (folder / "LICENSE").write_text(MIT)
    (folder / "openapi.json").write_text(json.dumps({"swagger": "2.0", "paths": {"/v2/": {}}}))
    (folder / "seeds.py").write_text("weights = 1\n")
    return folder


def test_files_side_by_side_become_assets(source, folder, metadata):
    (folder / "dogs_breed_det.yml").write_bytes(metadata(title="Dogs"))
    (folder / "seeds.yaml").write_bytes(metadata())
    (folder / "notes.txt").write_text("no metadata")
    result = services.sync(source)
    assert sorted(result.slugs[Outcome.ADDED]) == ["dogs-breed-det", "seeds"]
    asset = Asset.objects.get(slug="seeds")
    assert (asset.title, asset.docker_image, asset.condition) == (
        "Seed classifier",
        "seeds/classifier:1.2",
        Condition.VALID,
    )
    assert asset.libraries == ["Keras"]
    assert asset.resources("inference") == {"cpu": 1, "memory_MB": 1000}


def test_a_module_folder_brings_package_licence_and_api(source, folder, metadata):
    module = package(folder / "seeds", metadata())
    services.sync(source)
    asset = Asset.objects.get(slug="seeds")
    assert asset.package == str(module)
    assert asset.licence == "MIT"
    assert asset.api_document["paths"] == {"/v2/": {}}
    assert asset.runtimes == ["package", "container"]


def test_an_edited_package_gets_a_new_digest_and_caches_do_not(source, folder, metadata):
    module = package(folder / "seeds", metadata())
    services.sync(source)
    before = Asset.objects.get(slug="seeds").package_digest
    (module / "__pycache__").mkdir()
    (module / "__pycache__" / "seeds.pyc").write_bytes(b"x")
    assert services.sync(source).slugs[Outcome.UNCHANGED] == ["seeds"]
    (module / "seeds.py").write_text("weights = 2\n")
    assert services.sync(source).slugs[Outcome.UPDATED] == ["seeds"]
    assert Asset.objects.get(slug="seeds").package_digest != before


def test_a_second_look_changes_nothing(source, folder, metadata, django_assert_max_num_queries):
    (folder / "seeds.yml").write_bytes(metadata())
    services.sync(source)
    imported = Asset.objects.get().imported
    with django_assert_max_num_queries(12):
        assert services.sync(source).slugs[Outcome.UNCHANGED] == ["seeds"]
    assert Asset.objects.get().imported == imported


def test_a_broken_newest_file_keeps_the_last_good_version(source, folder, metadata):
    (folder / "seeds.yml").write_bytes(metadata())
    services.sync(source)
    (folder / "seeds.yml").write_bytes(b"title: Other\ndescription: a: b: c")
    result = services.sync(source)
    asset = Asset.objects.get()
    assert result.broken == ["seeds"]
    assert asset.condition == Condition.OUTDATED
    assert asset.title == "Seed classifier"
    assert "not YAML" in asset.report[0]["sentence"]
    (folder / "seeds.yml").write_bytes(metadata(title="Other"))
    services.sync(source)
    asset.refresh_from_db()
    assert (asset.title, asset.condition, asset.report) == ("Other", Condition.VALID, [])


def test_a_file_broken_from_the_start_shows_what_can_be_had(source, folder):
    (folder / "dogs_breed_det.yml").write_bytes(b"summary: Names dogs.\ndescription: a: b: c")
    services.sync(source)
    asset = Asset.objects.get()
    assert (asset.title, asset.summary, asset.condition) == ("Dogs breed det", "Names dogs.", Condition.NEEDS_REPAIR)


def test_a_folder_that_cannot_be_read_stops_no_other(source, folder, metadata):
    (folder / "bad.yml").symlink_to("/proc/self/mem")
    (folder / "seeds.yml").write_bytes(metadata())
    result = services.sync(source)
    assert result.broken == ["bad"]
    assert Asset.objects.get(slug="bad").condition == Condition.NEEDS_REPAIR
    assert Asset.objects.get(slug="seeds").condition == Condition.VALID


def test_broken_files_beside_the_metadata_are_remarks(source, folder, metadata):
    module = package(folder / "seeds", metadata())
    (module / "pyproject.toml").write_text("[project\n")
    (module / "openapi.json").write_text("[" * 100_000)
    services.sync(source)
    asset = Asset.objects.get()
    assert (asset.condition, asset.package, asset.api_document) == (Condition.WARNINGS, "", None)
    assert [finding["sentence"].split()[0] for finding in asset.report] == ["pyproject.toml", "openapi.json"]


def test_what_left_its_source_is_kept_but_not_listed(source, folder, metadata):
    (folder / "seeds.yml").write_bytes(metadata())
    services.sync(source)
    (folder / "seeds.yml").unlink()
    assert services.sync(source).slugs[Outcome.GONE] == ["seeds"]
    assert not Asset.objects.listed().exists()
    assert not Asset.objects.get().facets.exists()
    (folder / "seeds.yml").write_bytes(metadata())
    services.sync(source)
    assert Asset.objects.listed().get().facets.exists()


def test_a_missing_folder_is_said_and_loses_nothing(source, folder, metadata):
    (folder / "seeds.yml").write_bytes(metadata())
    services.sync(source)
    (folder / "seeds.yml").unlink()
    folder.rmdir()
    assert "cannot be read" in services.sync(source).problem
    source.refresh_from_db()
    assert "No such file" in source.problem
    assert Asset.objects.listed().exists()


def test_two_sources_with_the_same_name_get_two_slugs_that_stay(source, folder, metadata, tmp_path):
    other = Source.objects.create(slug="b", title="B", kind=SourceKind.FOLDER, location=str(tmp_path / "b"))
    (tmp_path / "b").mkdir()
    (folder / "seeds.yml").write_bytes(metadata())
    (tmp_path / "b" / "Seeds!.yml").write_bytes(metadata())
    services.sync(source)
    services.sync(other)
    services.sync(source)
    assert {asset.source.slug: asset.slug for asset in Asset.objects.all()} == {"lab": "seeds", "b": "seeds-2"}


def test_a_source_that_is_one_module(source, folder, metadata):
    (folder / "ai4-metadata.yml").write_bytes(metadata())
    services.sync(source)
    assert Asset.objects.get().slug == "catalog"


def test_switching_a_source_off_empties_its_list_and_keeps_the_rows(source, folder, metadata, ada):
    (folder / "seeds.yml").write_bytes(metadata())
    services.sync(source)
    services.switch(source, on=False, actor=ada)
    assert (Asset.objects.count(), Asset.objects.listed().count()) == (1, 0)
    services.switch(source, on=True, actor=ada)
    services.sync(source)
    assert Asset.objects.listed().count() == 1
    assert AuditEvent.objects.filter(action="source.switched_off", actor=ada).exists()


def test_the_presets_are_there_once_and_only_the_demo_is_on(db):
    services.ensure_presets()
    Source.objects.filter(slug="demo").update(enabled=False)
    services.ensure_presets()
    on = dict(Source.objects.values_list("slug", "enabled"))
    assert on == {"demo": False, "ai4os-modules": False, "ai4os-tools": False}


def test_the_demo_modules_are_without_errors(db):
    services.ensure_presets()
    assets = Asset.objects.filter(source__slug="demo")
    assert assets.exists()
    assert {asset.slug: asset.report for asset in assets if asset.condition != Condition.VALID} == {}


def test_the_command_names_the_sources_there_are(db):
    with pytest.raises(CommandError, match=r"There are: .*demo"):
        call_command("sync_sources", "nonsense")


def test_the_command_reads_a_named_source(source, folder, metadata, capsys):
    (folder / "seeds.yml").write_bytes(metadata())
    call_command("sync_sources", "lab")
    assert "lab: 1 new" in capsys.readouterr().out


CATALOG = settings.SERAI_SHARED / "catalog"


@pytest.mark.skipif(not CATALOG.is_dir(), reason=f"the shared catalog is not at {CATALOG}")
def test_the_shared_catalog_imports_whole(db):
    for kind in Kind:
        folder = Source.objects.create(
            slug=kind, title=kind, kind=SourceKind.FOLDER, location=str(CATALOG / f"{kind}s"), asset_kind=kind
        )
        services.sync(folder)
    assert Asset.objects.listed().filter(kind=Kind.MODULE).count() == 31
    assert Asset.objects.listed().filter(kind=Kind.TOOL).count() == 6
    broken = Asset.objects.exclude(condition__in=[Condition.VALID, Condition.WARNINGS])
    assert [(asset.slug, asset.condition) for asset in broken] == [
        ("phyto-plankton-classification", Condition.NEEDS_REPAIR)
    ]
    assert "not YAML: line 14" in broken[0].report[0]["sentence"]
    assert broken[0].docker_image == "ai4oshub/phyto-plankton-classification"
    assert broken[0].resources("training")["memory_MB"] == 16000
    remarks = {asset.slug: " ".join(finding["sentence"] for finding in asset.report) for asset in Asset.objects.all()}
    assert "did you mean “data-type”" in remarks["satsr"]
    assert "comes twice" in remarks["seeds-classification"]
    assert "placeholder" in remarks["ai4os-demo-app"]
    assert "no GPU has that compute capability" in remarks["ai4os-demo-app"]
    assert "“data-type” names none" in remarks["ai4os-dev-env"]
