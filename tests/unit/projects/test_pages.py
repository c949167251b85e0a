"""The pages of projects, by person, as they work without JavaScript."""

import re

import pytest
from django.urls import reverse

from accounts import services as members
from accounts.models import AuditEvent, Level, Project, Role, create_person
from jobs import projects, quotas, services
from jobs.models import Deployment, Status

pytestmark = pytest.mark.django_db
EVERYBODY = ("ada", "bob", "vera", "eve", "grace")


@pytest.fixture
def browse(client, who):
    """The browser with somebody signed in: ``browse("vera").get(…)``."""

    def sign_in(name: str):
        client.force_login(who(name))
        return client

    return sign_in


@pytest.fixture
def bobs(site, digits, ask, engine, bob) -> Deployment:
    return services.deploy(ask(project=engine.slug, title="Bob's digits"), owner=bob)


def text(answer) -> str:
    return answer.content.decode()


# ── Who sees and who may ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("name", "status"), [("ada", 200), ("bob", 200), ("vera", 200), ("eve", 404), ("grace", 200)])
def test_who_opens_the_page_of_a_project(browse, name, status):
    assert browse(name).get("/projects/engine/").status_code == status


ALLOWED = {"ada": 302, "bob": 403, "vera": 403, "eve": 404, "grace": 302}
ACTIONS = {
    "rename": ("edit", {"name": "Other"}),
    "add": ("members", {"username": "dora", "role": "member"}),
    "role": ("members/carl", {"role": "member"}),
    "remove": ("members/carl/remove", {}),
    "archive": ("archive", {}),
    "restore": ("restore", {}),
}


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize("action", ACTIONS)
def test_who_changes_a_project(browse, engine, ada, name, action):
    create_person("dora")
    members.add_member(engine, ada, create_person("carl"), Role.VIEWER)
    before = AuditEvent.objects.filter(project__slug="engine").count()
    where, data = ACTIONS[action]

    answer = browse(name).post(f"/projects/engine/{where}", data)

    assert answer.status_code == ALLOWED[name]
    changed = AuditEvent.objects.filter(project__slug="engine").count() - before
    assert changed == (1 if ALLOWED[name] == 302 and action != "restore" else 0)


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize(
    ("page", "answers"),
    [
        ("/projects/engine/edit", {"ada": 200, "bob": 403, "vera": 403, "eve": 404, "grace": 200}),
        ("/projects/engine/audit", {"ada": 200, "bob": 403, "vera": 403, "eve": 404, "grace": 200}),
        ("/projects/engine/quota", {"ada": 403, "bob": 403, "vera": 403, "eve": 403, "grace": 200}),
        ("/people/bob/quota", {"ada": 403, "bob": 403, "vera": 403, "eve": 403, "grace": 200}),
        ("/audit/", {"ada": 403, "bob": 403, "vera": 403, "eve": 403, "grace": 200}),
        ("/projects/", dict.fromkeys(EVERYBODY, 200)),
        ("/projects/new", dict.fromkeys(EVERYBODY, 200)),
    ],
)
def test_who_looks_at_what_else(browse, name, page, answers):
    assert browse(name).get(page).status_code == answers[name]


@pytest.mark.parametrize("page", ["/projects/", "/projects/new", "/projects/engine/", "/audit/", "/projects/choose"])
def test_strangers_are_asked_to_sign_in(client, engine, page):
    answer = client.post(page) if page.endswith("choose") else client.get(page)
    assert answer.headers["Location"].startswith("/signin")


@pytest.mark.parametrize("where", ["archive", "restore", "members/bob", "members/bob/remove"])
def test_looking_changes_nothing(browse, where):
    assert browse("ada").get(f"/projects/engine/{where}").status_code == 405


# ── Making one ──────────────────────────────────────────────────────────────────────────────────
def test_ada_starts_a_project_and_is_shown_it(browse):
    answer = browse("ada").post("/projects/new", {"name": "Looms", "slug": ""})
    assert answer.headers["Location"] == "/projects/looms/"


