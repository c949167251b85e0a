"""What an administrator makes of somebody by REST, and what that somebody may do then."""

import pytest

from accounts.models import ApiToken, AuditEvent, Level, User, create_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def grace(db) -> User:
    return create_person("grace", full_name="Grace", is_superuser=True)


@pytest.fixture
def change(client, bearer):
    """``change(grace, "ada", level="basic")``"""

    def send(actor: User, username: str, **body: object):
        return client.patch(
            f"/api/v1/people/{username}", data=body, content_type="application/json", headers=bearer(actor)
        )

    return send


def test_an_administrator_gives_ada_another_level(change, grace, ada):
    answer = change(grace, "ada", level="basic")
    assert answer.status_code == 200
    assert answer.json()["level"] == "basic"
    assert answer.json()["capabilities"] == ["use"]
    ada.refresh_from_db()
    assert ada.level == Level.BASIC
    event = AuditEvent.objects.get(action="user.changed")
    assert (event.actor, event.object_id) == (grace, str(ada.pk))


def test_what_is_not_said_stays(change, grace, ada):
    change(grace, "ada", operator=True)
    change(grace, "ada", level="advanced")
    ada.refresh_from_db()
    assert (ada.level, ada.is_staff, ada.is_superuser, ada.is_active) == (Level.ADVANCED, True, False, True)


def test_saying_the_same_again_is_no_event(change, grace, ada):
    assert change(grace, "ada", level="intermediate").status_code == 200
    assert not AuditEvent.objects.filter(action="user.changed").exists()


def test_who_is_switched_off_is_out_at_once(client, change, grace, ada, bearer):
    headers = bearer(ada)
    change(grace, "ada", active=False)
    assert client.get("/api/v1/me", headers=headers).status_code == 401
    assert change(grace, "ada", active=True).json()["active"] is True
    assert client.get("/api/v1/me", headers=headers).status_code == 200


@pytest.mark.parametrize("body", [{"administrator": False}, {"active": False}])
def test_nobody_shuts_themselves_out(change, grace, body):
    answer = change(grace, "grace", **body)
    assert answer.status_code == 409
    assert "ask another administrator" in answer.json()["detail"]
    grace.refresh_from_db()
    assert grace.is_superuser
    assert grace.is_active


def test_a_change_that_is_refused_in_part_is_refused_whole(change, grace):
    assert change(grace, "grace", level="basic", active=False).status_code == 409
    grace.refresh_from_db()
    assert grace.level == Level.INTERMEDIATE


@pytest.mark.parametrize(("username", "status"), [("ada", 403), ("eve", 404), ("grace", 404), ("nobody", 404)])
def test_nobody_else_changes_anybody(change, ada, eve, grace, username, status):
    assert change(ada, username, level="advanced", administrator=True).status_code == status
    assert list(User.objects.filter(is_superuser=True)) == [grace]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"level": "highest"}, "#/level"),
        ({"level": 30}, "#/level"),
        ({"administrator": "yes, please"}, "#/administrator"),
        ({"is_superuser": True}, "#/is_superuser"),
    ],
)
def test_a_wrong_value_is_named(change, grace, ada, body, pointer):
    answer = change(grace, "ada", **body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_people_are_listed_for_administrators(client, bearer, grace, ada, eve):
    answer = client.get("/api/v1/people?q=a", headers=bearer(grace)).json()
    assert [item["username"] for item in answer["items"]] == ["ada", "grace"]
    assert answer["count"] == 2
    assert client.get("/api/v1/people", headers=bearer(ada)).status_code == 403


def test_one_sees_oneself(client, bearer, ada):
    answer = client.get("/api/v1/people/ada", headers=bearer(ada))
    assert answer.json()["level"] == "intermediate"
    assert "password" not in answer.content.decode()


def test_a_basic_person_trains_nothing_from_then_on(client, change, grace, ada, bearer):
    change(grace, "ada", level="basic")
    headers = bearer(ada)
    assert client.get("/api/v1/me", headers=headers).json()["capabilities"] == ["use"]
    answer = client.post("/api/v1/projects", data={"name": "Mine"}, content_type="application/json", headers=headers)
    assert answer.status_code == 403
    assert "Ask an administrator" in answer.json()["detail"]
    assert ApiToken.objects.filter(user=ada).exists()
