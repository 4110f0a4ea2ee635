"""The fixtures as a project uses them, under a clock that its modules wind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest_plugins = ("pytester",)
RunPlugin = Callable[..., pytest.RunResult]

CONFTEST = """
import pytest, torch

class Clock:
    has_device_clock = False
    seconds = 0.0
    def now_s(self): return self.seconds
    def overhead_s(self): return 1e-9
    def device_s(self, calls, repeats): return []
    def end_to_end_s(self, call, repeats):
        started = self.seconds
        for _ in range(repeats):
            call()
        return max(self.seconds - started, 1e-12)

CLOCK = Clock()

class Slow(torch.nn.Module):
    # `seconds` may be a list: one entry per call, over and over.
    copies = 0
    def __init__(self, *seconds, later=None):
        super().__init__()
        self.seconds, self.later, self.calls = seconds, later, 0
    def forward(self, x):
        self.calls += 1
        CLOCK.seconds += self.seconds[self.calls % len(self.seconds)]
        return x
    def __deepcopy__(self, memo):
        # A fresh copy may be of another speed, as one in other memory is.
        if self.later == "drift":
            # Every copy is slower than the one before.
            Slow.copies += 1
            return Slow(self.seconds[0] * 1.2**Slow.copies, later="drift")
        return Slow(*(self.later or self.seconds))

@pytest.fixture
def benchbench_timer():
    return CLOCK

@pytest.fixture
def slow():
    return Slow
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    return pytester


def one_test(body: str, arguments: str = "benchbench_latency, slow") -> str:
    return f"import torch, pytest\ndef test_it({arguments}):\n    {body}\n"


def test_what_is_not_slower_passes(project: pytest.Pytester, run_plugin: RunPlugin) -> None:
    body = """timed = benchbench_latency.compare({"old": slow(0.1), "new": slow(0.102)}, (1, 3))
    assert timed.assert_not_slower(tolerance=0.05) is timed
    assert "old" in str(timed)"""
    project.makepyfile(one_test(body))
    run_plugin("-W", "error").assert_outcomes(passed=1)


def test_what_is_slower_fails_saying_by_how_much_and_how_sure(
    project: pytest.Pytester, run_plugin: RunPlugin
) -> None:
    body = (
        """benchbench_latency.compare({"old": slow(0.1), "new": slow(0.112)}, (1, 3)).assert_not_slower()"""
    )
    project.makepyfile(one_test(body))
    result = run_plugin()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: 'new' is 12.0 % slower than 'old' (1.120x [[]1.120, 1.120]; *two of 2 takes*",
        ]
    )
    # The traceback ends in the user's own line.
    assert "judging.py" not in result.stdout.str()


def test_fresh_copies_that_are_not_slower_make_it_ambiguous(
    project: pytest.Pytester, run_plugin: RunPlugin
) -> None:
    body = (
        """benchbench_latency.compare({"old": slow(0.1), "new": slow(0.112, later=(0.1,))}, (1, 3))"""
        """.assert_not_slower()"""
    )
    project.makepyfile(one_test(body))
    project.makeini("[pytest]\nfilterwarnings = error\n")
    result = run_plugin()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*AmbiguousVerdict: one take is beyond the limit, another within*"])


def test_a_project_may_make_an_error_of_it(project: pytest.Pytester, run_plugin: RunPlugin) -> None:
    body = (
        """benchbench_latency.compare({"old": slow(0.1), "new": slow(0.112, later=(0.1,))}, (1, 3))"""
        """.assert_not_slower()"""
    )
    project.makepyfile(one_test(body))
    project.makeini("[pytest]\nfilterwarnings = error::benchbench.pytest_plugin.AmbiguousVerdict\n")
    run_plugin().assert_outcomes(failed=1)


def test_copies_that_differ_forbid_a_verdict(project: pytest.Pytester, run_plugin: RunPlugin) -> None:
    body = (
        """benchbench_latency.compare({"old": slow(0.1, later="drift"), "new": slow(0.5)}, (1, 3))"""
        """.assert_not_slower()"""
    )
    project.makepyfile(one_test(body))
    result = run_plugin()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*AmbiguousVerdict: too noisy to tell*"])


def test_a_gain_that_is_promised_is_held_to(project: pytest.Pytester, run_plugin: RunPlugin) -> None:
    good = """benchbench_latency.compare({"old": slow(0.3), "new": slow(0.1)}, (1, 3)).assert_faster(2.9)"""
    bad = good.replace("2.9", "3.5")
    project.makepyfile(test_good=one_test(good), test_bad=one_test(bad))
    run_plugin("-W", "error").assert_outcomes(passed=1, failed=1)


def test_functions_are_compared_too(project: pytest.Pytester, run_plugin: RunPlugin) -> None:
    body = """old, new = slow(0.1), slow(0.2)
    timed = benchbench_latency.compare_calls({"old": lambda: old(0), "new": lambda: new(0)})
    with pytest.raises(AssertionError, match="100.0 % slower"):
        timed.assert_not_slower()"""
    project.makepyfile(one_test(body))
    run_plugin("-W", "error").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("benchbench_latency.compare({'old': slow(0.1)}, (1, 3))", "1 to compare"),
        ("benchbench_latency.compare({'a': slow(1), 'b': slow(1)}, 'x')", "neither a shape nor tensors"),
        (
            "benchbench_latency.compare({'a': slow(1), 'b': slow(1)}, (1, 3)).assert_not_slower(tolerance=0)",
            "tolerance 0",
        ),
    ],
)
def test_wrong_uses_are_told(project: pytest.Pytester, run_plugin: RunPlugin, body: str, said: str) -> None:
    project.makepyfile(one_test(body))
    result = run_plugin()
    result.assert_outcomes(failed=1)
    assert said in result.stdout.str()


def test_counts_read_well_and_fail_well(project: pytest.Pytester, run_plugin: RunPlugin) -> None:
    body = """model = torch.nn.Conv2d(3, 8, 3, padding=1)
    counts = benchbench_counts(model, (1, 3, 16, 16))
    assert counts.parameters == 3 * 8 * 9 + 8
    assert counts.macs <= 50_000"""
    project.makepyfile(one_test(body, "benchbench_counts"))
    result = run_plugin()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *assert 55296 <= 50000",
            "E *where 55296 = <(1, 3, 16, 16): 55.3 kMAC, 224 parameters, activations of *>.macs",
        ]
    )


def test_the_input_is_known_of_registered_and_lightning_modules(
    project: pytest.Pytester, run_plugin: RunPlugin
) -> None:
    body = """import benchbench
    assert benchbench_counts(benchbench.build("transformer_net", width=2)).input_shapes == ((1, 3, 256, 256),)
    model = torch.nn.Linear(4, 2)
    model.example_input_array = torch.ones(5, 4)
    assert benchbench_counts(model).macs == 40"""
    project.makepyfile(one_test(body, "benchbench_counts"))
    run_plugin("-W", "error").assert_outcomes(passed=1)


def test_an_unknown_input_is_told_with_what_to_do(project: pytest.Pytester, run_plugin: RunPlugin) -> None:
    project.makepyfile(one_test("benchbench_counts(torch.nn.Linear(4, 2))", "benchbench_counts"))
    result = run_plugin()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *the input of Linear is not known*", "E *to do: benchbench_counts(model, (1, 3, 256, 256))"]
    )
