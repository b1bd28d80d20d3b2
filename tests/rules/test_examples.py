"""Every rule has one text, and its examples are executed: the bad one fires the rule, the good one does not."""

from __future__ import annotations

import re

import pytest
import yaml

from calico_lint import rules
from calico_lint.finding import ORIGINS, SEVERITIES
from calico_lint.kops.releases import NEWEST_PATCH, Releases, newest_of_minor
from calico_lint.rules.core import Example, Rule
from tests.helpers import lint_spec, lint_text, spec_text
from tests.v1data.helpers import problems_of

ALL = rules.all_rules()
EXAMPLES = [
    pytest.param(rule, kind, example, id=f"{rule.id}-{kind}-{number}")
    for rule in ALL
    for kind, examples in (("bad", rule.text.bad), ("good", rule.text.good))
    for number, example in enumerate(examples)
]


def found(rule: Rule, example: Example) -> list[str]:
    if rule.id[0] == "D":  # about Calico v1 data: the example is a store, or a resource of calicoctl v2
        return [problem.rule for problem in problems_of(example.yaml)]
    if rule.pair:
        pair = yaml.safe_load(example.yaml)
        findings = lint_spec(pair["new"], example.kops, pair["old"], example.from_kops, base="1.11")
        return [finding.rule for finding in findings]
    return [finding.rule for finding in lint_spec(example.yaml, example.kops)]


# What is said of the age of a release, and of its Kubernetes, whatever else stands in a spec.
OF_AGE = {"X891", "X892", "X897", "Z908", "Z909"}


@pytest.mark.parametrize(("rule", "kind", "example"), EXAMPLES)
def test_examples_do_what_they_say(rule: Rule, kind: str, example: Example) -> None:
    fired = set(found(rule, example))
    if kind == "bad":
        assert rule.id in fired
        assert fired - OF_AGE <= {rule.id, *rule.text.also}
    else:
        assert rule.id not in fired


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_every_rule_says_all_that_a_reader_needs(rule: Rule) -> None:
    text = rule.text
    assert re.fullmatch(r"[A-Z]{1,2}\d{1,3}", rule.id)
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", rule.name)
    assert rule.severity in SEVERITIES
    assert rule.severity_inferred in SEVERITIES
    assert rule.origin in ORIGINS
    assert text.title.endswith(".")
    assert text.body
    assert text.fix
    assert text.source
    if rule.id[0] not in "YUP" and rule.id != "KV300":
        assert text.bad, "a rule needs a bad example"
        assert text.good, "a rule needs a good example"


def test_ids_names_and_aliases_are_unique() -> None:
    ids = [name for rule in ALL for name in (rule.id, *rule.aliases)]
    assert len(ids) == len(set(ids))
    names = [rule.name for rule in ALL]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", [rule for rule in ALL if not rule.pair], ids=lambda rule: rule.id)
def test_segments_answer_for_all_their_releases(rule: Rule) -> None:
    """Asking one release of a segment is enough: all the others give the same answer."""
    from calico_lint.cluster import Cluster
    from calico_lint.rules.documents import yaml_findings  # noqa: F401 - the module is loaded with the registry
    from calico_lint.yaml_source import Source

    candidates = tuple(newest_of_minor(minor) for minor in NEWEST_PATCH)
    for example in [*rule.text.bad, *rule.text.good]:
        cluster = Cluster(Source("x", spec_text(example.yaml, example.kops).encode()).documents[0])
        nodes = [node for path in rule.on if (node := cluster.at(path)) is not None]
        for _, group in rule.segments(Releases(candidates, given=False)):
            answers = []
            for release in group:
                subjects = [(node,) for node in nodes] if rule.on else [()]
                answers.append(
                    [
                        (hit.field, hit.severity, hit.origin)
                        for subject in subjects
                        for hit in rule.check(cluster, release, *subject)
                    ]
                )
            assert all(answer == answers[0] for answer in answers), f"{rule.id} needs `changes` within {group}"


def test_a_selection_is_an_id_an_alias_or_a_prefix() -> None:
    assert rules.matching(("KV301",)) == {"KV301"}
    assert rules.matching(("S2",)) == {"KV304"}  # an alias
    assert rules.matching(("S1",)) == {"KC102"}  # the alias, not the prefix of S10 to S13
    assert {"KV301", "KV302"} <= rules.matching(("KV",))
    assert "Y001" in rules.matching(("all",))
    with pytest.raises(KeyError):
        rules.matching(("NOSUCH",))


def test_lint_text_is_deterministic() -> None:
    text = spec_text("networking: {calico: {majorVersion: v3}}", "1.12")
    assert [repr(finding) for finding in lint_text(text).findings] == [
        repr(finding) for finding in lint_text(text).findings
    ]
