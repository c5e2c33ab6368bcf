"""What the ledger decides without a database."""

import pytest

from mlcycle.cycle import ALL_ROLES
from mlcycle.errors import ConfigError
from mlcycle.ledger.alerts import Alert, Pending, some, together
from mlcycle.ledger.batches import Current, Delivery
from mlcycle.ledger.migrate import credentials


def delivery(digest: str = "d", accepted: str = "a", fetched: int = 5) -> Delivery:
    return Delivery("p", "t", "2013-01-01", digest, accepted, fetched)


@pytest.mark.parametrize(
    ("digest", "accepted", "same"),
    [("d", "a", True), ("x", "a", False), ("d", "x", False)],
    ids=["same", "other-bytes", "other-rows"],
)
def test_a_delivery_is_the_same_where_bytes_and_accepted_rows_are(
    digest: str, accepted: str, same: bool
) -> None:
    assert Current("d", "a", 5).same(delivery(digest, accepted)) is same


@pytest.mark.parametrize(("fetched", "newer"), [(4, False), (5, False), (6, True)])
def test_a_partition_is_newer_only_by_a_later_fetch(fetched: int, newer: bool) -> None:
    assert Current("d", "a", fetched).newer(delivery(fetched=5)) is newer


def test_every_try_of_an_alert_s_delivery_has_one_key() -> None:
    alert = Alert("drift", "page", "title", "body")
    tries = [Pending((7,), "webhook", number, "p", alert, "a", "b") for number in range(3)]
    assert {item.idempotency_key for item in tries} == {"p-7-page"}
    joined = Pending((7, 9), "webhook", 1, "p", alert, "a", "b")
    assert joined.idempotency_key == "p-7-page-2-9"


def test_alerts_of_one_matter_are_one_message_that_names_what_is_open_already() -> None:
    wind, rain = (
        Alert(f"drift:{name}", level, f"p 1 June: inputs drift ({name})", f"{name}: far", "l", "drift", name)  # type: ignore[arg-type]
        for name, level in (("wind", "page"), ("rain", "warn"))
    )
    both = together([wind, rain], ["gust"])
    assert both == Alert(
        *("drift", "page", "p 1 June: inputs drift (wind, rain)", "wind: far\nrain: far\nstill open: gust"),
        *("l", "drift"),
    )
    assert together([rain]) == rain
    assert some([f"c{number}" for number in range(50)]).endswith("c11 and 38 more")


ENV = {
    "MLCYCLE_DSN_OWNER": "postgresql://owner:o@h/d",
    **{f"MLCYCLE_DSN_{role.upper()}": f"postgresql://mlcycle_{role}:pw-{role}@h/d" for role in ALL_ROLES},
}


def test_each_role_s_password_is_read_out_of_its_own_dsn() -> None:
    assert credentials(ENV) == (ENV["MLCYCLE_DSN_OWNER"], {role: f"pw-{role}" for role in ALL_ROLES})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"MLCYCLE_DSN_TRAIN": "", "MLCYCLE_DSN_SERVE": ""},
            "MLCYCLE_DSN_TRAIN, MLCYCLE_DSN_SERVE: not set; write each like postgresql://",
        ),
        ({"MLCYCLE_DSN_TRAIN": "secret"}, "MLCYCLE_DSN_TRAIN is not a DSN: write it like postgresql://"),
        (
            {"MLCYCLE_DSN_OWNER": "secret is no dsn"},
            "MLCYCLE_DSN_OWNER is not a DSN: write it like postgresql://",
        ),
        (
            {"MLCYCLE_DSN_SERVE": "postgresql://root:secret@h/d"},
            "MLCYCLE_DSN_SERVE: the user is 'root', expected 'mlcycle_serve': each role logs in under its own name",
        ),
        (
            {"MLCYCLE_DSN_SERVE": "postgresql://h/d"},
            "MLCYCLE_DSN_SERVE: the user is '', expected 'mlcycle_serve': each role logs in under its own name",
        ),
        (
            {"MLCYCLE_DSN_SERVE": "postgresql://mlcycle_serve@h/d"},
            "MLCYCLE_DSN_SERVE: no password in it; write the one that mlcycle_serve is to have",
        ),
    ],
    ids=["missing", "role-no-dsn", "no-dsn", "other-user", "no-user", "no-password"],
)
def test_a_variable_that_is_wrong_is_named_without_its_secret(change: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        credentials({**ENV, **change})
    assert str(caught.value).startswith(says)
    assert "secret" not in str(caught.value)
