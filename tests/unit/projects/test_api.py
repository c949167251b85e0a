"""Projects by REST: each action by each person, and the words of a refusal."""

import pytest

from accounts import services as members
from accounts.models import AuditEvent, Level, Role, create_person
from jobs import projects, quotas, services
from jobs.models import Deployment
from tests.unit.api.conftest import Api

pytestmark = pytest.mark.django_db
EVERYBODY = ("ada", "bob", "vera", "eve", "grace")


class ProjectApi(Api):
    """By name: ``api.ask("vera", "get", "projects/engine")``."""

    who = None

    def ask(self, name: str, method: str, route: str, body: object = None):
        send = getattr(self.client, method)
        headers = self.bearer(self.who(name))
        sent = {} if body is None else {"data": body, "content_type": "application/json"}
        return send(f"/api/v1/{route}", headers=headers, **sent)


@pytest.fixture
def api(client, bearer, ada, who) -> ProjectApi:
    api = ProjectApi(client, bearer, ada)
    api.who = who
    return api


@pytest.fixture
def bobs(site, digits, ask, engine, bob) -> Deployment:
    return services.deploy(ask(project=engine.slug), owner=bob)


def kind(answer) -> str:
    return answer.json()["type"].rpartition("/")[2]


def pointers(answer) -> set[str]:
    return {error["pointer"] for error in answer.json()["errors"]}


# ── Each action by each person ──────────────────────────────────────────────────────────────────
ONE = {"deployments": 1}
ACTIONS = {
    # what: method, route, body, the status for Ada, Bob, Vera, Eve, Grace
    "look": ("get", "projects/engine", None, (200, 200, 200, 404, 200)),
    "look at members": ("get", "projects/engine/members", None, (200, 200, 200, 404, 200)),
    "look at quotas": ("get", "projects/engine/quotas", None, (200, 200, 200, 404, 200)),
    "rename": ("patch", "projects/engine", {"name": "Other"}, (200, 403, 403, 404, 200)),
    "rename badly": ("patch", "projects/engine", {"name": ""}, (422, 403, 403, 404, 422)),
    "archive": ("delete", "projects/engine", None, (200, 403, 403, 404, 200)),
    "open again": ("post", "projects/engine/restore", {}, (200, 403, 403, 404, 200)),
    "add": ("post", "projects/engine/members", {"username": "dora"}, (201, 403, 403, 404, 201)),
    "add nobody": ("post", "projects/engine/members", {"username": "nobody"}, (422, 403, 403, 404, 422)),
    "promote": ("patch", "projects/engine/members/carl", {"role": "manager"}, (200, 403, 403, 404, 200)),
    "take out": ("delete", "projects/engine/members/carl", None, (204, 403, 403, 404, 204)),
    "limit": ("put", "projects/engine/quotas", ONE, (403, 403, 403, 404, 200)),
    "limit badly": ("put", "projects/engine/quotas", {"gpus": -1}, (403, 403, 403, 404, 422)),
    "limit somebody": ("put", "people/carl/quotas", ONE, (404, 404, 404, 404, 200)),
    "look at somebody's limits": ("get", "people/carl/quotas", None, (404, 404, 404, 404, 200)),
}


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize("action", ACTIONS)
def test_who_may_do_what(api, engine, ada, action, name):
    create_person("dora")
    members.add_member(engine, ada, create_person("carl"), Role.VIEWER)
    method, route, body, statuses = ACTIONS[action]
    status = dict(zip(EVERYBODY, statuses, strict=True))[name]
    before = AuditEvent.objects.count()

    answer = api.ask(name, method, route, body)

    assert answer.status_code == status, answer.content
    if status >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert AuditEvent.objects.count() == before
    if status == 403:
        assert kind(answer) == "not-allowed"


def test_a_reading_token_changes_nothing(client, bearer, engine, ada):
    answer = client.patch(
        "/api/v1/projects/engine", {"name": "x"}, content_type="application/json", headers=bearer(ada, "read")
    )
    assert answer.status_code == 403
    assert kind(answer) == "scope-missing"


