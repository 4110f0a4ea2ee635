from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from benchbench.core.environment import Gpu
from benchbench.runner import doctor
from benchbench.runner.noise import Noise

QUIET = Noise(repeats=500, median_s=0.004, spread=0.01, p90=1.02, worst=1.5, steal_share=0.0)
NOISY = Noise(repeats=300, median_s=0.004, spread=0.2, p90=1.6, worst=9.0, steal_share=0.05)
GPU = Gpu(name="NVIDIA H200", throttle_reasons=())


@pytest.mark.parametrize(
    ("running", "status"), [((3, 11), "ok"), ((3, 13), "ok"), ((3, 10), "bad"), ((3, 14), "bad")]
)
def test_python_is_held_to_the_tested_versions(running: tuple[int, int], status: str) -> None:
    assert doctor.check_python(running).status == status


def test_the_tested_versions_are_those_of_the_package() -> None:
    from importlib.metadata import metadata

    (low, high) = (".".join(map(str, bound)) for bound in doctor.PYTHON)
    assert set(metadata("benchbench")["Requires-Python"].split(",")) == {f">={low}", f"<{high}"}


def test_packages_are_as_required_here() -> None:
    assert doctor.check_packages().status == "ok"


def test_a_missing_and_an_old_package_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["no-such-package-here>=1", "numpy>=999", "never; extra == 'dev'"]
    monkeypatch.setattr(doctor, "requires", lambda _: wanted)
    finding = doctor.check_packages()
    assert finding.status == "bad"
    assert "no-such-package-here is missing" in finding.what
    assert "numpy" in finding.what
    assert ">=999" in finding.what
    assert "never" not in finding.what
    assert finding.fix == "pip install -c constraints.txt -e ."


def test_torchvision_that_imports_and_one_that_does_not() -> None:
    assert "0.28" in doctor.check_torchvision(query=lambda _: "0.28.0").what
    assert "does not import" in doctor.check_torchvision(query=lambda _: None).what


def test_a_gpu_that_torch_cannot_use_is_a_warning_with_what_to_do() -> None:
    finding = doctor.check_gpu((GPU,), cuda=False)
    assert finding.status == "warn"
    assert finding.fix is not None
    assert "CUDA build of torch" in finding.fix


def test_a_throttled_gpu_is_a_warning() -> None:
    hot = GPU.model_copy(update={"throttle_reasons": ("hardware thermal slowdown",)})
    finding = doctor.check_gpu((GPU, hot), cuda=True)
    assert finding.status == "warn"
    assert "hardware thermal slowdown" in finding.what


def test_no_gpu_and_a_good_gpu_are_both_well() -> None:
    assert "skipped" in doctor.check_gpu((), cuda=False).what
    assert doctor.check_gpu((GPU,), cuda=True).status == "ok"


def test_more_threads_than_the_quota_allows_is_a_warning() -> None:
    finding = doctor.check_threads(usable=2, environ={"OMP_NUM_THREADS": "8"}, torch_threads=8)
    assert finding.status == "warn"
    assert "OMP_NUM_THREADS=8" in finding.what
    assert finding.fix is not None
    assert "OMP_NUM_THREADS=2" in finding.fix
    assert doctor.check_threads(usable=8, environ={}, torch_threads=8).status == "ok"


def test_noise_says_the_figures_and_what_to_do() -> None:
    finding = doctor.check_noise(NOISY)
    assert finding.status == "warn"
    assert finding.what.startswith("noisy: 300 equal pieces of work of 4.00 ms")
    assert "steal 5.0 %" in finding.what
    assert finding.fix is not None
    assert doctor.check_noise(QUIET).fix is None


def test_weights_are_found_named_or_explained(tmp_path: Path) -> None:
    file = tmp_path / "vgg16-397923af.pth"
    nothing = doctor.check_weights(environ={}, candidates=[file])
    assert "seeded random weights" in nothing.what
    assert nothing.fix is not None
    wrong = doctor.check_weights(
        environ={doctor.WEIGHTS_VARIABLE: str(tmp_path / "nowhere")}, candidates=[file]
    )
    assert wrong.status == "bad"
    file.write_bytes(b"weights")
    assert str(file) in doctor.check_weights(environ={}, candidates=[file]).what


@pytest.mark.parametrize(("free", "status"), [(2**40, "ok"), (2**30, "warn"), (2**20, "bad")])
def test_a_small_disk_is_told(tmp_path: Path, free: int, status: str) -> None:
    assert doctor.check_disk(tmp_path, free_bytes=free).status == status


def test_the_real_disk_is_looked_at(tmp_path: Path) -> None:
    assert str(tmp_path) in doctor.check_disk(tmp_path).what


def test_a_held_lock_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "latency.lock"
    assert doctor.check_lock(path).status == "ok"
    with FileLock(path):
        finding = doctor.check_lock(path)
    assert finding.status == "warn"
    assert finding.fix is not None


@pytest.fixture
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    asked: list[float] = []

    def measure(*, seconds: float) -> Noise:
        asked.append(seconds)
        return QUIET

    monkeypatch.setattr(doctor, "measure_noise", measure)
    monkeypatch.setattr(doctor, "probe_gpus", lambda: ())
    monkeypatch.setattr(doctor, "check_torchvision", lambda: doctor.Finding("torchvision", "ok", "as it is"))
    return asked


def test_everything_is_examined(quiet_machine: list[float]) -> None:
    names = [finding.name for finding in doctor.examine()]
    assert names == [
        "python",
        "packages",
        "torchvision",
        "gpu",
        "threads",
        "weights",
        "metrics",
        "backends",
        "noise",
        "disk",
        "lock",
    ]
    assert quiet_machine == [5.0]


def test_without_torch_the_rest_is_still_examined(
    quiet_machine: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda _: None)
    assert [finding.name for finding in doctor.examine()] == ["python", "packages", "noise", "disk", "lock"]


def test_backends_that_want_a_gpu_are_not_offered_without_one() -> None:
    found = doctor.check_backends(())
    usable, _, rest = found.what.partition(" can be used")
    assert "eager" in usable
    assert "cuda_graph" not in usable
    assert "without a GPU not cuda_graph" in rest
