from __future__ import annotations

import torch

from benchbench.data.collate import collate


def test_a_batch_is_what_torch_would_make_of_it():
    generator = torch.Generator().manual_seed(0)
    examples = [
        {
            "image": torch.randint(0, 256, (3, 16, 20), dtype=torch.uint8, generator=generator).flip(-1),
            "layout": torch.rand(5, 16, 20, generator=generator) > 0.5,
            "attributes": torch.rand(4, generator=generator),
        }
        for _ in range(3)
    ]
    batch = collate(examples)
    assert batch["image"].equal(torch.stack([each["image"] for each in examples]).float().div(255))
    assert batch["layout"].equal(torch.stack([each["layout"] for each in examples]).float())
    assert batch["attributes"].equal(torch.stack([each["attributes"] for each in examples]))
    assert {value.dtype for value in batch.values()} == {torch.float32}


def test_every_byte_is_divided_exactly():
    image = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    assert collate([{"image": image}])["image"][0].equal(image.float().div(255))
