"""A small encoder that is trained here, on the reference pictures: it knows what they are made of.

It learns to tell every picture from every other by two crops of each, mirrored or not, and by nothing else:
noise, blur and colour are no augmentations, because features that are taught to overlook damage cannot
measure it (a denoising autoencoder's are; to predict rotations needs pictures with an up and a down).

Sources: Dosovitskiy et al. 2014 and Wu et al. 2018 (instance discrimination); Chen et al. 2020, eq. 1 (the
loss, and the projection that is thrown away); Morozov et al. 2021 (self-supervised features to judge
generators by).
"""

from __future__ import annotations

import hashlib
import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench.core.errors import FeatureError
from benchbench.core.examples import ImageSet
from benchbench.core.features import Extracted, Extractor, FeatureContext, Features
from benchbench.core.model import Options
from benchbench.core.precise import full_precision
from benchbench.quality.encoder_cache import find_encoder, keep_encoder
from benchbench.quality.resize import resize
from benchbench.quality.weights import tensors_hash

VERSION = 1
"""Raised with every change that moves a weight or a feature."""

FEWEST_REFERENCES = 16
MOST_REFERENCES = 4096
"""Of more, those whose content hashes come first are trained on."""

_BATCH = 32
_TEMPERATURE = 0.2
_LEARNING_RATE = 1e-3
_CHANNELS = (32, 64, 64, 96)
# Of the side; smaller crops of one texture are another's as well.
_CROP = 0.75
# A variance that is nothing: a deviation of 6 in 0..255.
_SMALL = 1e-2
# Of the first filters a quarter begins as it is drawn; the others begin as edges alone, amplified, as in
# rand_conv. With plain ones the training relies on flat colour, and weak noise moves no feature.
_EDGE_GAIN = 4.0


class LocalEncoderOptions(Options):
    """Options of the local encoder.

    Attributes:
        dimensions: of a feature vector. As many images are needed as it has dimensions.
        steps: of its training, 32 pictures each.
        side: pictures are resized to it, pixels.
        seed: of its first weights, and of the crops.
    """

    dimensions: Annotated[int, Field(ge=8, le=256)] = 64
    steps: Annotated[int, Field(ge=1, le=100_000)] = 300
    side: Annotated[int, Field(ge=32, le=256)] = 64
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class Encoder(nn.Module):
    """Four convolutions that halve, the mean and log-variance of what each gives, one linear layer.

    Before the asinh, features have mean 0 and deviation 1 on the pictures that it was trained on.

    Args:
        dimensions: of a feature vector.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        inputs = (3, *_CHANNELS[:-1])
        self.layers = nn.ModuleList(
            nn.Conv2d(ins, outs, 3, stride=2, padding=1, device="meta")
            for ins, outs in zip(inputs, _CHANNELS, strict=True)
        )
        self.last = nn.Linear(2 * sum(_CHANNELS), dimensions, device="meta")
        # Whoever makes one draws or loads its weights; torch's own generator is left alone.
        self.to_empty(device="cpu")
        self.register_buffer("centre", torch.zeros(dimensions))
        self.register_buffer("scale", torch.ones(dimensions))

    def forward(self, images: Tensor) -> Tensor:
        """float32 [N, 3, H, W] in 0..255 -> float32 [N, dimensions]."""
        x = (images / 64 - 2).contiguous(memory_format=torch.channels_last)
        pooled = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            mean = x.mean(dim=(2, 3))
            variance = (x - mean[:, :, None, None]).square().mean(dim=(2, 3))
            pooled += [mean, (variance + _SMALL).log()]
        # Linear about zero, a logarithm far out: damage that the training never saw must not drown the rest.
        features: Tensor = (self.last(torch.cat(pooled, dim=1)) - self.centre) / self.scale
        return features.asinh()


def train_encoder(pictures: Tensor, options: LocalEncoderOptions) -> Encoder:
    """The encoder, trained on uint8 [N, 3, side, side] on the CPU.

    One thread, whatever torch is set to: sums of several differ in their last bits, and training lets that
    grow. The same machine makes the same weights again; another kind of processor may not.

    Raises:
        FeatureError: the loss is no number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _train(pictures, options)
    finally:
        torch.set_num_threads(threads)


