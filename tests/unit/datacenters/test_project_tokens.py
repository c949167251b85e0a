"""A project's own token in a cluster: given by operators in the pages, by REST and by a command, used for its jobs."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import ApiToken, AuditEvent, create_person
from datacenters import tokens
from datacenters.models import Cluster, ProjectToken
from datacenters.services import adapter_for, adapter_with
from jobs.models import Deployment

from .border import a_border, first_says, says

pytestmark = pytest.mark.django_db
MANAGEMENT, MADE, ITS_NAME = "m" * 36, "p" * 36, "accessor-of-the-token"


@pytest.fixture
def olga(db):
    return create_person("olga", is_staff=True)


@pytest.fixture
def garden(db):
    """A cluster that makes tokens for whoever asks; the row, and what it was asked."""
    made = says(200, {"AccessorID": ITS_NAME, "SecretID": MADE})
    answers = {
        "namespace": says(200, {}),
        "namespaces": says(200, [{"Name": "serai-ada"}]),
        "acl/policy/serai-ada": says(200, {}),
        "acl/policy/serai": says(200, {}),
        "acl/token": made,
        "acl/token/self": says(200, {"AccessorID": ITS_NAME}),
        f"acl/token/{ITS_NAME}": says(200, {}),
    }
    with a_border(**answers) as border:
        yield Cluster.objects.create(name="garden", address=border.address, region="garden", token="t" * 36), border


def test_its_jobs_are_told_with_it_and_those_of_others_with_the_clusters(garden, ada, eve):
    cluster, _border = garden
    tokens.give(cluster, ada.personal_project, MANAGEMENT, None)
    assert adapter_for(cluster, ada.personal_project) is adapter_with(cluster, MADE)
    assert adapter_for(cluster, eve.personal_project) is adapter_for(cluster) is adapter_with(cluster, cluster.token)
    tokens.take_back(cluster, ada.personal_project, None)
    assert adapter_for(cluster, ada.personal_project) is adapter_for(cluster)


def test_the_former_one_ends_after_the_new_one_was_looked_at(garden, ada):
    cluster, border = garden
    tokens.give(cluster, ada.personal_project, MANAGEMENT, None)
    border.asked.clear()
    tokens.give(cluster, ada.personal_project, MANAGEMENT, None)
    told = [(method, path.partition("?")[0], headers["X-Nomad-Token"]) for method, path, headers in border.asked]
    assert told[-3:] == [
        ("POST", "/v1/acl/token", MANAGEMENT),
        ("GET", "/v1/acl/token/self", MADE),
        ("DELETE", f"/v1/acl/token/{ITS_NAME}", MANAGEMENT),
    ]


def test_a_former_one_that_cannot_be_ended_is_named_and_the_new_one_holds(garden, ada):
    cluster, border = garden
    tokens.give(cluster, ada.personal_project, MANAGEMENT, None)
    ProjectToken.objects.update(token="f" * 36)
    border.answers[f"acl/token/{ITS_NAME}"] = says(500, "No cluster leader")
    with pytest.raises(tokens.FormerGoesOn, match=f"nomad acl token delete {ITS_NAME}"):
        tokens.give(cluster, ada.personal_project, MANAGEMENT, None)
    assert ProjectToken.objects.get().token == MADE


def test_the_namespace_is_the_one_of_its_deployments(ada):
    assert tokens.namespace_of(ada.personal_project) == Deployment(project=ada.personal_project).namespace


def test_no_secret_of_it_is_shown_or_kept_in_plain(garden, client, olga, ada):
    client.force_login(olga)
    answer = client.post("/clusters/garden/tokens/", {"project": "ada", "management_token": MANAGEMENT}, follow=True)
    page = answer.content.decode()
    assert "Ada has a token of its own there, which its jobs use from now on." in page
    with connection.cursor() as cursor:
        cursor.execute("select * from datacenters_projecttoken")
        kept = str(cursor.fetchall())
    for secret in (MADE, MANAGEMENT):
        assert secret not in f"{page} {list(AuditEvent.objects.values())} {kept}"
    assert "gave a project its token in" in client.get("/clusters/garden/").content.decode()


@pytest.mark.parametrize(
    ("values", "field", "says_so"),
    [
        ({}, None, "Give one of both"),
        ({"management_token": MANAGEMENT, "token": MADE}, None, "Give one of both"),
        ({"management_token": MANAGEMENT, "project": "nobody"}, "project", "Select a valid choice"),
    ],
)
def test_a_wrong_value_is_said(garden, client, olga, ada, values, field, says_so):
    client.force_login(olga)
    answer = client.post("/clusters/garden/tokens/", {"project": "ada", **values})
    assert answer.status_code == 422
    assert says_so in str(answer.context["form"].errors[field or "__all__"])


def test_a_token_that_is_no_management_token_is_said_at_its_field(garden, client, olga, ada):
    _cluster, border = garden
    border.answers["namespace"] = says(403, "Permission denied")
    client.force_login(olga)
    answer = client.post("/clusters/garden/tokens/", {"project": "ada", "management_token": MANAGEMENT})
    assert "refuses" in str(answer.context["form"].errors["management_token"])
    assert MANAGEMENT not in answer.content.decode()
    assert not ProjectToken.objects.exists()


def test_a_token_for_whose_project_there_is_no_namespace_is_not_taken(garden, client, olga, ada):
    _cluster, border = garden
    border.answers |= {"namespaces": says(200, []), "namespace": says(403, "Permission denied")}
    client.force_login(olga)
    answer = client.post("/clusters/garden/tokens/", {"project": "ada", "token": MADE})
    assert "There is no namespace serai-ada" in str(answer.context["form"].errors["token"])


def test_who_would_not_give_serai_a_management_token_reads_the_commands(garden, client, olga, ada, capsys):
    client.force_login(olga)
    page = client.get("/clusters/garden/tokens/?project=ada").content.decode()
    call_command("project_token", "garden", "ada", "--print")
    for text in (page, capsys.readouterr().out):
        assert "nomad acl token create -name serai-ada -policy serai-ada -type client" in text
    assert not ProjectToken.objects.exists()


def test_the_clusters_own_token_is_renewed_in_one_step(garden, client, olga):
    cluster, border = garden
    client.force_login(olga)
    answer = client.post("/clusters/garden/tokens/renew", {"management_token": MANAGEMENT}, follow=True)
    assert "Serai uses another token there now" in answer.content.decode()
    cluster.refresh_from_db()
    assert cluster.token == MADE
    method, path, headers = border.asked[-1]
    assert (method, path.partition("?")[0]) == ("DELETE", f"/v1/acl/token/{ITS_NAME}")
    assert headers["X-Nomad-Token"] == MANAGEMENT


def test_a_policy_that_its_operator_widened_is_not_narrowed_by_a_renewal(garden):
    cluster, border = garden
    tokens.renew(cluster, MANAGEMENT, "rules", None)
    assert ("POST", "/v1/acl/policy/serai") not in told(border)
    border.answers["acl/policy/serai"] = first_says(1, says(404, "ACL policy not found"), says(200, {}))
    tokens.renew(cluster, MANAGEMENT, "rules", None)
    assert ("POST", "/v1/acl/policy/serai") in told(border)


def told(border):
    return [(method, path.partition("?")[0]) for method, path, _headers in border.asked]


def test_the_same_by_rest(garden, client, olga, ada, eve):
    def ask(method, path, body=None, person=olga):
        headers = {"Authorization": f"Bearer {ApiToken.issue(person, 'script')[1]}"}
        send = getattr(client, method)
        where = f"/api/v1/clusters/garden/{path}"
        return send(where, json.dumps(body or {}), content_type="application/json", headers=headers)

    given = ask("put", "tokens/ada", {"management_token": MANAGEMENT})
    assert (given.status_code, given.json()["namespace"], given.json()["given_by"]) == (200, "serai-ada", "olga")
    assert MADE not in given.content.decode()
    listed = client.get(
        "/api/v1/clusters/garden/tokens", headers={"Authorization": f"Bearer {ApiToken.issue(olga, 'x')[1]}"}
    )
    assert [row["project"] for row in listed.json()["items"]] == ["ada"]
    assert ask("put", "tokens/ada", {}).status_code == 422
    assert ask("put", "tokens/nobody", {"token": MADE}).status_code == 404
    assert ask("put", "tokens/ada", {"token": MADE}, person=eve).status_code == 403
    assert ask("post", "token", {"management_token": MANAGEMENT}).status_code == 204
    assert ask("delete", "tokens/ada").status_code == 204
    assert not ProjectToken.objects.exists()


def test_the_same_by_a_command(garden, ada, tmp_path, capsys):
    (tmp_path / "management").write_text(f"{MANAGEMENT}\n")
    call_command("project_token", "garden", "ada", "--management-token-file", str(tmp_path / "management"))
    assert "Jobs of ada use a token of their own in garden." in capsys.readouterr().out
    assert ProjectToken.objects.get().token == MADE
    call_command("project_token", "garden", "ada", "--forget")
    assert not ProjectToken.objects.exists()
    with pytest.raises(CommandError, match="no such cluster"):
        call_command("project_token", "orchard", "ada", "--print")
