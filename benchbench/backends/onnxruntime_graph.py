"""What ONNX Runtime made of a graph: read from the optimised copy that it writes, and from its profile."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchbench.core.backends import Setup
from benchbench.core.deployment_record import OperatorNote

_CONVOLUTIONS = frozenset({"Conv", "FusedConv", "QLinearConv", "ConvTranspose"})
_ACTIVATIONS = frozenset({"Relu", "LeakyRelu", "Tanh", "Sigmoid", "Clip", "HardSigmoid"})
_HEAVY = frozenset({"Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"})
_FLOATING = frozenset({1, 10, 11, 16})  # onnx.TensorProto's FLOAT, FLOAT16, DOUBLE and BFLOAT16
# They stand between a convolution in blocks of channels and its neighbours.
_MOVES = frozenset({"ReorderInput", "ReorderOutput", "Transpose"})


def notes_on_graph(graph: Any, setup: Setup) -> tuple[OperatorNote, ...]:
    """Convolutions whose activation was not fused and, in int8, what stayed in float or has its weights so.

    Args:
        graph: the `onnx.GraphProto` of the optimised model.
    """
    notes: list[OperatorNote] = []
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    unfused: Counter[tuple[str, str]] = Counter()
    for node in graph.node:
        if node.op_type in _CONVOLUTIONS:
            followers = _followers(node, users)
            if len(followers) == 1 and followers[0].op_type in _ACTIVATIONS:
                unfused[node.op_type, followers[0].op_type] += 1
    for (operator, activation), count in sorted(unfused.items()):
        notes.append(
            OperatorNote(
                operator=operator, count=count, what="not_fused", detail=f"{activation} by itself behind it"
            )
        )
    if setup.deployment.precision == "int8":
        heavy = [node for node in graph.node if node.op_type in _HEAVY]
        if setup.deployment.quantise == "weights":
            floating = {each.name for each in graph.initializer if each.data_type in _FLOATING}
            heavy = [node for node in heavy if not floating.isdisjoint(_operands(node))]
        left = Counter(map(_kind, heavy))
        notes += [
            OperatorNote(operator=kind, count=count, what="not_quantised", detail="float32")
            for kind, count in sorted(left.items())
        ]
    return tuple(notes)


def notes_on_providers(profile: Path, wanted: str) -> tuple[OperatorNote, ...]:
    """What ran on another provider than the one that was asked for.

    Args:
        profile: what ONNX Runtime's profiler wrote of one inference.
    """
    events = json.loads(profile.read_text(encoding="utf-8"))
    ran = {
        (event["name"], event["args"]["op_name"], event["args"]["provider"])
        for event in events
        if event.get("cat") == "Node" and "provider" in event.get("args", {})
    }
    elsewhere = Counter((operator, provider) for _, operator, provider in ran if provider != wanted)
    return tuple(
        OperatorNote(operator=operator, count=count, what="fell_back", detail=provider)
        for (operator, provider), count in sorted(elsewhere.items())
    )


def _followers(node: Any, users: dict[str, list[Any]]) -> list[Any]:
    found = [user for name in node.output for user in users.get(name, ())]
    while len(found) == 1 and found[0].op_type in _MOVES:
        found = [user for name in found[0].output for user in users.get(name, ())]
    return found


def _operands(node: Any) -> Sequence[str]:
    """The names of what may be a node's weights: either side of a product."""
    names = list(node.input[:2])
    return names[1:] if node.op_type in _CONVOLUTIONS else names


def _kind(node: Any) -> str:
    groups = next((each.i for each in node.attribute if each.name == "group"), 1)
    return f"{node.op_type}, grouped" if groups > 1 else str(node.op_type)
