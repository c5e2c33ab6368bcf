"""The chart's own metrics: a token for the api-server alone, a scrape, rules, and a door. Needs helm, no cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.kubernetes.chart import CHART, Object, helm, pod_specs, write

GIVEN = {"database": {"host": "db.example"}, "store": {"url": "s3://bucket/mlcycle"}}
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prometheus"}}}
API = ("--api-versions", "monitoring.coreos.com/v1")
TOKEN = "MLCYCLE_METRICS_TOKEN"


def arguments(folder: Path, metrics: dict[str, Any], **values: Any) -> list[str]:
    given = write(folder, {**GIVEN, **values, "metrics": {"enabled": True, **metrics}})
    return ["template", "mlcycle", str(CHART), "--kube-version", "v1.31.0", "--values", str(given)]


def rendered(folder: Path, metrics: dict[str, Any], *more: str, **values: Any) -> list[Object]:
    done = helm(*arguments(folder, metrics, **values), *more)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def holders(documents: list[Object]) -> dict[str, tuple[str, str]]:
    """Which pods mount the token, out of which Secret and key."""
    found = {}
    for pod, spec in pod_specs(documents):
        for volume in spec.get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                for item in source.get("secret", {}).get("items", []):
                    if item["path"] == TOKEN:
                        found[pod] = (source["secret"]["name"], item["key"])
    return found


@pytest.mark.parametrize(
    ("secret", "wanted"),
    [({}, ("mlcycle", TOKEN)), ({"name": "theirs", "key": "token"}, ("theirs", "token"))],
    ids=["the platform's", "one that is there"],
)
def test_the_api_server_alone_is_handed_the_token(
    secret: dict[str, str], wanted: tuple[str, str], tmp_path: Path
) -> None:
    assert holders(rendered(tmp_path, {"secret": secret})) == {"Deployment/mlcycle-api-server": wanted}
    assert holders(rendered(tmp_path, {"enabled": False, "secret": secret})) == {}


def test_generated_secrets_hold_a_token_and_fetched_ones_ask_for_it_where_it_is_wanted(
    tmp_path: Path,
) -> None:
    generated = rendered(tmp_path, {}, secrets={"mode": "generated"})
    holding = [
        one["metadata"]["name"] for one in generated if one["kind"] == "Secret" and TOKEN in one["data"]
    ]
    assert holding == ["mlcycle"]  # no step's
    fetched = {"mode": "externalSecret", "externalSecret": {"store": "vault"}}
    for enabled in (True, False):
        documents = rendered(
            *(tmp_path, {"enabled": enabled}, "--api-versions", "external-secrets.io/v1"), secrets=fetched
        )
        asked = [one for one in documents if one["kind"] == "ExternalSecret" and TOKEN in str(one["spec"])]
        assert [one["metadata"]["name"] for one in asked] == (["mlcycle"] if enabled else [])


def test_a_scrape_bears_the_token_and_its_job_is_the_rules(tmp_path: Path) -> None:
    wanted = {"serviceMonitor": {"enabled": True, "labels": {"release": "p"}}, "rules": {"enabled": True}}
    documents = rendered(tmp_path, {**wanted, "secret": {"name": "theirs", "key": "token"}}, *API)
    (monitor,) = [one for one in documents if one["kind"] == "ServiceMonitor"]
    assert monitor["metadata"]["labels"]["release"] == "p"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["authorization"] == {"credentials": {"name": "theirs", "key": "token"}}
    assert endpoint["path"] == "/mlcycle/metrics"
    (service,) = [
        one
        for one in documents
        if one["kind"] == "Service"
        and monitor["spec"]["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
    ]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    (rules,) = [
        one
        for one in documents
        if one["kind"] == "PrometheusRule" and one["metadata"]["name"] == "mlcycle-metrics"
    ]
    assert rules["spec"] == yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yaml").read_text())
    assert f'job="{endpoint["relabelings"][0]["replacement"]}"' in str(rules["spec"])
    off = rendered(tmp_path, {}, *API)
    assert "ServiceMonitor" not in {one["kind"] for one in off}
    assert "mlcycle-metrics" not in {one["metadata"]["name"] for one in off}


def test_the_door_is_open_to_whom_it_was_told(tmp_path: Path) -> None:
    closed: dict[str, Any] = {"ingress": [{"podSelector": {"matchLabels": {"app": "proxy"}}}]}

    def scrapers(**metrics: Any) -> list[Object]:
        (policy,) = [
            one
            for one in rendered(tmp_path, metrics, networkPolicy=closed)
            if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "mlcycle-api-server"
        ]
        return [rule for rule in policy["spec"]["ingress"] if PROMETHEUS in rule.get("from", [])]

    assert scrapers(**{"from": [PROMETHEUS]}) == [
        {"from": [PROMETHEUS], "ports": [{"port": 8080, "protocol": "TCP"}]}
    ]
    assert scrapers() == []
    assert scrapers(**{"from": [PROMETHEUS], "enabled": False}) == []


@pytest.mark.parametrize(
    ("metrics", "more", "line"),
    [
        ({"serviceMonitor": {"enabled": True}}, (), "need Prometheus's operator"),
        ({"rules": {"enabled": True}, "enabled": False}, API, "with metrics.enabled: set it to true"),
        ({"token": "s3cret"}, (), "schema"),
    ],
    ids=["no operator", "nothing to read", "a token in values"],
)
def test_what_cannot_work_is_refused_in_a_line(
    metrics: dict[str, Any], more: tuple[str, ...], line: str, tmp_path: Path
) -> None:
    done = helm(*arguments(tmp_path, metrics), *more, check=False)
    assert done.returncode != 0
    assert line in done.stderr, done.stderr