@pytest.mark.parametrize("slug", ["engine", "default", "Capitals", "under_score", "-edge", "ünï", "a b"])
def test_an_id_that_cannot_be_comes_back_at_its_field(browse, slug):
    answer = browse("ada").post("/projects/new", {"name": "Looms", "slug": slug})
    assert answer.status_code == 422
    assert "slug" in answer.context["form"].errors
    assert not Project.objects.filter(name="Looms").exists()


def test_a_basic_person_is_told_why_the_button_is_not_theirs(client):
    client.force_login(create_person("carl", level=Level.BASIC))
    page = text(client.get("/projects/"))
    assert "work in projects, not start them" in page
    assert 'href="/projects/new"' not in page
    assert client.get("/projects/new").status_code == 403
    assert client.post("/projects/new", {"name": "Looms"}).status_code == 403


# ── Members ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("username", ["nobody", "", "bob"])
def test_who_cannot_be_added_is_told_at_the_field(browse, username):
    answer = browse("ada").post("/projects/engine/members", {"username": username, "role": "member"})
    assert answer.status_code == 422
    assert "username" in answer.context["form"].errors


def test_somebody_switched_off_is_not_added(browse, eve):
    eve.is_active = False
    eve.save()
    answer = browse("ada").post("/projects/engine/members", {"username": "eve", "role": "member"})
    assert answer.status_code == 422


def test_a_role_that_does_not_exist_changes_nothing(browse, engine, bob):
    browse("ada").post("/projects/engine/members/bob", {"role": "king"})
    assert engine.role_of(bob) == Role.MEMBER


def test_the_last_manager_is_told_what_to_do_before_leaving(browse, engine, ada):
    answer = browse("ada").post("/projects/engine/members/ada/remove", follow=True)
    assert "Make another member a manager first" in text(answer)
    assert engine.role_of(ada) == Role.MANAGER


def test_whoever_leaves_is_brought_to_their_other_projects(browse):
    answer = browse("vera").post("/projects/engine/members/vera/remove", follow=True)
    assert answer.redirect_chain[-1][0] == "/projects/"
    assert "You left “Analytical Engine”" in text(answer)


def test_only_managers_have_buttons_to_change_others(browse):
    assert "/projects/engine/members/bob/remove" in text(browse("ada").get("/projects/engine/"))
    page = text(browse("vera").get("/projects/engine/"))
    assert "/projects/engine/members/bob" not in page
    assert "/projects/engine/members/vera/remove" in page
    assert "Its managers say who is in" in page


def test_a_personal_project_shows_no_way_to_add_anybody(browse):
    page = text(browse("ada").get("/projects/ada/"))
    assert "/projects/ada/members" not in page
    assert "/projects/ada/archive" not in page


# ── What a viewer sees of deployments ───────────────────────────────────────────────────────────
@pytest.mark.parametrize(("name", "may"), [("bob", True), ("vera", False)])
@pytest.mark.parametrize("status", [Status.RUNNING, Status.STOPPED])
def test_a_viewer_sees_buttons_that_cannot_be_pressed_and_why(browse, bobs, name, may, status):
    Deployment.objects.update(status=status)
    page = text(browse(name).get(reverse("deployment", args=[bobs.pk])))
    buttons = re.findall(r"<button[^>]*>\s*(?:<svg.*?</svg>)?\s*(Stop|Start again|Restart|Delete)", page, re.S)
    disabled = re.findall(
        r"<button[^>]* disabled[^>]*>\s*(?:<svg.*?</svg>)?\s*(Stop|Start again|Restart|Delete)", page, re.S
    )
    assert buttons
    assert ("You may look at this project" in page) is not may
    assert (disabled == buttons) is not may
    assert bool(disabled) is not may


