"""The marketplace's pages, as people use them without JavaScript."""

import pytest
from django.urls import reverse

from accounts.models import Level, create_person
from datacenters.models import Cluster, Datacenter
from marketplace import services
from marketplace.models import Asset, Condition, Kind, Source


@pytest.fixture
def adas(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def administrators(client, db):
    client.force_login(create_person("grace", password="nanoseconds-long", is_superuser=True))
    return client


@pytest.fixture
def place(db) -> Datacenter:
    """A datacenter that runs packages only."""
    cluster = Cluster.objects.create(name="local", address="http://127.0.0.1:4646", local=True)
    return Datacenter.objects.create(name="local", cluster=cluster, nomad_name="dc1", offers_packages=True)


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


# ── The list ─────────────────────────────────────────────────────────────────────────────────────
def test_a_stranger_is_asked_to_sign_in(client, db):
    for name in ("modules", "sources"):
        assert client.get(reverse(name)).url.startswith("/signin")


def test_the_list_finds_filters_and_counts_by_its_address(adas, make_asset):
    make_asset("seeds", title="Seed classifier", libraries=["Keras"], data_type=["Image"])
    make_asset("corals", title="Corals", libraries=["Keras", "PyTorch"])
    page = text_of(adas.get("/modules/?q=seed&libraries=Keras"))
    assert "1 entry" in page
    assert "Seed classifier" in page
    assert ">Corals<" not in page
    assert 'name="libraries" value="Keras"' in page
    assert 'role="img" aria-label="pictures"' in page
    assert "?q=seed&amp;libraries=Keras&amp;libraries=PyTorch" not in page


def test_a_facet_is_a_link_that_keeps_the_rest(adas, make_asset):
    make_asset("seeds", libraries=["Keras"], tags=["botany"])
    page = text_of(adas.get("/modules/?q=seeds&page=1"))
    assert 'href="?q=seeds&amp;tags=botany"' in page


def test_typing_gets_the_results_alone_and_going_back_the_whole_page(adas, make_asset):
    make_asset("seeds")
    part = adas.get("/modules/?q=seed", headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert "HX-Request" in part.headers["Vary"]
    back = adas.get("/modules/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<html" in back.content.decode()


def test_an_empty_marketplace_teaches(adas, db):
    assert "Ask one of yours" in text_of(adas.get("/modules/"))


def test_an_administrator_of_an_empty_marketplace_is_led_to_its_sources(administrators):
    assert "Open the sources" in text_of(administrators.get("/modules/"))


def test_nothing_found_says_what_to_try(adas, make_asset):
    make_asset("seeds")
    assert "beginning of a word is enough" in text_of(adas.get("/modules/?q=zzz"))


@pytest.mark.parametrize("query", ["q=%22", "page=x", "libraries=" + "x" * 3000, "q=" + "x" * 3000, "sort="])
def test_odd_addresses_are_pages_all_the_same(adas, make_asset, query):
    make_asset("seeds")
    assert adas.get(f"/modules/?{query}").status_code == 200


def test_texts_of_others_are_never_markup(adas, make_asset):
    make_asset("evil", title="<script>alert(1)</script>", summary="<img src=x onerror=alert(1)>", tags=["<b>x"])
    for address in ("/modules/?q=<script>", "/modules/", "/modules/evil/", "/modules/evil/?tab=checks"):
        page = adas.get(address).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b>x" not in page


def test_a_list_of_many_takes_as_few_queries_as_one_of_few(adas, make_asset, django_assert_max_num_queries):
    for number in range(30):
        make_asset(f"m{number}", tags=[f"tag{number}"])
    with django_assert_max_num_queries(8):
        adas.get("/modules/")


# ── One module ───────────────────────────────────────────────────────────────────────────────────
def test_a_module_shows_what_its_file_says(adas, source, folder, metadata, place):
    changed = metadata(
        doi="10.5281/zenodo.1", libraries=["Keras"], description="# Seeds\n\n**Bold**\n\n<script>x</script>"
    )
    (folder / "seeds.yml").write_bytes(changed)
    services.sync(source)
    page = text_of(adas.get("/modules/seeds/"))
    assert "<strong>Bold</strong>" in page
    assert "<h2>Seeds</h2>" in page
    assert "<script>x" not in page
    assert "1 core, 1 GB memory" in page
    assert 'href="https://hub.docker.com/r/seeds/classifier"' in page
    assert "10.5281/zenodo.1" in page


def test_a_container_module_says_why_this_datacenter_cannot_run_it(adas, make_asset, place):
    make_asset("clouds", docker_image="lab/clouds:1")
    page = text_of(adas.get("/modules/clouds/"))
    assert "needs containers, which this datacenter does not offer" in page
    assert "a Nomad cluster whose machines have Docker" in page
    assert "No datacenter here can run it" in page
    assert reverse("deploy", args=["clouds"]) not in page


def test_training_is_for_those_who_may_and_says_why_not(client, make_asset, place):
    make_asset("seeds", package="/srv/seeds", categories=["AI4 trainable"])
    client.force_login(create_person("basil", password="only-looks-at-it", level=Level.BASIC))
    page = text_of(client.get("/modules/seeds/"))
    assert "may use modules, not train them" in page
    assert f'href="{reverse("train", args=["seeds"])}"' not in page


def test_a_module_that_offers_no_training_says_so(adas, make_asset, place):
    make_asset("seeds", package="/srv/seeds")
    page = text_of(adas.get("/modules/seeds/"))
    assert "Its author offers no training" in page
    assert "Run a script" in page  # which needs none of the author's


def test_the_checks_of_a_broken_file_are_told_in_words(adas, source, folder):
    (folder / "seeds.yml").write_bytes(b"title: Seeds\nsata-type: [Image]\ndescription: a: b: c")
    services.sync(source)
    about, checks = text_of(adas.get("/modules/seeds/")), text_of(adas.get("/modules/seeds/?tab=checks"))
    assert "needs repair" in about
    assert "See all checks" in about
    assert "did you mean “data-type”?" in checks
    assert "found by AI4OS" in checks


def test_a_module_that_left_its_source_can_be_looked_at_but_not_deployed(adas, source, folder, metadata, place):
    (folder / "seeds.yml").write_bytes(metadata())
    services.sync(source)
    (folder / "seeds.yml").unlink()
    services.sync(source)
    page = text_of(adas.get("/modules/seeds/"))
    assert "left its source" in page
    assert reverse("deploy", args=["seeds"]) not in page


def test_metadata_can_be_taken_along(adas, make_asset):
    make_asset("seeds", tags=["botany"])
    answer = adas.get("/modules/seeds/metadata.json")
    assert answer.json() == {"tags": ["botany"]}
    assert "seeds.json" in answer.headers["Content-Disposition"]


def test_folders_of_this_machine_are_not_shown(adas, make_asset, place):
    make_asset("seeds", package="/srv/secret-place/seeds")
    assert "secret-place" not in text_of(adas.get("/modules/seeds/"))


def test_an_unknown_module_is_not_found(adas, db):
    assert adas.get("/modules/nothing/").status_code == 404


# ── Sources ──────────────────────────────────────────────────────────────────────────────────────
def test_sources_are_for_administrators(adas, source):
    assert adas.get(reverse("sources")).status_code == 403
    for name in ("source-sync", "source-switch"):
        assert adas.post(reverse(name, args=["lab"])).status_code == 403


def test_a_folder_is_added_and_read_at_once(administrators, tmp_path, metadata):
    (tmp_path / "seeds.yml").write_bytes(metadata())
    fields = {"title": "Our lab", "kind": "folder", "location": str(tmp_path), "asset_kind": "module"}
    page = text_of(administrators.post(reverse("sources"), fields, follow=True))
    assert "Our lab: 1 new" in page
    assert Asset.objects.get().source.slug == "our-lab"


@pytest.mark.parametrize(
    ("kind", "location", "said"),
    [
        ("folder", "/nowhere/at/all", "There is no folder"),
        ("repository", "https://127.0.0.1/x", "private network"),
        ("catalog", "ftp://x.org/y", "is no https:// address"),
        ("repository", "https://ada:pw@git.org/x", "Leave the name and password out"),
    ],
)
def test_a_source_that_cannot_be_is_refused_in_words(administrators, kind, location, said):
    fields = {"title": "x", "kind": kind, "location": location, "asset_kind": "module"}
    answer = administrators.post(reverse("sources"), fields)
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert not Source.objects.exists()


def test_a_source_is_switched_off_and_on(administrators, source, folder, metadata):
    (folder / "seeds.yml").write_bytes(metadata())
    services.sync(source)
    page = text_of(administrators.post(reverse("source-switch", args=["lab"]), {"on": "0"}, follow=True))
    assert "is off" in page
    assert Asset.objects.listed().count() == 0
    administrators.post(reverse("source-switch", args=["lab"]), {"on": "1"})
    assert Asset.objects.listed().count() == 1


def test_a_source_that_cannot_be_read_says_why(administrators, source, folder):
    folder.rmdir()
    page = text_of(administrators.post(reverse("source-sync", args=["lab"]), follow=True))
    assert "cannot be read: No such file or directory" in page


def test_a_source_with_something_to_repair_leads_there(administrators, source, make_asset):
    make_asset("seeds", condition=Condition.NEEDS_REPAIR, kind=Kind.TOOL)
    page = text_of(administrators.get(reverse("sources")))
    assert "1 to repair" in page
