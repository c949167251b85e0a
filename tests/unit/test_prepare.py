import io
import json
import stat
from contextlib import redirect_stdout
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import ApiToken, SigninCode, User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path / "static"


def prepare() -> str:
    with redirect_stdout(io.StringIO()) as output:
        call_command("prepare")
    return json.loads(output.getvalue())["signin_code"]


def test_a_first_start_makes_one_administrator_and_a_later_one_finds_them():
    prepare()
    prepare()
    [admin] = User.objects.filter(is_superuser=True)
    assert admin.username == "admin"
    assert admin.personal_project.memberships.get().user == admin
    assert not admin.has_usable_password()


def test_the_sign_in_code_is_the_first_administrators():
    assert SigninCode.spend(prepare()).username == "admin"


def test_the_token_file_is_private_and_its_token_lasts_thirty_days(monkeypatch, tmp_path):
    file = tmp_path / "token"
    file.write_text("something others could read")
    monkeypatch.setenv("SERAI_ADMIN_TOKEN_FILE", str(file))
    prepare()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = ApiToken.objects.find(file.read_text().strip())
    assert token.user.username == "admin"
    assert timedelta(days=29) < token.expires - timezone.now() <= timedelta(days=30)


def test_a_token_that_still_works_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("SERAI_ADMIN_TOKEN_FILE", str(tmp_path / "token"))
    prepare()
    first = (tmp_path / "token").read_text()
    prepare()
    assert (tmp_path / "token").read_text() == first
    ApiToken.objects.get().revoke()
    prepare()
    assert (tmp_path / "token").read_text() != first


def test_a_token_file_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SERAI_ADMIN_TOKEN_FILE", str(tmp_path / "nowhere" / "token"))
    with pytest.raises(CommandError, match=r"SERAI_ADMIN_TOKEN_FILE=.*nowhere/token cannot be written"):
        prepare()
    assert not ApiToken.objects.valid().exists()


def test_without_a_token_file_no_token_is_made():
    prepare()
    assert not ApiToken.objects.exists()


def test_static_files_are_copied_again_only_when_one_changed(settings, tmp_path):
    source = tmp_path / "ours"
    source.mkdir()
    (source / "page.css").write_text("body {}")
    settings.STATICFILES_DIRS = [source]
    prepare()
    copied = tmp_path / "static" / "page.css"
    before = copied.stat().st_mtime_ns
    prepare()
    assert copied.stat().st_mtime_ns == before
    (source / "page.css").write_text("body { color: red }")
    prepare()
    assert copied.read_text() == "body { color: red }"


def test_a_sign_in_link_is_made_for_whom_it_is_asked(capsys):
    prepare()
    call_command("signin_link")
    address, code = capsys.readouterr().out.strip().split("#")
    assert address.endswith("/welcome")
    assert SigninCode.spend(code).username == "admin"
    with pytest.raises(CommandError, match="nobody called eve"):
        call_command("signin_link", "eve")
