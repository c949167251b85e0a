"""Finding assets: by the beginnings of words, by facets with counts, and whatever somebody types."""

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace import search
from marketplace.models import Asset, Kind
from marketplace.search import Query, Sort


def found(address: str = "") -> list[str]:
    return [asset.slug for asset in search.find(Query.from_params(QueryDict(address))).items]


def counts(address: str, facet: str) -> dict[str, int]:
    page = search.find(Query.from_params(QueryDict(address)))
    [values] = [counted.values for counted in page.facets if counted.name == facet]
    return {value.value: value.count for value in values}


@pytest.fixture
def catalog(make_asset):
    make_asset("seeds", title="Seed classifier", summary="Names 700 seeds.", libraries=["Keras"], tags=["botany"])
    make_asset("corals", title="Coral segmentation", description="Works on seeds too.", libraries=["PyTorch", "Keras"])
    make_asset("jupyter", title="Développement", kind=Kind.TOOL, licence="MIT", libraries=["Other"])


@pytest.mark.parametrize(
    ("typed", "slugs"),
    [
        ("seed", ["seeds", "corals"]),
        ("Seeds", ["seeds", "corals"]),
        ("classif", ["seeds"]),
        ("seed classifier", ["seeds"]),
        ("classifier seed", ["seeds"]),
        ("botany", ["seeds"]),
        ("pytorch", ["corals"]),
        ("developpement", ["jupyter"]),
        ("DÉVELOP", ["jupyter"]),
        ("700", ["seeds"]),
        ("lassifier", []),
        ("nothing at all", []),
    ],
)
@pytest.mark.usefixtures("catalog")
def test_words_are_found_by_their_beginning_the_title_first(typed, slugs):
    page = search.find(Query(text=typed, sort=Sort.RELEVANCE))
    assert [asset.slug for asset in page.items] == slugs


@pytest.mark.parametrize(
    "typed",
    ['"', '"seed', "seed*", "*", "NEAR(seed, 2)", "seed AND", "NOT", "OR OR", "title:seed", "{seed}", "^seed", "a-b",
     "🐠", "seed'; DROP TABLE x", "\\", "seed:*", "!", "&", "(", "%", "é" * 200, "\x00", "x " * 90, "-seed",
     "seed\ud800"],
)  # fmt: skip
@pytest.mark.usefixtures("catalog")
def test_no_sign_that_somebody_types_makes_it_fail(typed):
    page = search.find(Query(text=typed, sort=Sort.RELEVANCE))
    assert page.count == len(page.items)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(max_size=30))
def test_no_text_makes_it_fail(catalog, typed):
    search.find(Query(text=typed, sort=Sort.RELEVANCE))


@pytest.mark.usefixtures("catalog")
def test_signs_alone_find_nothing():
    assert found("q=***") == []


@pytest.mark.usefixtures("catalog")
def test_values_of_one_facet_add_up_and_facets_narrow():
    assert found("libraries=Keras&libraries=Other") == ["corals", "jupyter", "seeds"]
    assert found("libraries=Keras&kind=tool") == []
    assert found("libraries=Keras&q=botany") == ["seeds"]


@pytest.mark.usefixtures("catalog")
def test_a_facet_counts_with_all_others_applied_but_not_itself():
    assert counts("", "libraries") == {"Keras": 2, "PyTorch": 1, "Other": 1}
    assert counts("libraries=PyTorch", "libraries") == {"Keras": 2, "PyTorch": 1, "Other": 1}
    assert counts("libraries=PyTorch", "tags") == {}
    assert counts("kind=tool", "libraries") == {"Other": 1}
    assert counts("q=botany", "libraries") == {"Keras": 1}


@pytest.mark.usefixtures("catalog")
def test_a_chosen_value_stays_to_be_taken_back_though_nothing_has_it():
    assert counts("kind=tool&libraries=Keras", "libraries") == {"Other": 1, "Keras": 0}


@pytest.mark.usefixtures("catalog")
def test_values_without_words_of_their_own_are_titled():
    [kind] = [facet for facet in search.find(Query()).facets if facet.name == "kind"]
    assert [(str(value.text), value.count) for value in kind.values] == [("module", 2), ("tool", 1)]


def test_order_by_title_age_and_change(make_asset):
    make_asset("b", title="beta", created="2024-01-01", updated="2026-01-01")
    make_asset("a", title="Alpha", created="2025-01-01", updated="2025-01-01")
    make_asset("c", title="Gamma")
    assert found("") == ["a", "b", "c"]
    assert found("sort=newest") == ["a", "b", "c"]
    assert found("sort=updated") == ["b", "a", "c"]
    assert found("sort=relevance") == ["a", "b", "c"]


def test_pages_are_cut_and_a_page_too_far_is_the_last(make_asset):
    for number in range(30):
        make_asset(f"m{number:02}")
    page = search.find(Query.from_params(QueryDict("page=2")))
    assert (page.count, page.pages, page.items[0].slug) == (30, 2, "m24")
    assert search.find(Query.from_params(QueryDict("page=99"))).number == 2
    assert [asset.slug for asset in search.find(Query(), offset=28, limit=5).items] == ["m28", "m29"]


@pytest.mark.parametrize(
    "address", ["page=-1", "page=x", "page=٣", "page=" + "9" * 500, "sort=up", "q=%00", "nonsense=1", "tags="]
)
def test_an_odd_address_is_read_as_far_as_it_goes(db, address):
    assert search.find(Query.from_params(QueryDict(address))).count == 0


@pytest.mark.usefixtures("catalog")
def test_what_changes_is_found_by_its_new_words_only():
    asset = Asset.objects.get(slug="corals")
    asset.title, asset.metadata = "Sponges", {"libraries": ["JAX"]}
    asset.save()
    assert found("q=sponge") == ["corals"]
    assert found("q=coral segmentation") == []
    assert counts("", "libraries") == {"Keras": 1, "Other": 1, "JAX": 1}
    asset.delete()
    assert found("q=sponge") == []


@pytest.mark.usefixtures("catalog")
def test_a_list_page_takes_few_queries(django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        found("")
    with django_assert_max_num_queries(5):
        found("q=seed&libraries=Keras&kind=module")


@pytest.mark.usefixtures("catalog")
def test_the_index_can_be_written_anew():
    Asset.objects.filter(slug="seeds").update(title="Grain classifier")
    assert search.rebuild() == 3
    assert found("q=grain") == ["seeds"]
