"""How well a generator can make images that it has not seen: latents that are searched for (Liu et al. 2021).

"Back-tracking": for each held-out image a latent is moved by gradient descent so that what the generator
makes of it comes close. A generator that knows its training images by heart stays far from others. The paper
trains on nine images of ten, moves each latent 1,000 times and tells the mean LPIPS; it does not say how they
are moved: Adam at 0.01 from seeded normal latents, on the very distance that is told, is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from benchbench.core.arguments import assemble
from benchbench.core.contracts import Measure, MeasureContext, Measured, Subject
from benchbench.core.errors import DataError, MeasurementError, OptionError
from benchbench.core.examples import ImageSet
from benchbench.core.measurement import Failure, ImageRecord, Measurement, Protocol
from benchbench.core.model import JsonValue, Options
from benchbench.core.precise import full_precision
from benchbench.core.registry import ARCHITECTURES
from benchbench.data.images import digest_of, write_png
from benchbench.measures.quality.evaluate import choose_device
from benchbench.measures.quality.progress import show_progress
from benchbench.quality.intervals import mean_interval
from benchbench.quality.lpips_weights import Lpips, LpipsOptions, load_lpips

_NAME = "backtracking"
Distances = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Two batches [N, 3, H, W] in 0..1 -> [N]."""


class BacktrackingOptions(Options):
    """Options of the measure.

    Attributes:
        images: how many test images; all unless said.
        steps: updates of each latent; the paper's.
        distance: what is minimised and told: `l2`, the mean square over pixels in 0..1, which needs no
            weights, or `lpips`, the paper's.
        lpips: the network and weights of LPIPS.
        lr: Adam's learning rate.
        seed: of the latents that the search begins with.
        batch: images at once; they do not touch each other.
        samples: how many images are shown beside what was found.
        range: of the network's pixels, -1..1 (`signed`) or 0..1 (`unit`); an imported one must say it.
        resamples: of the bootstrap over images.
        device: where networks run; `auto` is a GPU where there is one.
    """

    images: Annotated[int, Field(ge=2)] | None = None
    steps: Annotated[int, Field(ge=1)] = 1000
    distance: Literal["l2", "lpips"] = "l2"
    lpips: LpipsOptions = LpipsOptions()
    lr: Annotated[float, Field(gt=0)] = 0.01
    seed: Annotated[int, Field(ge=0)] = 0
    batch: Annotated[int, Field(ge=1, le=4096)] = 8
    samples: Annotated[int, Field(ge=0, le=64)] = 4
    range: Literal["signed", "unit"] | None = None
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    device: str = "auto"


def measure_backtracking(subject: Subject, options: BacktrackingOptions, context: MeasureContext) -> Measured:
    """Mean distance of held-out images from what the generator makes of the latents found for them.

    Raises:
        CheckpointError: weights of LPIPS that were asked for are not here.
        DataError: fewer test images than asked for, or of another size than the generator's.
        DependencyError: LPIPS is not installed.
        MeasurementError: a search that leaves the numbers.
        OptionError: a range that nobody says, or a device that is not here.
    """
    if len(subject.inputs) != 1 or subject.inputs[0].dim() != 2 or any(each.field for each in subject.specs):
        return _unsupported(f"'{subject.name}' is not made of one latent vector", None)
    try:
        test = context.images().test
    except DataError as error:
        return _unsupported(error.problem, error.fix)
    count = options.images or len(test)
    if count < 2 or count > len(test):
        raise DataError(
            f"backtracking: {count} images, and the data have {len(test)} test images",
            expected="two or more test images",
            fix="give the data source more 'test' images, or ask for fewer",
        )
    device = torch.device(choose_device(options.device))
    signed = _range(subject, options) == "signed"
    lpips = load_lpips(options.lpips, device=str(device)) if options.distance == "lpips" else None
    progress = show_progress(f"{subject.name}: back-tracking", context.say)
    values: list[float] = []
    records: list[ImageRecord] = []
    with _still(subject.module, device), full_precision():
        for start in range(0, count, options.batch):
            indices = range(start, min(start + options.batch, count))
            wanted = torch.stack([test[index] for index in indices]).to(device).float() / 255
            found, distances = _search(
                subject, wanted, indices, options, signed=signed, distances=_distances_of(lpips)
            )
            values += distances.double().tolist()
            shown = [place for place, index in enumerate(indices) if index < options.samples]
            for place in shown:
                records += _keep(
                    wanted[place], found[place], indices[place], test, subject, context, kind=options.distance
                )
            progress(len(values), count)
    return Measured(
        measurements=(_measurement(values, test, count, options, lpips, context),), images=tuple(records)
    )


