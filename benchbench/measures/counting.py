"""Count parameters, MACs and element-wise operations of any module; the contract is docs/macs.md."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from benchbench.core.contracts import Stages
from benchbench.core.layer_record import LayerCount
from benchbench.core.model import Frozen
from benchbench.core.stages import origin_of, stage_of
from benchbench.measures.dispatch import Tally, Work
from benchbench.measures.example import Inputs, read_inputs
from benchbench.measures.forward import run_counted

__all__ = ["Counts", "Inputs", "StageCount", "count"]


class StageCount(Frozen):
    """The layers of one stage together; `stage` None is everything that no stage names.

    Costs are sums, `peak_activation_bytes` is the largest of the layers'.
    """

    stage: str | None
    parameters: int = 0
    macs: int = 0
    macs_output_size: int = 0
    elementwise: dict[str, int]
    peak_activation_bytes: int = 0


class Counts(Frozen):
    """What a module costs at one input, in eval mode.

    Attributes:
        parameters: elements of all parameters, a shared one once.
        trainable_parameters: those that require a gradient.
        buffers: elements of all buffers.
        macs: multiply-accumulates; a transposed convolution at its input size.
        macs_output_size: the same with a transposed convolution at its output size.
        elementwise: element-wise operations by kind: norm, activation, bias, padding, ...
        peak_activation_bytes: the most bytes of inputs, outputs and what lies between that are alive at
            one moment; of a layer, while it is at work. docs/macs.md says what counts.
        layers: the same by innermost module, in the module's order.
        input_shapes: what was fed.
        device: `meta`, or the real device where the module could not be run on meta.
        unchecked_macs: the part of `macs` from operators that FlopCounterMode does not know.
        notes: why it was not run on meta.
    """

    parameters: int
    trainable_parameters: int
    buffers: int
    macs: int
    macs_output_size: int
    elementwise: dict[str, int]
    peak_activation_bytes: int = 0
    layers: tuple[LayerCount, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    device: str
    unchecked_macs: int = 0
    notes: tuple[str, ...] = ()

    def by_stage(self) -> tuple[StageCount, ...]:
        """Costs by stage, in the order in which the stages are first met."""
        rows: dict[str | None, StageCount] = {}
        for layer in self.layers:
            row = rows.get(layer.stage, StageCount(stage=layer.stage, elementwise={}))
            rows[layer.stage] = StageCount(
                stage=layer.stage,
                parameters=row.parameters + layer.parameters,
                macs=row.macs + layer.macs,
                macs_output_size=row.macs_output_size + layer.macs_output_size,
                elementwise=_sum(row.elementwise, layer.elementwise),
                peak_activation_bytes=max(row.peak_activation_bytes, layer.peak_activation_bytes),
            )
        return tuple(rows.values())


def count(
    model: nn.Module,
    inputs: Inputs | None = None,
    *,
    stages: Stages | None = None,
    places: Sequence[str] = (),
) -> Counts:
    """Parameters, MACs, element-wise operations and activation memory of one forward pass of `model`.

    Runs on the meta device (no arithmetic, no weights copied) unless the module keeps plain
    tensors or cannot run there. Modes, hooks, weights and buffers are left as they were, also
    after an error.

    Args:
        model: any module; a compiled one is counted as it was before.
        inputs: one shape (1, 3, 256, 256), a tensor, an InputSpec, or a sequence of them, one per
            positional argument; by keyword in a mapping: `{"x": (1, 3, 8, 8), "t": InputSpec(...)}`. A
            mapping within is an argument that is a dictionary. None takes those of the architecture.
        stages: stage name -> module paths or globs. None takes those of the architecture.
        places: where each of a sequence of `inputs` goes in the call, as core/arguments.py says.

    Raises:
        MeasurementError: no inputs are known, or the forward pass fails on them.
        UnsupportedOperatorError: an operator computes and has no counting rule; it is named.
        CountMismatchError: torch's FlopCounterMode arrives at another figure.
    Source: Sovrasov's and fvcore's operator counts, less what docs/macs.md excludes; figures agree
        with fvcore, ptflops and FlopCounterMode in tests/measures/test_counting_peers.py.
    """
    model = getattr(model, "_orig_mod", model)
    origin = origin_of(model)
    values, read_places = read_inputs(inputs if inputs is not None else origin.inputs if origin else None)
    known_stages = stages if stages is not None else (origin.stages if origin else {})

    tally, device, notes = run_counted(model, values, places=places or read_places)
    layers = _layers(model, tally, known_stages)
    parameters = list(model.parameters())
    elementwise: dict[str, int] = {}
    for layer in layers:
        elementwise = _sum(elementwise, layer.elementwise)
    return Counts(
        parameters=sum(each.numel() for each in parameters),
        trainable_parameters=sum(each.numel() for each in parameters if each.requires_grad),
        buffers=sum(each.numel() for each in model.buffers()),
        macs=sum(layer.macs for layer in layers),
        macs_output_size=sum(layer.macs_output_size for layer in layers),
        elementwise=elementwise,
        peak_activation_bytes=tally.activations.peak_bytes,
        layers=layers,
        input_shapes=tuple(tuple(each.shape) for each in values),
        device=device,
        unchecked_macs=tally.unchecked_macs,
        notes=notes,
    )


def _layers(model: nn.Module, tally: Tally, stages: Stages) -> tuple[LayerCount, ...]:
    rows = []
    counted: set[Tensor] = set()
    for path, module in model.named_modules():
        own = [each for each in module.parameters(recurse=False) if each not in counted]
        counted.update(own)
        if path not in tally.layers and not own:
            continue
        work = tally.layers.get(path, Work())
        rows.append(
            LayerCount(
                path=path,
                kind=type(module).__name__,
                stage=stage_of(path, stages),
                parameters=sum(each.numel() for each in own),
                macs=work.macs,
                macs_output_size=work.macs_output_size,
                elementwise=dict(work.elementwise),
                peak_activation_bytes=work.peak_activation_bytes,
                output_shape=work.output_shape,
            )
        )
    return tuple(rows)


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {kind: left.get(kind, 0) + right.get(kind, 0) for kind in sorted({*left, *right})}
