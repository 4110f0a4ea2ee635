from __future__ import annotations

from pathlib import Path

import pytest

from benchbench.core.host import (
    Cache,
    parse_cpu_list,
    read_affinity,
    read_caches,
    read_cpu_model,
    read_cpu_quota,
    read_cpu_times,
    read_governor,
    read_load,
    read_memory_bytes,
    read_smt,
    read_turbo,
    steal_share,
    usable_cpus,
)


def machine(root: Path, **files: str) -> Path:
    """A file system root with these files; `__` stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CPU = "sys__devices__system__cpu__"
EIGHT = {f"{CPU}online": "0-7\n", "proc__self__status": "Name:\tpython\nCpus_allowed_list:\t0-3,6\n"}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0-2,8\n", (0, 1, 2, 8)), ("5", (5,)), ("", None), ("all", None)],
)
def test_the_kernels_cpu_lists_are_understood(text: str, numbers: tuple[int, ...] | None) -> None:
    assert parse_cpu_list(text) == numbers


def test_affinity_counts_and_not_the_number_of_cpus(tmp_path: Path) -> None:
    root = machine(tmp_path, **EIGHT)
    assert read_affinity(root=root) == (0, 1, 2, 3, 6)
    assert usable_cpus(root=root) == 5


def test_cgroup_v2_quota_of_an_enclosing_group_binds(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        **EIGHT,
        proc__self__cgroup="0::/kube/pod/leaf\n",
        sys__fs__cgroup__kube__pod__leaf__x="",
        **{"sys__fs__cgroup__kube__pod__leaf__cpu.max": "max 100000\n"},
        **{"sys__fs__cgroup__kube__cpu.max": "250000 100000\n"},
    )
    assert read_cpu_quota(root=root) == 2.5
    assert usable_cpus(root=root) == 2


def test_cgroup_v1_quota(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        **EIGHT,
        proc__self__cgroup="4:memory:/box\n3:cpu,cpuacct:/box\n0::/\n",
        **{"sys__fs__cgroup__cpu,cpuacct__box__cpu.cfs_quota_us": "50000\n"},
        **{"sys__fs__cgroup__cpu,cpuacct__box__cpu.cfs_period_us": "100000\n"},
        **{"sys__fs__cgroup__cpu,cpuacct__cpu.cfs_quota_us": "-1\n"},
        **{"sys__fs__cgroup__cpu,cpuacct__cpu.cfs_period_us": "100000\n"},
    )
    assert read_cpu_quota(root=root) == 0.5
    assert usable_cpus(root=root) == 1


def test_a_container_sees_its_own_group_at_the_mount(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        **EIGHT,
        proc__self__cgroup="0::/a/path/of/the/host\n",
        **{"sys__fs__cgroup__cpu.max": "300000 100000\n"},
    )
    assert usable_cpus(root=root) == 3


def test_an_unknown_machine_has_no_facts_but_at_least_one_cpu(tmp_path: Path) -> None:
    for reader in (read_affinity, read_cpu_quota, read_memory_bytes, read_cpu_model, read_smt, read_turbo):
        assert reader(root=tmp_path) is None
    load = read_load(root=tmp_path, sleep=lambda _: None)
    assert (load.load_1min, load.pressure_cpu_some_10s, load.steal_share) == (None, None, None)
    assert usable_cpus(root=tmp_path) >= 1


def test_memory_is_the_machines_or_the_cgroups_whichever_is_less(tmp_path: Path) -> None:
    root = machine(tmp_path, proc__meminfo="MemTotal:       16777216 kB\nMemFree: 1 kB\n")
    assert read_memory_bytes(root=root) == 16 * 2**30
    machine(root, proc__self__cgroup="0::/\n", **{"sys__fs__cgroup__memory.max": f"{2**30}\n"})
    assert read_memory_bytes(root=root) == 2**30


def test_facts_of_the_cpu(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        proc__cpuinfo="processor\t: 0\nmodel name\t: Example 9000\n",
        **{f"{CPU}smt__active": "1\n", f"{CPU}cpu0__cpufreq__scaling_governor": "powersave\n"},
        **{f"{CPU}intel_pstate__no_turbo": "1\n"},
    )
    assert read_cpu_model(root=root) == "Example 9000"
    assert read_smt(root=root) is True
    assert read_governor(root=root) == "powersave"
    assert read_turbo(root=root) is False


def test_turbo_of_other_drivers(tmp_path: Path) -> None:
    assert read_turbo(root=machine(tmp_path, **{f"{CPU}cpufreq__boost": "1\n"})) is True


def test_load_takes_steal_over_the_interval(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        proc__loadavg="1.25 0.80 0.50 2/300 4242\n",
        proc__pressure__cpu="some avg10=7.50 avg60=1.00 avg300=0.10 total=1\nfull avg10=0.00\n",
        proc__stat="cpu  100 0 100 800 0 0 0 10 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n",
    )

    def an_interval_later(seconds: float) -> None:
        assert seconds == 0.5
        machine(root, proc__stat="cpu  160 0 100 820 0 0 0 30 0 0\n")

    load = read_load(root=root, interval_s=0.5, sleep=an_interval_later)
    assert load.load_1min == 1.25
    assert load.pressure_cpu_some_10s == 7.5
    assert load.steal_share == pytest.approx(0.2)


def test_steal_is_unknown_when_no_time_has_passed(tmp_path: Path) -> None:
    times = read_cpu_times(root=machine(tmp_path, proc__stat="cpu  1 2 3 4 5 6 7 8 9 10\n"))
    assert times == (1, 2, 3, 4, 5, 6, 7, 8)
    assert steal_share(times, times) is None
    assert steal_share(None, times) is None


def test_caches_that_cpus_share_count_once_and_those_of_other_cpus_do_not(tmp_path: Path) -> None:
    root = machine(tmp_path, **EIGHT)
    for number in range(8):
        kept = [
            ("1", "Data", "48K", number),
            ("1", "Instruction", "32K", number),
            ("2", "Unified", "1024K", number),
            ("3", "Unified", "32M", "0-3" if number < 4 else "4-7"),
        ]
        for index, (level, kind, size, sharing) in enumerate(kept):
            files = {"level": level, "type": kind, "size": size, "shared_cpu_list": f"{sharing}"}
            folder = f"{CPU}cpu{number}__cache__index{index}__"
            machine(root, **{f"{folder}{name}": f"{text}\n" for name, text in files.items()})
    assert read_caches(root=root) == (Cache(1, 49152, 5), Cache(2, 2**20, 5), Cache(3, 2**25, 2))


def test_a_system_that_is_silent_about_caches_has_none(tmp_path: Path) -> None:
    folder = f"{CPU}cpu0__cache__index0__"
    root = machine(tmp_path, **EIGHT, **{f"{folder}level": "2", f"{folder}size": "many"})
    assert read_caches(root=root) == ()
    assert read_caches(root=tmp_path / "nowhere") == ()
