from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from benchbench.architectures.build import build_architecture
from benchbench.core.suite import ArchitectureSpec


@pytest.mark.slow
def test_nothing_is_declared_or_imported_before_torchvision_is() -> None:
    program = (
        "import sys, torch\n"
        "from benchbench.core.torchvision_schemas import declare_when_imported\n"
        "declare_when_imported(); declare_when_imported()\n"
        "assert not hasattr(torch.ops.torchvision, 'nms')\n"
        "assert 'torchvision' not in sys.modules\n"
        "import torchvision\n"
        "assert hasattr(torch.ops.torchvision, 'nms')\n"
        "assert not [each for each in sys.meta_path if 'Torchvision' in type(each).__name__]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_segmentation_network_of_torchvision_is_built_and_its_stages_guessed() -> None:
    spec = ArchitectureSpec.model_validate(
        {
            "import": "torchvision.models.segmentation:lraspp_mobilenet_v3_large",
            "kwargs": {"weights": None, "weights_backbone": None},
            "input": [1, 3, 256, 256],
        }
    )
    with torch.device("meta"):
        built = build_architecture(spec)
    assert built.stages_guessed
    assert list(built.stages) == ["encoder", "residual", "decoder"]
    assert built.stages["decoder"] == ("classifier.low_classifier", "classifier.high_classifier")
    # torchvision's own page of the weights says 3,221,538 parameters.
    assert sum(weight.numel() for weight in built.module.parameters()) == 3_221_538
