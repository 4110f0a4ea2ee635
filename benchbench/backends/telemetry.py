"""The inference libraries report their use over the network, and keep an identity in the home directory."""

from __future__ import annotations

import functools
import os


@functools.cache
def decline_telemetry() -> None:
    """Answer for this process, and those that it starts, that nobody consented: nothing is sent or written.

    It has to be called before onnxruntime, openvino or nncf is imported: each registers as it is imported,
    ONNX Runtime from version 1.29 on. A value of `ORT_DISABLE_TELEMETRY` that is set already stays.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        from openvino_telemetry.utils import opt_in_checker, sender
    except ImportError:
        return  # what is not installed sends nothing
    declined = opt_in_checker.ConsentCheckResult.DECLINED
    opt_in_checker.OptInChecker.check = lambda *_args, **_kwargs: declined
    # For whoever imported one of them before.
    sender.TelemetrySender.send = lambda *_args, **_kwargs: None
