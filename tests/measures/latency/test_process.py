from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from benchbench.core.contracts import Subject
from benchbench.core.errors import MeasurementError
from benchbench.measures.latency import LatencyOptions, compare_latency
from benchbench.measures.latency import process as process_module
from benchbench.measures.latency.process import CONTROL, take

QUICK = {"min_seconds": 0.0, "warmup_s": 0.001, "warmup_limit_s": 0.05, "budget_s": 0.2, "min_rounds": 5}


def options(**declared: Any) -> LatencyOptions:
    return LatencyOptions.model_validate({"threads": torch.get_num_threads(), **QUICK, **declared})


def subject(name: str, *, batch: int = 1) -> Subject:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    return Subject(name, module, (torch.ones(batch, 3, 8, 8),), build_s=0.5, load_s=0.25)


@pytest.fixture(autouse=True)
def no_roofs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "measure_roofs", lambda timer, device: (2.0, 1.0))


def test_a_process_brings_back_aligned_rounds_of_all_and_of_the_control() -> None:
    built: list[Subject] = []

    def builder(name: str) -> Any:
        def build() -> Subject:
            built.append(subject(name))
            return built[-1]

        return build

    found = take({"base": builder("base"), "light": builder("light")}, options(), 0, 0)
    assert set(found.samples) == {"base", "light", CONTROL}
    assert len({len(values) for values in found.samples.values()}) == 1
    # Once to load what building loads, once to be measured, once more as the control.
    assert [each.name for each in built].count("base") == 3
    assert not any(each.module.training for each in built[2:])
    assert set(found.cold_start) == {"base", "light"}
    build_s, load_s, first_call_s = found.cold_start["light"]
    assert build_s == 0.5
    assert load_s > 0.25
    assert first_call_s > 0
    assert found.settings["torch_threads"] == torch.get_num_threads()
    assert (found.settings["dtype"], found.settings["compile_mode"]) == ("float32", "eager")
    assert found.settings["repeats base"]
    assert gc.isenabled()


def test_channels_last_is_that_of_weights_and_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[bool] = set()
    probe = subject("base")
    probe.module.register_forward_pre_hook(
        lambda _, inputs: seen.add(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    take({"base": lambda: probe}, options(memory_format="channels_last"), 0, 0)
    assert seen == {True}
    assert probe.module[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_another_number_of_threads_than_declared_is_an_error() -> None:
    with pytest.raises(MeasurementError, match="were declared"):
        take({"base": lambda: subject("base")}, options(threads=torch.get_num_threads() + 1), 0, 0)


def test_the_papers_protocol_is_at_batch_one() -> None:
    with pytest.raises(MeasurementError, match="batch 1, the inputs have 2"):
        take({"base": lambda: subject("base", batch=2)}, options(protocol="gan_compression"), 0, 0)
    found = take({"base": lambda: subject("base")}, options(protocol="gan_compression"), 0, 0)
    assert len(found.samples["base"]) == 100


def test_comparing_modules_in_a_notebook(fake_timer: Any) -> None:
    frozen = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4).eval()).train()
    frozen[1].eval()
    light = nn.Conv2d(3, 4, 1).eval()
    timer = fake_timer()
    for module, seconds in ((frozen, 0.2), (light, 0.1)):
        module.register_forward_hook(lambda *_, seconds=seconds: _pass(timer, seconds))
    found = compare_latency({"base": frozen, "light": light}, [1, 3, 8, 8], timer=timer)
    assert found.baseline == "base"
    assert found.speedup["light"].value == pytest.approx(2.0)
    assert set(found.speedup) == {"light"}
    assert 1.0 in found.aa_control.interval
    assert found.latency_s["base"].median == pytest.approx(0.2)
    assert (frozen.training, frozen[0].training, frozen[1].training) == (True, True, False)
    assert not light.training
    assert "2.000x [2.000, 2.000]" in str(found)
    assert "A/A control 1.000: its interval holds 1" in str(found)


def _pass(timer: Any, seconds: float) -> None:
    timer.clock_s += seconds


def test_one_module_alone_is_compared_with_itself(fake_timer: Any) -> None:
    timer = fake_timer()
    module = nn.Conv2d(3, 4, 1)
    module.register_forward_hook(lambda *_: _pass(timer, 0.1))
    found = compare_latency({"only": module}, (torch.ones(2, 3, 4, 4),), timer=timer)
    assert found.speedup == {}
    assert found.aa_control.value == pytest.approx(1.0)


@pytest.mark.parametrize("inputs", [[], [1, 3.5], [1, 0], [torch.ones(1), 3], torch.ones(1, 3, 8, 8), "1,3"])
def test_inputs_that_are_neither_shape_nor_tensors_are_named(inputs: Any) -> None:
    with pytest.raises(MeasurementError, match="neither a shape nor tensors") as caught:
        compare_latency({"base": nn.Conv2d(3, 4, 1)}, inputs)
    assert caught.value.expected is not None


def test_inputs_that_a_module_does_not_take_leave_it_as_it_was() -> None:
    module = nn.Conv2d(3, 4, 1).train()
    with pytest.raises(MeasurementError, match="module 'base' does not take these inputs"):
        compare_latency({"base": module}, [1, 5, 8, 8])
    assert module.training
    assert gc.isenabled()
    assert not torch.is_inference_mode_enabled()


def test_no_module_or_no_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MeasurementError, match="no module to compare"):
        compare_latency({}, [1, 3, 8, 8])
    with pytest.raises(MeasurementError, match="'cuda' is not available"):
        compare_latency({"base": nn.Conv2d(3, 4, 1)}, [1, 3, 8, 8], device="cuda")


