import os
import time

from jobs import heartbeat


def test_a_part_that_never_ran_has_no_age(settings, tmp_path):
    settings.SERAI_DATA = tmp_path
    assert heartbeat.age_seconds("watcher") is None


def test_a_sign_of_life_grows_old(settings, tmp_path):
    settings.SERAI_DATA = tmp_path
    heartbeat.beat("watcher")
    assert heartbeat.age_seconds("watcher") < 5
    hour_ago = time.time() - 3600
    os.utime(tmp_path / "heartbeats" / "watcher", (hour_ago, hour_ago))
    assert heartbeat.age_seconds("watcher") > heartbeat.LATE_SECONDS
    heartbeat.beat("watcher")
    assert heartbeat.age_seconds("watcher") < 5
