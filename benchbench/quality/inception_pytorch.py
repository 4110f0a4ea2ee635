"""FID's Inception-v3 as pytorch-fid ported it, with its legacy resizing unless told otherwise.

Built from clean-fid's own classes, loaded from pytorch-fid's file.
Sources: Szegedy et al. 2016; Heusel et al. 2017; Seitzer 2020 (pytorch-fid).
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from benchbench.core.errors import CheckpointError, DependencyError
from benchbench.core.features import Extractor, FeatureContext, Features
from benchbench.core.torchvision_schemas import declare_missing_operators
from benchbench.quality.inception import InceptionOptions, make_extractor
from benchbench.quality.weights import PinnedFile, find_pinned, read_state, torch_checkpoints

STATE = PinnedFile(
    what="FID's Inception-v3 (pytorch-fid's state dict)",
    name="pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    places=(torch_checkpoints(),),
    download_mib=92,
    # torch-fidelity and torchmetrics keep the same file under their name.
    aliases=("weights-inception-2015-12-05-6726825d.pth",),
)


class InceptionPytorchOptions(InceptionOptions):
    """Options of the extractor; those of `inception`, with pytorch-fid's resizing."""

    resize: Literal["clean", "legacy"] = "legacy"


def load_inception_pytorch(options: InceptionPytorchOptions, context: FeatureContext) -> Extractor:
    """The network with its weights.

    Raises:
        CheckpointError: the file is missing, has another hash, or does not fit.
        DependencyError: clean-fid or torchvision cannot be imported.
        MeasurementError: its faster form gives other features.
    """
    path, digest = find_pinned(STATE, given=options.weights, sha256=options.sha256)
    network = build_network()
    state = dict(read_state(path, what=STATE.what))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{STATE.what}: {path} does not fit ({' '.join(str(error).split())[:300]})",
            expected="pytorch-fid's state dict",
        ) from None
    head = network.get_parameter("fc.weight").detach().to(context.device)
    layers = in_order(network).to(context.device)
    return make_extractor(
        "inception_pytorch",
        layers,
        lambda images: images / 255 * 2 - 1,
        options,
        context,
        digest=digest,
        head=head,
        registered=digest == STATE.sha256,
        names={"legacy": ("fid", "kid"), "clean": ()},
    )


def build_network() -> nn.Module:
    """pytorch-fid's network with random weights: torchvision's Inception-v3 with FID's own blocks.

    Raises:
        DependencyError: clean-fid or torchvision cannot be imported.
    """
    declare_missing_operators()
    try:
        from cleanfid import inception_pytorch as cleanfid
        from torchvision.models import inception_v3
    except (ImportError, RuntimeError) as error:
        raise DependencyError(
            f"pytorch-fid's Inception needs clean-fid and torchvision: {error}",
            fix="pip install clean-fid torchvision",
        ) from None
    network: nn.Module = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    blocks = {
        "Mixed_5b": cleanfid.FIDInceptionA(192, pool_features=32),
        "Mixed_5c": cleanfid.FIDInceptionA(256, pool_features=64),
        "Mixed_5d": cleanfid.FIDInceptionA(288, pool_features=64),
        "Mixed_6b": cleanfid.FIDInceptionC(768, channels_7x7=128),
        "Mixed_6c": cleanfid.FIDInceptionC(768, channels_7x7=160),
        "Mixed_6d": cleanfid.FIDInceptionC(768, channels_7x7=160),
        "Mixed_6e": cleanfid.FIDInceptionC(768, channels_7x7=192),
        "Mixed_7b": cleanfid.FIDInceptionE_1(1280),
        "Mixed_7c": cleanfid.FIDInceptionE_2(2048),
    }
    for name, block in blocks.items():
        setattr(network, name, block)
    return network.eval().requires_grad_(requires_grad=False)


def in_order(network: nn.Module) -> nn.Sequential:
    """Standardised images -> [N, 2048, 1, 1], in pytorch-fid's order of blocks."""
    names = (
        *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "", "Conv2d_3b_1x1", "Conv2d_4a_3x3", ""),
        *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
        *("Mixed_7a", "Mixed_7b", "Mixed_7c"),
    )
    blocks = [network.get_submodule(name) if name else nn.MaxPool2d(3, stride=2) for name in names]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1)).eval()


features = Features(options=InceptionPytorchOptions, load=load_inception_pytorch)
