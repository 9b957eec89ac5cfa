"""URLs of brokers as Airflow's settings hold them; no message ever tells a password."""

import sys
from pathlib import Path

import pytest

from afscope.capture.broker.address import Address, addresses, broker_source, default_queues, key_prefix
from afscope.capture.broker.collector import probe
from afscope.errors import CannotConnect
from tests.capture.broker.brokers import RABBITMQ, REDIS, kombu, rabbit


@pytest.mark.parametrize(
    ("text", "address", "told"),
    [
        ("redis://:p%40ss@redis:6380/1", Address("redis", False, "redis", 6380, "1", "", "p@ss"), "redis at redis:6380"),
        ("rediss://u:p@redis", Address("redis", True, "redis", 6379, "", "u", "p"), "redis at redis:6379"),
        ("redis+socket:///run/r.sock?virtual_host=2",
         Address("redis", False, "localhost", 6379, "/run/r.sock", socket=True, options={"virtual_host": "2"}), "redis at /run/r.sock"),
        ("amqp://u:p@rabbit//", Address("rabbitmq", False, "rabbit", 5672, "/", "u", "p"), "rabbitmq at rabbit:5672"),
        ("amqps://u:p@rabbit/air%2Fflow", Address("rabbitmq", True, "rabbit", 5671, "air/flow", "u", "p"), "rabbitmq at rabbit:5671"),
        ("pyamqp://guest@localhost//", Address("rabbitmq", False, "localhost", 5672, "/", "guest"), "rabbitmq at localhost:5672"),
    ],
)  # fmt: skip
def test_urls_of_celery(text: str, address: Address, told: str) -> None:
    assert addresses(text) == [address]
    assert str(address) == told
    assert "p@ss" not in repr(address)


def test_several_brokers_to_fail_over_to() -> None:
    assert [each.host for each in addresses("amqp://a//;amqp://b//")] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sentinel://:hunter2@s1:26379", "queue depths behind Redis Sentinel are not supported"),
        ("sqs://hunter2:hunter2@", "queue depths of sqs brokers are not supported"),
        ("hunter2", "the URL of the broker is none"),
        ("redis://:hunter2@host:port/0", "the URL of the broker is none"),
        (" ; ", "the URL of the broker is empty"),
    ],
)
def test_what_is_not_supported_is_one_sentence(text: str, what: str) -> None:
    with pytest.raises(CannotConnect) as caught:
        addresses(text)
    assert caught.value.what == what
    assert caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_the_source_is_the_file_then_the_variable_then_the_command(tmp_path: Path) -> None:
    env = {"AIRFLOW__CELERY__BROKER_URL": "redis://env", "AIRFLOW__CELERY__BROKER_URL_CMD": "false"}
    file = tmp_path / "url"
    file.write_text("redis://file\n")
    command = f"{sys.executable} -c 'print(\"redis://command\")'"
    for source, expected in (
        (broker_source(env, file), "redis://file"),
        (broker_source(env), "redis://env"),
        (broker_source({"AIRFLOW__CELERY__BROKER_URL_CMD": command}), "redis://command"),
    ):
        assert source is not None
        assert source() == expected
    assert broker_source({}) is None


@pytest.mark.parametrize(
    "command", ["false", "/nowhere/at/all", "'", f"{sys.executable} -c 'import sys; sys.exit(\"hunter2\")'"]
)
def test_a_command_that_fails_is_told_without_its_output(command: str) -> None:
    source = broker_source({"AIRFLOW__CELERY__BROKER_URL_CMD": command})
    assert source is not None
    with pytest.raises(CannotConnect, match="the command in AIRFLOW__CELERY__BROKER_URL_CMD ") as caught:
        source()
    assert "hunter2" not in str(caught.value)


def test_a_secrets_backend_is_refused_with_the_way_out() -> None:
    with pytest.raises(CannotConnect, match="--broker-url-file"):
        broker_source({"AIRFLOW__CELERY__BROKER_URL_SECRET": "airflow/broker"})


def test_settings_that_name_queues_and_keys() -> None:
    assert default_queues({"AIRFLOW__OPERATORS__DEFAULT_QUEUE": "etl"}) == ("etl",)
    assert key_prefix({"AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX": "air:"}) == "air:"
    assert (default_queues({}), key_prefix({})) == ((), "")


def test_the_probe_tells_what_answers() -> None:
    with kombu():
        assert probe(lambda: REDIS) == "redis at 127.0.0.1:6379"
    with rabbit():
        assert probe(lambda: RABBITMQ) == "rabbitmq at 127.0.0.1:5672"


def test_a_refused_login_is_told_without_the_password() -> None:
    with kombu(), pytest.raises(CannotConnect) as caught:
        probe(lambda: REDIS.replace("redis://", "redis://nobody:hunter2@"))
    assert caught.value.what == "redis at 127.0.0.1:6379: the login is refused"
    with rabbit(), pytest.raises(CannotConnect) as caught:
        probe(lambda: RABBITMQ.replace("guest:guest", "nobody:hunter2"))
    assert caught.value.what == "rabbitmq at 127.0.0.1:5672: the login is refused"


def test_the_second_broker_answers_when_the_first_does_not() -> None:
    with kombu():
        assert probe(lambda: f"redis://127.0.0.1:1/0;{REDIS}")


def test_a_virtual_host_that_is_not_there() -> None:
    with rabbit(), pytest.raises(CannotConnect, match=r"NOT_ALLOWED.*vhost"):
        probe(lambda: "amqp://guest:guest@127.0.0.1:5672/nowhere")