# ── Projects ────────────────────────────────────────────────────────────────────────────────────
def test_a_project_is_made_and_found_where_the_answer_says(api):
    answer = api.ask("ada", "post", "projects", {"name": "Looms", "id": "jacquard"})
    assert answer.status_code == 201
    assert answer["Location"] == "/api/v1/projects/jacquard"
    assert api.ask("ada", "get", "projects/jacquard").json() == answer.json()
    assert answer.json()["role"] == "manager"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"name": ""}, "#/name"),
        ({"name": "x" * 101}, "#/name"),
        ({"name": "x", "id": "engine"}, "#/id"),
        ({"name": "x", "id": "default"}, "#/id"),
        ({"name": "x", "id": "No Namespace"}, "#/id"),
        ({"name": "x", "slug": "x"}, "#/slug"),
        ({}, "#/name"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(api, body, wrong):
    answer = api.ask("ada", "post", "projects", body)
    assert answer.status_code == 422
    assert pointers(answer) == {wrong}


def test_a_basic_person_starts_no_project(client, bearer):
    carl = create_person("carl", level=Level.BASIC)
    for body in ({"name": "Looms"}, {"name": ""}):
        answer = client.post("/api/v1/projects", body, content_type="application/json", headers=bearer(carl))
        assert answer.status_code == 403
        assert kind(answer) == "not-allowed"


@pytest.mark.parametrize(
    ("name", "ids"),
    [("ada", ["ada", "engine"]), ("vera", ["engine", "vera"]), ("eve", ["eve"])],
)
def test_the_list_has_my_projects(api, name, ids):
    answer = api.ask(name, "get", "projects").json()
    assert [item["id"] for item in answer["items"]] == ids
    assert answer["count"] == len(ids)


def test_the_list_is_paged_and_searched(api):
    first = api.ask("grace", "get", "projects?limit=4").json()
    rest = api.ask("grace", "get", f"projects?limit=4&cursor={first['next']}").json()
    assert [item["id"] for item in (*first["items"], *rest["items"])] == [
        "ada", "bob", "engine", "eve", "grace", "vera",
    ]  # fmt: skip
    assert rest["next"] is None
    assert [item["id"] for item in api.ask("ada", "get", "projects?q=nalyt").json()["items"]] == ["engine"]


def test_the_list_takes_the_same_few_queries_however_many_there_are(api, ada, django_assert_max_num_queries):
    for number in range(20):
        members.create_project(ada, f"Looms {number}")
    with django_assert_max_num_queries(8):
        items = api.ask("ada", "get", "projects").json()["items"]
    assert {item["role"] for item in items} == {"manager"}


def test_me_names_the_shared_project_and_my_role_there(api):
    mine = api.ask("vera", "get", "me").json()["projects"]
    assert {project["id"]: project["role"] for project in mine} == {"vera": "manager", "engine": "viewer"}


def test_what_still_runs_is_named(api, bobs):
    answer = api.ask("ada", "delete", "projects/engine")
    assert answer.status_code == 409
    assert kind(answer) == "not-possible-now"
    assert bobs.title in answer.json()["detail"]


def test_what_an_archived_project_had_is_its_managers_to_read(api, bobs, engine, ada):
    services.stop(bobs, ada)
    projects.archive(engine, ada)
    assert api.ask("ada", "get", "projects/engine").json()["archived"]
    assert [item["id"] for item in api.ask("ada", "get", "projects?archived=true").json()["items"]] == ["engine"]
    assert "engine" not in {item["id"] for item in api.ask("ada", "get", "projects").json()["items"]}
    assert api.ask("ada", "get", f"deployments/{bobs.pk}").status_code == 200
    assert api.ask("ada", "post", f"deployments/{bobs.pk}/start", {}).status_code == 403
    for name in ("bob", "vera", "eve"):
        assert api.ask(name, "get", f"deployments/{bobs.pk}").status_code == 404
        assert api.ask(name, "get", "projects/engine").status_code == 404
    assert api.ask("ada", "patch", "projects/engine", {"name": "x"}).status_code == 409


# ── Members ─────────────────────────────────────────────────────────────────────────────────────
def test_the_members_are_listed_with_their_roles(api):
    answer = api.ask("vera", "get", "projects/engine/members").json()
    assert {item["username"]: item["role"] for item in answer["items"]} == {
        "ada": "manager", "bob": "member", "vera": "viewer",
    }  # fmt: skip
    assert answer["items"][0].keys() == {"username", "name", "role", "since"}


@pytest.mark.parametrize(
    ("method", "route", "body", "status"),
    [
        ("post", "members", {"username": "bob"}, 409),
        ("post", "members", {"username": "eve", "role": "king"}, 422),
        ("patch", "members/bob", {"role": "king"}, 422),
        ("patch", "members/nobody", {"role": "viewer"}, 404),
        ("delete", "members/nobody", None, 404),
        ("delete", "members/ada", None, 409),
        ("patch", "members/ada", {"role": "member"}, 409),
    ],
)
def test_what_cannot_be_done_with_members(api, engine, method, route, body, status):
    assert api.ask("ada", method, f"projects/engine/{route}", body).status_code == status
    assert {row.user.username: row.role for row in engine.memberships.select_related("user")} == {
        "ada": "manager", "bob": "member", "vera": "viewer",
    }  # fmt: skip


def test_vera_leaves_by_herself(api):
    assert api.ask("vera", "delete", "projects/engine/members/vera").status_code == 204
    assert api.ask("vera", "get", "projects/engine").status_code == 404


def test_nobody_is_let_into_a_personal_project(api):
    answer = api.ask("ada", "post", "projects/ada/members", {"username": "bob"})
    assert answer.status_code == 409
    assert "shared project" in answer.json()["detail"]


# ── Deployments of a viewer ─────────────────────────────────────────────────────────────────────
def test_a_viewer_looks_and_is_told_that_the_rest_is_not_allowed(api, bobs):
    assert api.ask("vera", "get", f"deployments/{bobs.pk}").status_code == 200
    for method, route in (
        ("post", f"deployments/{bobs.pk}/stop"),
        ("post", f"deployments/{bobs.pk}/start"),
        ("delete", f"deployments/{bobs.pk}"),
        ("post", f"deployments/{bobs.pk}/restore"),
    ):
        answer = api.ask("vera", method, route, {})
        assert answer.status_code == 403
        assert kind(answer) == "not-allowed"
    answer = api.ask("vera", "post", "deployments", {"module": "digits", "project": "engine"})
    assert answer.status_code == 422
    assert pointers(answer) == {"#/project"}


def test_managers_of_a_project_with_viewers_deploy_there(api, site, digits):
    assert api.ask("ada", "post", "deployments", {"module": "digits", "project": "engine"}).status_code == 201


# ── Quotas ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("route", "of"), [("projects/engine/quotas", "engine"), ("people/bob/quotas", "bob")])
def test_limits_are_set_as_a_whole(api, engine, bob, route, of):
    holder = engine if of == "engine" else bob
    api.ask("grace", "put", route, {"deployments": 3, "cpu_cores": 1.5, "gpus": 0})
    answer = api.ask("grace", "put", route, {"deployments": 2})
    limits = {item["name"]: item["limit"] for item in answer.json()["items"]}
    assert limits == {**quotas.defaults_for(holder), "deployments": 2}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [({"gpus": -1}, "#/gpus"), ({"gpus": "1"}, "#/gpus"), ({"gpus": 1.5}, "#/gpus"), ({"ram": 1}, "#/ram")],
)
def test_a_wrong_limit_is_told_at_its_place(api, body, wrong):
    answer = api.ask("grace", "put", "projects/engine/quotas", body)
    assert answer.status_code == 422
    assert pointers(answer) == {wrong}


