"""A topic that is not loaded has nothing to say: no rule is lost to `topics_of`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from calico_lint import linter, rules
from calico_lint.cluster import Cluster
from calico_lint.finding import Finding
from calico_lint.linter import Input, lint
from calico_lint.yaml_source import Source
from tests.helpers import ROOT, SHARED, lint_spec, needs_shared

# Those of a single cluster: the others are asked by other means.
OTHERS = ("upgrade", "changes", "pairs", "fields", "organisation", "documents", "exceptions", "v1data")
TOPICS = [topic for topic in rules.TOPICS if topic not in OTHERS]

EXAMPLES = [
    (rule.id, example.yaml, example.kops)
    for topic in TOPICS
    for rule in rules.load(topic).RULES
    for example in (*rule.text.bad, *rule.text.good)
]


def every_topic(cluster: Cluster) -> Iterator[rules.Topic]:
    for topic in TOPICS if cluster.calico is not None else ():
        yield rules.Topic(rules.load(topic).RULES)
    if cluster.calico is None:
        yield from TOPICS_OF(cluster)


TOPICS_OF = rules.topics_of


def said(findings: list[Finding]) -> list[tuple[object, ...]]:
    return [(finding.sort_key(), finding.severity, finding.message) for finding in findings]


@pytest.mark.parametrize("topic", rules.CALICO_KEYS)
def test_the_table_of_keys_names_all_that_the_rules_are_about(topic: str) -> None:
    index = rules.Topic(rules.load(topic).RULES)
    assert set(index.by_key["networking.calico"]) <= rules.CALICO_KEYS[topic]
    if topic == "calico":
        assert not index.unconditional
        assert set(index.by_key) == {"networking.calico"}
    if topic == "dataplane":
        assert not index.unconditional
        assert {path: set(keys) for path, keys in index.by_key.items()} == {
            "networking.calico": rules.CALICO_KEYS[topic],
            "kubeProxy": {"proxyMode"},
        }


def test_no_example_of_a_rule_needs_more_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [said(lint_spec(text, kops)) for _, text, kops in EXAMPLES]
    monkeypatch.setattr(linter.rules, "topics_of", every_topic)
    for (rule, text, kops), found in zip(EXAMPLES, few, strict=True):
        assert said(lint_spec(text, kops)) == found, rule


def test_keys_without_groups_need_no_more_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = sorted(frozenset().union(*rules.CALICO_KEYS.values()))
    for value in ("NFT", "true", "3"):
        for kops in ("1.18", "1.21", "1.30", "1.36"):
            for key in keys:
                text = f"networking: {{calico: {{{key}: {value}}}}}\nkubernetesVersion: 1.15.12\n"
                monkeypatch.setattr(linter.rules, "topics_of", TOPICS_OF)
                few = said(lint_spec(text, kops))
                monkeypatch.setattr(linter.rules, "topics_of", every_topic)
                assert said(lint_spec(text, kops)) == few, (key, value, kops)


def check_files(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [Input(Source(str(path), path.read_bytes())) for path in paths]
    few = [said(lint([item]).findings) for item in inputs]
    monkeypatch.setattr(linter.rules, "topics_of", every_topic)
    for item, found in zip(inputs, few, strict=True):
        assert said(lint([item]).findings) == found, item.source.path


def test_the_fixtures_need_no_more_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    check_files([*(ROOT / "fixtures" / "specs").glob("*.yaml")], monkeypatch)


@needs_shared
def test_real_specs_need_no_more_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted((SHARED / "corpus" / "specs").glob("*.yaml"))[::4]
    assert len(paths) > 400
    check_files(paths, monkeypatch)
