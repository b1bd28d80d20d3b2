from __future__ import annotations

from tests.helpers import needs_shared
from tests.rules.silence import count, real_calico_specs, table

LOUDEST = 0.25  # a warning that more of the real specs get is an info, or needs a better condition


@needs_shared
def test_no_warning_is_for_nearly_every_spec() -> None:
    files = real_calico_specs()
    assert len(files) > 50
    loud = {rule: by["warning"] for rule, by in count(files).items() if by["warning"] > LOUDEST * len(files)}
    assert loud == {}


@needs_shared
def test_the_table_has_a_line_for_each_rule_that_speaks() -> None:
    files = real_calico_specs()[:5]
    lines = table(files).splitlines()
    assert lines[0].startswith("5 real Calico specs")
    assert {line.split()[0] for line in lines[2:-1]} == set(count(files))