def test_everybody_sees_their_own_limits(api):
    assert api.ask("bob", "get", "people/bob/quotas").status_code == 200


# ── Audit ───────────────────────────────────────────────────────────────────────────────────────
def actions(answer) -> list[str]:
    return [item["action"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("ada", ["deployment.created", "member.added", "member.added", "project.created"]),
        ("bob", ["deployment.created"]),
        ("vera", []),
        ("eve", []),
        ("grace", ["deployment.created", "member.added", "member.added", "project.created"]),
    ],
)
def test_who_reads_what_of_the_audit(api, bobs, name, seen):
    assert actions(api.ask(name, "get", "audit?project=engine")) == seen


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("actor=bob&project=engine", ["deployment.created"]),
        ("q=member&project=engine", ["member.added", "member.added"]),
        ("actor=nobody", []),
        ("project=nowhere", []),
    ],
)
def test_the_audit_is_narrowed(api, bobs, query, seen):
    assert actions(api.ask("ada", "get", f"audit?{query}")) == seen


def test_the_audit_of_one_deployment(api, bobs, ada):
    services.stop(bobs, ada)
    answer = api.ask("ada", "get", f"audit?object={bobs.pk}")
    assert actions(answer) == ["deployment.stopped", "deployment.created"]
    assert [item["actor"] for item in answer.json()["items"]] == ["ada", "bob"]


def test_the_audit_is_paged_without_losing_lines(api, bobs):
    seen, cursor = [], ""
    while cursor is not None:
        page = api.ask("ada", "get", f"audit?project=engine&limit=3&cursor={cursor}").json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == page["count"] == 4


# A cursor as ours, with an id that no row can have.
FORGED = "WyIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwgIm5vLWlkIl0"


@pytest.mark.parametrize("route", ["audit", "deployments"])
def test_a_forged_cursor_is_refused(api, route):
    assert api.ask("ada", "get", f"{route}?cursor={FORGED}").status_code == 422
