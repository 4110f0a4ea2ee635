"""The Python face: build, replace and count, without a suite."""

from __future__ import annotations

import benchbench as bb


def main() -> None:
    """Print what exchanging each stage of the style-transfer net would save."""
    model = bb.build("transformer_net")
    before = bb.count(model)
    print(f"{'as published':12} {before.parameters:>9,} parameters {before.macs:>14,} MACs")
    for stage in ("encoder", "residual", "decoder"):
        light = bb.replace(model, stages=[stage], by="depthwise_separable")
        after = bb.count(light)
        saved = 1 - after.parameters / before.parameters
        print(f"{stage:12} {after.parameters:>9,} parameters {after.macs:>14,} MACs  ({saved:.1%} fewer)")


if __name__ == "__main__":
    main()