@pytest.mark.parametrize(("name", "may"), [("bob", True), ("vera", False)])
def test_endpoints_are_opened_by_those_who_work_there(browse, bobs, name, may):
    endpoint = {"label": "api", "host": "127.0.0.1", "port": 9, "healthy": True}
    Deployment.objects.update(status=Status.RUNNING, endpoints=[endpoint])
    page = text(browse(name).get(reverse("deployment", args=[bobs.pk])))
    assert (reverse("open-endpoint", args=[bobs.pk, "api"]) in page) is may


@pytest.mark.parametrize("page", ["/projects/new", "/projects/engine/edit"])
def test_an_empty_form_is_told_what_it_lacks(browse, page):
    answer = browse("ada").post(page, {})
    assert answer.status_code == 422
    assert "name" in answer.context["form"].errors


def test_a_viewer_is_offered_no_undo(browse, bobs, bob):
    services.delete(bobs, bob)
    undo = reverse("deployment-restore", args=[bobs.pk])
    assert undo in text(browse("bob").get("/deployments/"))
    assert undo not in text(browse("vera").get("/deployments/"))
    assert browse("vera").post(undo).status_code == 403


def test_a_viewers_copy_is_their_own(browse, bobs):
    copies = {}
    for name in ("bob", "vera"):
        answer = browse(name).get(reverse("deployment-clone", args=[bobs.pk]), follow=True)
        copies[name] = answer.context["form"]["project"].value()
    assert copies == {"bob": "engine", "vera": "vera"}


# ── One project at a time ───────────────────────────────────────────────────────────────────────
def test_the_chosen_project_is_what_home_and_list_show(browse, bobs, site, digits, ask, bob):
    services.deploy(ask(project=bob.personal_project.slug, title="On my own"), owner=bob)
    bobs_browser = browse("bob")
    for page in ("/", "/deployments/"):
        assert "On my own" in text(bobs_browser.get(page))
    answer = bobs_browser.post("/projects/choose", {"project": "engine", "next": "/deployments/?q="})
    assert answer.headers["Location"] == "/deployments/?q="
    for page in ("/", "/deployments/"):
        assert "On my own" not in text(bobs_browser.get(page))
        assert "Bob&#x27;s digits" in text(bobs_browser.get(page))
    assert "On my own" in text(bobs_browser.get("/deployments/?project="))
    bobs_browser.post("/projects/choose", {"project": ""})
    assert "On my own" in text(bobs_browser.get("/"))


def test_the_form_begins_with_the_chosen_project(browse, site, digits, engine):
    form = browse("bob").get("/modules/digits/deploy/").context["form"]
    assert form["project"].value() == "bob"
    browse("bob").post("/projects/choose", {"project": "engine"})
    assert browse("bob").get("/modules/digits/deploy/").context["form"]["project"].value() == "engine"


def test_a_viewers_form_offers_only_where_they_may_deploy(browse, site, digits):
    browser = browse("vera")
    browser.post("/projects/choose", {"project": "engine"})
    form = browser.get("/modules/digits/deploy/").context["form"]
    assert [value for value, _name in form.fields["project"].choices] == ["vera"]
    assert form["project"].value() == "vera"


def test_a_project_that_one_is_not_in_is_not_chosen(browse):
    browser = browse("eve")
    browser.post("/projects/choose", {"project": "engine"})
    assert browser.session["project"] == ""


def test_a_project_that_one_left_is_chosen_no_more(browse, engine, bob, member):
    browser = browse("bob")
    browser.post("/projects/choose", {"project": "engine"})
    members.remove_member(member("bob"), bob)
    assert browser.get("/").context["switcher"].chosen is None


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example"])
def test_choosing_leads_to_no_other_site(browse, elsewhere):
    answer = browse("bob").post("/projects/choose", {"project": "engine", "next": elsewhere})
    assert answer.headers["Location"] == "/"


def test_the_switcher_is_for_those_who_have_a_choice(browse):
    assert "Choose the project to look at" in text(browse("bob").get("/"))
    assert "Choose the project to look at" not in text(browse("eve").get("/"))


