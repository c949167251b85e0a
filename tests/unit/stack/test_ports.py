import socket

from dashboard.stack import ports


def test_a_second_start_gets_the_same_ports(tmp_path):
    first = ports.choose(tmp_path / "ports.json", ["local", "mlflow"])
    assert ports.choose(tmp_path / "ports.json", ["local", "mlflow"]) == first


def test_a_port_taken_since_is_replaced_and_the_others_stay(tmp_path):
    first = ports.choose(tmp_path / "ports.json", ["local", "mlflow"])
    with socket.create_server(("127.0.0.1", first["local"])):
        second = ports.choose(tmp_path / "ports.json", ["local", "mlflow"])
    assert second["mlflow"] == first["mlflow"]
    assert second["local"] not in first.values()


def test_each_part_has_a_port_of_its_own(tmp_path):
    chosen = ports.choose(tmp_path / "ports.json", [f"part{number}" for number in range(20)])
    assert len(set(chosen.values())) == 20


def test_a_damaged_file_is_written_anew(tmp_path):
    file = tmp_path / "ports.json"
    file.write_text("{half a li")
    chosen = ports.choose(file, ["local"])
    assert ports.choose(file, ["local"]) == chosen
