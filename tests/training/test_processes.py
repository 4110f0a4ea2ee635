"""Two processes have the losses of one with the same global batch."""

from __future__ import annotations

import json

import pytest
from toys import run_script

SCRIPT = """
    import json, sys
    from pathlib import Path
    import torch, gan_toys as t

    if __name__ == "__main__":
        folder, given = Path(sys.argv[1]), json.loads(sys.argv[2])
        ended = []
        for devices in (1, 2):
            generator, judge = t.players()
            outcome = t.run(folder / str(devices), generator, judge, devices=devices, **given)
            curves = {each.name: each for each in outcome.curves}
            ended.append((curves, generator.state_dict()))
        (one, weights), (two, others) = ended
        assert one.keys() == two.keys()
        for name, curve in one.items():
            assert curve.steps == two[name].steps, name
            far = max(abs(a - b) for a, b in zip(curve.values, two[name].values))
            assert far <= 1e-5, (name, far)
        for name, weight in weights.items():
            assert torch.allclose(weight, others[name], atol=1e-5), name
        print(json.dumps({name: curve.values for name, curve in one.items()}))
"""

CASES = {
    "bce": {"loss": "bce"},
    "hinge": {"loss": "hinge", "lr": 1e-3},
    "wgan_gp": {"loss": "wgan_gp", "beta_1": 0.0, "critic_steps": 2},
    "r1": {"loss": "non_saturating", "r1_gamma": 10.0, "beta_1": 0.0, "lr": 1e-3},
}
TERMS = {
    "wgan_gp": "train/discriminator/penalty",
    "r1": "train/discriminator/r1",
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_losses_of_one(case, tmp_path):
    given = json.dumps({"steps": 20, "batch": 4, "log_every": 1, **CASES[case]})
    curves = json.loads(run_script(tmp_path, SCRIPT, given).splitlines()[-1])
    losses = curves[TERMS.get(case, "train/discriminator/loss")]
    # They moved: equal curves of nothing would be no evidence.
    assert len(losses) == 20
    assert max(losses) - min(losses) > 1e-3
    assert "train/generator/loss" in curves


FAILING = """
    import sys
    from pathlib import Path
    import torch, gan_toys as t
    from benchbench.core.errors import MeasurementError, OptionError

    def unmeasured(network, step):
        raise MeasurementError("no score today")

    def unscored(network, step):
        return []

    def too_large(network, step):
        raise torch.OutOfMemoryError("no memory left")

    if __name__ == "__main__":
        cases = {MeasurementError: (unmeasured, {}), torch.OutOfMemoryError: (too_large, {})}
        cases[OptionError] = (unscored, {"keep_best": "fd"})
        for number, (kind, (score, more)) in enumerate(cases.items()):
            try:
                t.run(Path(sys.argv[1]) / str(number), *t.players(), devices=2, batch=4, steps=2,
                      score=score, score_every=1, **more)
            except kind as error:
                print("told:", error.args[0])
"""


@pytest.mark.slow
def test_what_goes_wrong_in_the_first_process_alone_keeps_its_type(tmp_path):
    told = [line for line in run_script(tmp_path, FAILING).splitlines() if line.startswith("told:")]
    assert told == [
        "told: no score today",
        "told: no memory left",
        "told: keep_best: fd is no score of this training",
    ]
