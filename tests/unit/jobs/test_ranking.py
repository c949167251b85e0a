"""Which of several places is the best: what somebody wishes for, told in sentences, and an order that never wobbles."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from datacenters.capacity import Capacity, DeviceCapacity, FootprintFigures, NodeCapacity
from datacenters.jobspec import Runtime
from jobs.placement import ANY_GPU, Needs, Plan, Spot, Surroundings, Wait, Wish, plan
from jobs.placement.reserving import reserved, returned
from jobs.requests import DeployRequest, ResourceRequest

PACKAGE = Needs((Runtime.PACKAGE,))
NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SANTANDER, LISBON = (43.46, -3.81), (38.72, -9.14)


def node(*devices: DeviceCapacity, free: float = 8) -> NodeCapacity:
    return NodeCapacity("n", "n", True, True, True, 8, free, 16_000, 16_000, 90_000, 90_000, devices)


def gpu(model: str = "A100", free: int = 1) -> DeviceCapacity:
    return DeviceCapacity("nvidia", "gpu", model, 1, 1, free)


def place(name: str, *nodes: NodeCapacity, at=(None, None), **figures) -> Capacity:
    return Capacity(
        name=name,
        nomad_name=name,
        title=name.title(),
        cluster=name,
        local=False,
        offers_packages=True,
        offers_containers=True,
        simulated_devices=False,
        nodes=nodes or (node(),),
        as_of=NOON,
        latitude=at[0],
        longitude=at[1],
        footprint=FootprintFigures(**figures),
    )


def ask(**changes) -> DeployRequest:
    return DeployRequest(asset="m", title="m", project="p", **changes)


def names(found: Plan) -> list[str]:
    return [choice.datacenter for choice in found.choices]


def notes(found: Plan, name: str) -> str:
    return " ".join(next(choice.notes for choice in found.choices if choice.datacenter == name))


# ── Wishes ───────────────────────────────────────────────────────────────────────────────────────
def test_who_wishes_for_green_gets_the_greener_place_with_its_figures():
    dirty = place("coal", grams_per_kwh=700.0, source="operator")
    clean = place("wind", node(free=2), grams_per_kwh=40.0, pue=1.5, source="WattNet", measured=NOON)
    assert names(plan(ask(), PACKAGE, [dirty, clean])) == ["coal", "wind"]
    found = plan(ask(), PACKAGE, [dirty, clean], Surroundings(wish=Wish.GREEN))
    assert names(found) == ["wind", "coal"]
    assert "About 60 g of CO₂ for each kWh of work: 40 g × PUE 1.5 (WattNet, 2026-05-01 12:00 UTC)." in notes(
        found, "wind"
    )
    assert "About 700 g of CO₂ for each kWh (as its operator says)." in notes(found, "coal")


def test_a_building_that_wastes_energy_is_not_green():
    wasteful, thrifty = place("a", grams_per_kwh=100.0, pue=2.5), place("b", grams_per_kwh=140.0, pue=1.1)
    assert names(plan(ask(), PACKAGE, [wasteful, thrifty], Surroundings(wish=Wish.GREEN))) == ["b", "a"]


def test_who_wishes_for_near_goes_where_the_data_is():
    home = Spot("Home", "b", latitude=LISBON[0], longitude=LISBON[1])
    here, there = place("a", at=SANTANDER), place("b", node(free=1), at=LISBON)
    found = plan(ask(), PACKAGE, [here, there], Surroundings(wish=Wish.NEAR, spots=(home,)))
    assert names(found) == ["b", "a"]
    assert "Near the data: “Home” is there." in notes(found, "b")
    assert "“Home” is about 690 km away." in notes(found, "a")


def test_the_farthest_of_several_storages_counts():
    near, far = Spot("Near", "a"), Spot("Far", latitude=LISBON[0], longitude=LISBON[1])
    found = plan(ask(), PACKAGE, [place("a", at=SANTANDER)], Surroundings(spots=(near, far)))
    assert "“Far” is about 690 km away." in notes(found, "a")


def test_a_country_is_enough_to_tell_near_from_far():
    around = Surroundings(wish=Wish.NEAR, spots=(Spot("Files", country="PT"),))
    found = plan(ask(), PACKAGE, [place("a", country="ES"), place("b", country="PT")], around)
    assert names(found) == ["b", "a"]
    assert "“Files” is in the same country." in notes(found, "b")
    assert "“Files” is in another country." in notes(found, "a")


def test_who_wishes_for_cheap_gets_the_lower_cost():
    dear, cheap = place("a", cost="high"), place("b", node(free=1), cost="low")
    found = plan(ask(), PACKAGE, [dear, cheap], Surroundings(wish=Wish.CHEAP))
    assert names(found) == ["b", "a"]
    assert "Its cost is low." in notes(found, "b")


def test_a_wish_is_worth_a_short_wait_and_no_long_one():
    clean, dirty = place("clean", node(free=0), grams_per_kwh=30.0), place("dirty", grams_per_kwh=400.0)
    waits = {("clean", ""): Wait(timedelta(minutes=10), 5)}
    assert names(plan(ask(), PACKAGE, [clean, dirty], Surroundings(Wish.GREEN, waits=waits))) == ["clean", "dirty"]
    mild = place("dirty", grams_per_kwh=60.0)
    waits = {("clean", ""): Wait(timedelta(days=1), 5)}
    assert names(plan(ask(), PACKAGE, [clean, mild], Surroundings(Wish.GREEN, waits=waits))) == ["dirty", "clean"]


def test_what_nobody_knows_is_not_said():
    found = plan(ask(), PACKAGE, [place("a")], Surroundings(spots=(Spot("Files"),)))
    assert found.choices[0].notes == ()


# ── What is said beside ──────────────────────────────────────────────────────────────────────────
def test_it_says_how_long_the_like_waited_and_how_many_wait():
    around = Surroundings(waits={("a", ""): Wait(timedelta(minutes=20), 4)}, queued={"a": 2})
    found = plan(ask(), PACKAGE, [place("a", node(free=0))], around)
    assert notes(found, "a") == "2 deployments wait there. The like waited about 20 minutes there."
    assert found.hints == ("Starts in about 20 minutes at A.",)


def test_it_says_what_would_come_of_another_gpu_and_of_a_greener_place():
    around = Surroundings(waits={("a", "A100"): Wait(timedelta(hours=3), 3), ("a", ANY_GPU): Wait(timedelta(0), 9)})
    places = [place("a", node(gpu("T4")), grams_per_kwh=100.0), place("b", node(gpu("T4"), free=1), grams_per_kwh=60.0)]
    found = plan(ask(resources=ResourceRequest(gpus=1, gpu_model="T4")), PACKAGE, places, around)
    assert found.hints == ("Starts now at A.", "With A100 it waits about 3 hours.", "At B it is greener by 40%.")


# ── Order ────────────────────────────────────────────────────────────────────────────────────────
FIGURES = some.builds(
    FootprintFigures,
    country=some.sampled_from(["", "ES", "PT"]),
    pue=some.sampled_from([None, 1.0, 2.0]),
    grams_per_kwh=some.sampled_from([None, 0.0, 50.0, 900.0]),
    cost=some.sampled_from(["", "low", "high"]),
)
NODES = some.lists(some.sampled_from([node(), node(free=0), node(gpu()), node(gpu(free=0)), node(free=3)]), max_size=3)


@some.composite
def several_places(draw) -> list[Capacity]:
    found = []
    for name in draw(some.lists(some.sampled_from("abcdef"), unique=True, max_size=6)):
        at = draw(some.sampled_from([(None, None), SANTANDER, LISBON]))
        one = replace(place(name, at=at), nodes=tuple(draw(NODES)), footprint=draw(FIGURES))
        silent = draw(some.booleans())
        found.append(
            replace(one, unreachable_since=NOON if silent else None, closed=draw(some.sampled_from(["", "No."])))
        )
    return found


REQUESTS = some.builds(
    ask,
    prefer=some.lists(some.sampled_from("abc"), unique=True).map(tuple),
    exclude=some.lists(some.sampled_from("abc"), unique=True).map(tuple),
    datacenter=some.sampled_from([None, None, "a"]),
    resources=some.builds(
        ResourceRequest, cpu_cores=some.sampled_from([1.0, 4.0, 99.0]), gpus=some.sampled_from([0, 1])
    ),
)
AROUND = some.builds(
    Surroundings,
    wish=some.sampled_from(Wish),
    spots=some.sampled_from([(), (Spot("s", "a"),), (Spot("s", country="ES"),), (Spot("s", "", "PT", *LISBON),)]),
    waits=some.sampled_from([{}, {("a", ""): Wait(timedelta(hours=9), 3)}, {("b", ANY_GPU): Wait(timedelta(0), 3)}]),
)


@settings(max_examples=150, deadline=None)
@given(request=REQUESTS, places=several_places(), around=AROUND)
def test_each_place_is_either_ranked_or_refused_with_a_sentence(request, places, around):
    found = plan(request, PACKAGE, places, around)
    asked = [one.name for one in places if request.datacenter in (None, one.name)]
    assert sorted(names(found) + [refusal.datacenter for refusal in found.refusals]) == sorted(asked)
    assert not set(names(found)) & (set(request.exclude) | {one.name for one in places if one.closed})
    assert all(said.sentence.endswith(".") for said in (*found.choices, *found.refusals))
    assert bool(found.choices) != bool(found.errors)


@settings(max_examples=150, deadline=None)
@given(request=REQUESTS, places=several_places(), around=AROUND, data=some.data())
def test_the_order_is_one_whoever_lists_the_places_and_whichever_are_missing(request, places, around, data):
    order = names(plan(request, PACKAGE, places, around))
    assert names(plan(request, PACKAGE, data.draw(some.permutations(places)), around)) == order
    left = [one for one in places if data.draw(some.booleans())]
    assert names(plan(request, PACKAGE, left, around)) == [name for name in order if name in {one.name for one in left}]


ASKS = some.lists(
    some.builds(ResourceRequest, cpu_cores=some.sampled_from([1.0, 4.0]), gpus=some.sampled_from([0, 1])), max_size=6
)


@settings(max_examples=100, deadline=None)
@given(nodes=NODES, went=ASKS, ended=ASKS)
def test_no_machine_ever_has_less_than_nothing_or_more_than_all_free(nodes, went, ended):
    found = reserved(returned(place("a", *nodes), ended), went)
    for one in found.nodes:
        assert 0 <= one.free_cpu_cores <= one.cpu_cores
        assert 0 <= one.free_memory_mb <= one.memory_mb
        assert 0 <= one.free_disk_mb <= one.disk_mb
        assert all(0 <= device.free <= device.healthy for device in one.devices)


@pytest.mark.parametrize("wish", Wish)
def test_a_preferred_place_comes_first_whatever_the_wish(wish):
    good = place("good", grams_per_kwh=1.0, cost="low", at=LISBON)
    bad = place("preferred", node(free=1), grams_per_kwh=900.0, cost="high", at=SANTANDER)
    found = plan(ask(prefer=("preferred",)), PACKAGE, [good, bad], Surroundings(wish, spots=(Spot("s", "good"),)))
    assert names(found)[0] == "preferred"