def _search(
    subject: Subject,
    wanted: torch.Tensor,
    indices: range,
    options: BacktrackingOptions,
    *,
    signed: bool,
    distances: Distances,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures [N, 3, H, W] in 0..1 of the latents found, and their distances [N], on the CPU."""
    size = subject.inputs[0].shape[1]
    starts = [torch.Generator().manual_seed(options.seed * 1_000_003 + index) for index in indices]
    drawn = torch.stack([torch.randn(size, generator=each) for each in starts])
    latents = drawn.to(wanted.device).requires_grad_()
    adam = torch.optim.Adam([latents], lr=options.lr)

    def make() -> torch.Tensor:
        # Whatever noise the network draws is the same in every step.
        torch.manual_seed(options.seed)
        args, kwargs = assemble([latents], list(subject.places) or [""])
        made = subject.module(*args, **kwargs)
        if not isinstance(made, torch.Tensor) or made.shape != wanted.shape:
            shape = list(made.shape[1:]) if isinstance(made, torch.Tensor) else type(made).__name__
            raise DataError(
                f"backtracking: '{subject.name}' makes {shape}, and the test images are"
                f" {list(wanted.shape[1:])}",
                expected="one size",
            )
        return (made.float() + 1) / 2 if signed else made.float()

    with torch.random.fork_rng(devices=[wanted.device] if wanted.is_cuda else []):
        for _ in range(options.steps):
            adam.zero_grad(set_to_none=True)
            # A sum: no image's gradient knows how many there are.
            distances(make(), wanted).sum().backward()  # type: ignore[no-untyped-call]
            adam.step()
        with torch.no_grad():
            made = make()
            told = distances(made, wanted)
    if not bool(torch.isfinite(told).all()):
        raise MeasurementError(
            f"'{subject.name}': a distance is no number after {options.steps} steps",
            expected="finite distances",
            fix="lower 'lr'",
        )
    return made.clamp(0, 1).cpu(), told.cpu()


def _distances_of(lpips: Lpips | None) -> Distances:
    if lpips is None:
        return lambda made, wanted: (made - wanted).square().mean(dim=(1, 2, 3))
    network = lpips.network
    return lambda made, wanted: network(made * 2 - 1, wanted * 2 - 1).reshape(-1)


def _measurement(
    values: list[float],
    test: ImageSet,
    count: int,
    options: BacktrackingOptions,
    lpips: Lpips | None,
    context: MeasureContext,
) -> Measurement:
    settings: dict[str, JsonValue] = {
        "distance": options.distance if lpips is None else lpips.name,
        "steps": options.steps,
        "optimizer": "Adam, betas 0.9 and 0.999",
        "lr": options.lr,
        "start": "seeded normal latents",
        "seed": options.seed,
        "images": count,
        "images_digest": digest_of([test[index] for index in range(count)]),
        "aggregate": "mean",
    }
    flags: tuple[str, ...] = ()
    if lpips is not None:
        settings |= {"lpips": dict(lpips.settings), "weights_hash": lpips.weights_hash}
        flags = () if lpips.comparable else (f"{lpips.name}: not comparable to the literature",)
    return Measurement(
        name=f"{_NAME}_{options.distance}",
        setting="" if lpips is None else lpips.name,
        unit="1",
        direction="lower",
        value=sum(values) / count,
        samples=(tuple(values),),
        interval=mean_interval(values, resamples=options.resamples, seed=context.seed),
        protocol=Protocol(name=_NAME, settings=settings),
        provenance="benchbench.measures.backtracking",
        flags=flags,
    )


def _keep(
    wanted: torch.Tensor,
    found: torch.Tensor,
    index: int,
    test: ImageSet,
    subject: Subject,
    context: MeasureContext,
    *,
    kind: str,
) -> tuple[ImageRecord, ...]:
    if context.folder is None:
        return ()
    pictures: tuple[tuple[Literal["reference", "output"], torch.Tensor], ...] = (
        ("reference", wanted.cpu()),
        ("output", found),
    )
    records = []
    name = subject.cell.id if subject.cell is not None else subject.name
    for role, picture in pictures:
        path = f"samples/{name}/{_NAME}-{kind}-{role}-{index}.png"
        write_png(context.folder / path, picture)
        caption = f"{test.names[index]}, back-tracked by {kind}" if role == "output" else test.names[index]
        # A training's grid is 0.
        records.append(ImageRecord(path=path, role=role, index=index + 1, caption=caption))
    return tuple(records)


@contextmanager
def _still(module: nn.Module, device: torch.device) -> Iterator[None]:
    """The network on `device`, in eval mode, its weights without gradients; afterwards as it was."""
    home = next((each.device for each in module.parameters()), torch.device("cpu"))
    moved = [each for each in module.parameters() if each.requires_grad]
    was_training = module.training
    try:
        module.to(device).eval().requires_grad_(requires_grad=False)
        yield
    finally:
        for each in moved:
            each.requires_grad_(True)
        module.to(home).train(was_training)


def _range(subject: Subject, options: BacktrackingOptions) -> str:
    spec = subject.cell.architecture if subject.cell is not None else None
    if options.range is not None:
        return options.range
    if spec is None or spec.name is None:
        raise OptionError(
            f"'{subject.name}' does not say the range of its pixels",
            expected="range: signed (-1..1) or range: unit (0..1)",
            fix="add it to the measure",
        )
    return ARCHITECTURES.load(spec.name).values


def _unsupported(reason: str, fix: str | None) -> Measured:
    return Measured(failures=(Failure(of=_NAME, kind="unsupported", reason=reason, fix=fix),))


measure = Measure(
    options=BacktrackingOptions,
    per_cell=measure_backtracking,
    needs="gradients",
    names=("backtracking_l2", "backtracking_lpips"),
)