def normed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(spectral_norm(nn.Conv2d(3, 4, 3)), nn.ReLU(), spectral_norm(nn.Conv2d(4, 4, 1)))


def test_spectral_norm_is_folded_and_that_is_told() -> None:
    built: list[Subject] = []

    def build() -> Subject:
        built.append(Subject("light", normed(), (torch.ones(1, 3, 8, 8),)))
        return built[-1]

    builders = {"base": lambda: subject("base"), "light": build}
    found = take(builders, options(), 0, 0)
    assert "spectral norm folded into 2 weights" in found.notes["light"]
    assert not any("folded" in note for note in found.notes.get("base", ()))
    assert type(built[-1].module[0]) is nn.Conv2d
    found = take(builders, options(fold="none"), 0, 0)
    assert not any("folded" in note for note in found.notes.get("light", ()))
    assert type(built[-1].module[0]) is not nn.Conv2d


def test_own_modules_are_folded_as_copies(fake_timer: Any) -> None:
    timer = fake_timer()
    model = normed().train()
    model[1].register_forward_hook(lambda *_: _pass(timer, 0.1))
    state = {key: each.clone() for key, each in model.state_dict().items()}
    found = compare_latency({"only": model}, [1, 3, 8, 8], timer=timer)
    assert found.notes["only"] == ["spectral norm folded into 2 weights"]
    assert [path for path, _ in model.named_parameters()][1] == "0.parametrizations.weight.original"
    assert all(torch.equal(each, state[key]) for key, each in model.state_dict().items())
    assert all(part.training for part in model.modules())


def test_own_module_that_cannot_be_copied_is_timed_as_it_is(fake_timer: Any) -> None:
    timer = fake_timer()
    model = normed()
    model.lock = threading.Lock()
    model[1].register_forward_hook(lambda *_: _pass(timer, 0.1))
    found = compare_latency({"only": model}, [1, 3, 8, 8], timer=timer)
    assert found.notes["only"] == ["norms of weights not folded: it cannot be copied (TypeError)"]


def test_inputs_go_where_the_subject_says() -> None:
    class Named(nn.Module):
        def forward(self, x: torch.Tensor, *, options: dict[str, torch.Tensor]) -> torch.Tensor:
            return x * options["scale"]

    def build() -> Subject:
        inputs = (torch.ones(1, 3, 8, 8), torch.ones(1))
        return Subject("base", Named(), inputs, places=("", "options.scale"))

    assert take({"base": build}, options(), 0, 0).samples["base"]
