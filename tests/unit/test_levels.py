"""Who gets what by their level: the table of test_routes, and where it differs for two more people.

Bea works in the shared project as Bob does, but comes only to use modules. Otto is outside as Eve is, but runs
datacenters. Whoever adds an address thinks of them here, if they are answered otherwise.
"""

import pytest

from accounts import services as members
from accounts.models import Level, Role, create_person
from tests.unit.projects.conftest import ask, bob, digits, engine, grace, site, vera, who  # noqa: F401  fixtures
from tests.unit.test_routes import (
    NAMES,
    OPERATION_LINES,
    PAGE_LINES,
    ask_all,
    ask_page,
    lines,
    signed_in,
    things,  # noqa: F401  a fixture
    wrong,
)

pytestmark = pytest.mark.django_db

LIKE = {"bea": "bob", "otto": "eve"}
# What one asks, and what Bea and Otto get; a dash: as Bob does, or as Eve; a name: as that person does.
PAGES = """
GET  new-project            403 -
POST new-project            403 -
POST train                  422 -
GET  clusters               -   grace
GET  new-cluster            -   grace
POST new-cluster            -   grace
GET  cluster                -   grace
POST cluster                -   grace
POST cluster-test           -   grace
POST cluster-remove         -   grace
GET  project-tokens         -   grace
POST project-tokens         -   grace
POST project-token-forget   -   grace
POST cluster-token-renew    -   grace
POST datacenter             -   grace
POST announce-maintenance   -   grace
POST call-off-maintenance   -   grace
GET  topology               -   grace
POST node-eligibility       -   grace
POST node-drain             -   grace
POST node-stop-drain        -   grace
POST node-test              -   grace
GET  datacenter-footprint   -   grace
POST datacenter-footprint   -   grace
"""
OPERATIONS = """
POST   create_project       403 -
POST   create_sweep         422 -
GET    list_clusters        -   grace
POST   add_cluster          -   grace
GET    get_cluster          -   grace
PATCH  change_cluster       -   grace
POST   test_cluster         -   grace
DELETE remove_cluster       -   grace
GET    list_cluster_tokens  -   grace
PUT    give_cluster_token   -   grace
DELETE forget_cluster_token -   grace
POST   renew_cluster_token  -   grace
PATCH  describe_datacenter  -   grace
POST   announce_maintenance -   grace
DELETE call_off_maintenance -   grace
PATCH  describe_footprint   -   grace
PATCH  change_node          -   grace
POST   drain_node           -   grace
DELETE end_drain            -   grace
POST   test_node            -   grace
"""


@pytest.fixture
def person(request, engine, ada):  # noqa: F811
    if request.param == "otto":
        return create_person("otto", full_name="Otto", is_staff=True)
    bea = create_person("bea", full_name="Bea", level=Level.BASIC)
    members.add_member(engine, ada, bea, Role.MEMBER)
    return bea


Table = dict[str, list[str]]


def expected(name: str, table: Table, differing: str) -> dict[str, str]:
    """What this person gets: what the one does whom they are like, but for the lines that differ."""
    column = list(LIKE).index(name)
    usual = {what: found[NAMES.index(LIKE[name])] for what, found in table.items()}
    for method, what, *line in lines(differing):
        if line[column] != "-":
            asked = f"{method} {what}"
            status = table[asked][NAMES.index(line[column])] if line[column] in NAMES else line[column]
            assert usual[asked] != status, f"{asked} differs in nothing for {name}: take its line away"
            usual[asked] = status
    return usual


@pytest.mark.parametrize("person", LIKE, indirect=True)
def test_pages_answer_each_level_as_the_tables_say(things, person):  # noqa: F811
    client = signed_in(person)
    table = {" ".join(line): found for line, found in PAGE_LINES.items()}
    answered = {" ".join(line): ask_page(client, *line, things) for line in PAGE_LINES}
    found = wrong(expected(person.username, table, PAGES), answered)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("person", LIKE, indirect=True)
def test_operations_answer_each_level_as_the_tables_say(things, bearer, person):  # noqa: F811
    table = {f"{method} {name}": found for name, (method, found, _scope) in OPERATION_LINES.items()}
    answers = ask_all(things, bearer(person))
    answered = {f"{OPERATION_LINES[name][0]} {name}": status for name, status in answers.items()}
    found = wrong(expected(person.username, table, OPERATIONS), answered)
    assert not found, "\n".join(found)