def test_choosing_forgets_the_filter_of_the_page(browse):
    page = text(browse("bob").get("/deployments/?project=bob&q=x&page=2"))
    assert 'value="/deployments/?q=x"' in page


# ── Archive, quota, audit ───────────────────────────────────────────────────────────────────────
def test_what_still_runs_is_named_where_somebody_archives(browse, bobs):
    page = text(browse("ada").post("/projects/engine/archive", follow=True))
    assert "1 deployment still runs or waits here" in page
    assert "Bob&#x27;s digits" in page


def test_an_archived_project_is_read_by_its_managers_alone(browse, bobs, ada, engine):
    services.stop(bobs, ada)
    projects.archive(engine, ada)
    page = reverse("deployment", args=[bobs.pk])
    assert "archived" in text(browse("ada").get(page))
    assert "Bob&#x27;s digits" in text(browse("ada").get("/deployments/?project=engine"))
    assert "Bob&#x27;s digits" not in text(browse("ada").get("/deployments/"))
    for name in ("bob", "vera", "eve"):
        assert browse(name).get(page).status_code == 404
        assert browse(name).get("/projects/engine/").status_code == 404
    assert browse("ada").post(reverse("deployment-start", args=[bobs.pk])).status_code == 403
    assert "Open it again" in text(browse("ada").get("/projects/engine/"))


@pytest.mark.parametrize(("page", "of"), [("/projects/engine/quota", "engine"), ("/people/bob/quota", "bob")])
def test_an_administrator_says_how_much(browse, engine, bob, page, of):
    holder = engine if of == "engine" else bob
    browse("grace").post(page, {"deployments": "3", "cpu_cores": "1.5", "memory_mb": "", "gpus": "0"})
    limits = {meter.name: meter.limit for meter in quotas.meters(holder)}
    assert (limits["deployments"], limits["cpu_cores"], limits["gpus"]) == (3, 1.5, 0)
    assert limits["memory_mb"] == quotas.defaults_for(holder)["memory_mb"]
    assert browse("grace").post(page, {"deployments": "-1"}).status_code == 422


@pytest.mark.parametrize("page", ["/projects/engine/quota", "/people/bob/quota"])
@pytest.mark.parametrize("name", ["ada", "bob", "vera", "eve"])
def test_nobody_else_says_how_much(browse, name, page):
    assert browse(name).post(page, {"deployments": "3"}).status_code == 403


def test_the_page_draws_what_is_held(browse, bobs):
    page = text(browse("vera").get("/projects/engine/"))
    assert "1 of 50" in page
    assert "300 MB of 1 TB" in page


def test_the_audit_names_who_what_and_where(browse, bobs):
    page = text(browse("grace").get("/audit/"))
    assert "deployed" in page
    assert "Bob&#x27;s digits" in page
    assert "Analytical Engine" in page
    assert reverse("deployment", args=[bobs.pk]) not in page  # Grace is in no project of theirs
    assert reverse("deployment", args=[bobs.pk]) in text(browse("ada").get("/projects/engine/"))


@pytest.mark.parametrize(
    ("query", "count"), [("actor=bob", 2), ("project=engine&actor=ada", 3), ("actor=nobody", 0), ("thing=zzz", 0)]
)
def test_the_audit_is_narrowed(browse, bobs, query, count):
    assert len(browse("grace").get(f"/audit/?{query}").context["lines"]) == count


def test_every_page_of_the_audit_takes_few_queries(browse, engine, ada, django_assert_max_num_queries):
    for number in range(60):
        AuditEvent.record(ada, "project.renamed", engine, name=str(number))
    browser = browse("grace")
    with django_assert_max_num_queries(14):
        browser.get("/audit/")


def test_viewers_see_what_happened_and_managers_who_did_what(browse, bobs):
    assert "Who did what" in text(browse("ada").get("/projects/engine/"))
    page = text(browse("vera").get("/projects/engine/"))
    assert "Who did what" not in page
    assert "Bob&#x27;s digits" in page