def _train(pictures: Tensor, options: LocalEncoderOptions) -> Encoder:
    generator = torch.Generator().manual_seed(options.seed)
    encoder = Encoder(options.dimensions)
    projection = nn.Sequential(
        nn.LeakyReLU(0.1),
        nn.Linear(options.dimensions, options.dimensions, device="meta").to_empty(device="cpu"),
    )
    for module in (*encoder.modules(), *projection.modules()):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            _draw(module, generator)
    first = next(encoder.layers.parameters())
    with torch.no_grad():
        edges = first[_CHANNELS[0] // 4 :]
        edges.sub_(edges.mean(dim=(2, 3), keepdim=True)).mul_(_EDGE_GAIN)
    parameters = [*encoder.parameters(), *projection.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=_LEARNING_RATE)
    count = min(_BATCH, len(pictures))
    for step in range(options.steps):
        chosen = pictures[torch.randperm(len(pictures), generator=generator)[:count]].float()
        views = torch.cat([_view(chosen, generator), _view(chosen, generator)])
        loss = contrastive_loss(projection(encoder(views)))
        if not torch.isfinite(loss):
            raise FeatureError(
                f"the local encoder's loss became {float(loss.detach())} at step {step + 1}",
                fix="give another seed, or look whether the reference holds pictures at all",
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    encoder.requires_grad_(requires_grad=False).eval()
    found = torch.cat([encoder(part.float()) for part in torch.split(pictures, 256)]).sinh()
    encoder.centre.copy_(found.mean(dim=0))
    encoder.scale.copy_(found.std(dim=0).clamp(min=1e-3))
    return encoder


def _draw(module: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    fan_in = module.weight[0].numel()
    with torch.no_grad():
        drawn = torch.randn(module.weight.shape, generator=generator, dtype=torch.float64)
        module.weight.copy_(drawn * math.sqrt(2 / fan_in))
        if module.bias is not None:
            module.bias.zero_()


def _view(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """One crop of each, half of them mirrored."""
    side = pictures.shape[-1]
    crop = round(side * _CROP)
    places = torch.randint(side - crop + 1, (len(pictures), 2), generator=generator).tolist()
    mirrored = torch.randint(2, (len(pictures),), generator=generator).tolist()
    cut = []
    for picture, (top, left), turn in zip(pictures, places, mirrored, strict=True):
        view = picture[:, top : top + crop, left : left + crop]
        cut.append(view.flip(-1) if turn else view)
    return torch.stack(cut)


def contrastive_loss(embeddings: Tensor) -> Tensor:
    """Two views of N pictures, [2N, D] with i and N + i of one picture -> a scalar.

    Each view has to find its fellow among all others. Source: Chen et al. 2020, eq. 1 (NT-Xent).
    """
    count = len(embeddings) // 2
    units = F.normalize(embeddings, dim=1)
    likeness = (units @ units.T / _TEMPERATURE).masked_fill(torch.eye(2 * count, dtype=torch.bool), -1e9)
    fellows = torch.arange(2 * count).roll(count)
    return F.cross_entropy(likeness, fellows)


def read_pictures(images: ImageSet, side: int) -> Tensor:
    """uint8 [N, 3, side, side], in the order of their contents, whatever theirs is.

    Raises:
        FeatureError: too few of them.
    """
    if len(images) < FEWEST_REFERENCES:
        raise FeatureError(
            f"a local encoder is to be trained on {len(images)} reference images",
            expected=f"{FEWEST_REFERENCES} at least",
            fix="give more, or use rand_conv, which is not trained",
        )
    indices = list(range(len(images)))
    digests = getattr(images, "digests", None)
    if digests is not None:
        indices = sorted(indices, key=lambda index: digests[index])[:MOST_REFERENCES]
    shrunk = [_shrink(images[index], side) for index in indices]
    shrunk.sort(key=lambda picture: hashlib.sha256(picture.numpy().tobytes()).digest())
    return torch.stack(shrunk[:MOST_REFERENCES])


def _shrink(image: Tensor, side: int) -> Tensor:
    resized = resize(image.unsqueeze(0), side=side, how="clean")[0]
    return resized.round().clamp(0, 255).to(torch.uint8)


def load_local_encoder(options: LocalEncoderOptions, context: FeatureContext) -> Extractor:
    """The encoder of this reference, from the cache or trained now.

    Raises:
        FeatureError: there is no reference or too little of it, or the training went wrong.
        StoreError: the cache cannot be written.
    """
    label = f"local-encoder-{options.dimensions}"
    if not context.reference_digest:
        raise FeatureError(
            f"{label} is trained on the reference, and none is known",
            fix="give a reference, or use rand_conv, which is not trained",
        )
    source = {**options.model_dump(mode="json"), "reference": context.reference_digest, "version": VERSION}
    encoder = Encoder(options.dimensions)
    state = find_encoder(context.cache, source, like=encoder.state_dict(), say=context.say)
    if state is None:
        pictures = read_pictures(context.reference(), options.side)
        context.say(f"{label}: training on {len(pictures)} reference images, {options.steps} steps")
        state = train_encoder(pictures, options).state_dict()
        keep_encoder(context.cache, source, state)
    encoder.load_state_dict(state)
    encoder.requires_grad_(requires_grad=False).eval().to(context.device)

    def run(images: Tensor) -> Extracted:
        with torch.inference_mode(), full_precision():
            return Extracted(encoder(images).unsqueeze(1))

    return Extractor(
        label=label,
        # Trained on another reference it has other weights, and figures of the two are never compared.
        weights_hash=tensors_hash(state),
        side=options.side,
        dimensions=options.dimensions,
        run=run,
        fewest_images=options.dimensions,
        settings=source,
        device=context.device,
    )


features = Features(options=LocalEncoderOptions, load=load_local_encoder)
