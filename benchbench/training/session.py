"""One process's part in one training: from its state file, or from the start, to the last step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from benchbench.architectures.weights import load_weights, save_weights
from benchbench.core.errors import BenchbenchError, DivergedError
from benchbench.core.measurement import Failure, Measurement
from benchbench.core.training import TrainingContext
from benchbench.training.batches import Batches, mix_seed, move, seed_device
from benchbench.training.costs import measured_costs, missing_costs
from benchbench.training.feed import Feed
from benchbench.training.interrupt import Interruption, deferred_interrupt
from benchbench.training.job import Job, Watch
from benchbench.training.memory import PeakMemory
from benchbench.training.networks import evaluating
from benchbench.training.options import plan_schedule
from benchbench.training.pictures import Pictures
from benchbench.training.progress import Progress
from benchbench.training.scores import Scores
from benchbench.training.state import Progressed, check_space, parts_of, read_state, write_state


def _place(module: nn.Module, device: torch.device, layout: torch.memory_format) -> None:
    # In place. torch's stubs know no `memory_format` here.
    module.to(device=device, memory_format=layout)  # type: ignore[call-overload]


def _told(terms: dict[str, float]) -> dict[str, float]:
    """The losses among a step's terms."""
    return {name: value for name, value in terms.items() if name.rpartition("/")[2] == "loss"}


class Session:
    """Sets a task up on Fabric, brings it to where it was, and runs the steps that are left."""

    def __init__(self, fabric: Fabric, job: Job, say: Callable[[str], None]) -> None:
        self.watch = Watch()
        self._fabric, self._job, self._say = fabric, job, say
        self._memory = PeakMemory(fabric.device)
        self._schedule = plan_schedule(job.options, images=len(job.images.train))
        with self.watch.inside():
            torch.manual_seed(mix_seed(job.seed))
            self._layout = (
                torch.channels_last
                if job.options.memory_format == "channels_last"
                else torch.contiguous_format
            )
            self._task = job.recipe.task(self._context(), job.options)
            for kept in self._task.kept.values():
                _place(kept, fabric.device, self._layout)
            self._about = job.describe(parts_of(self._task))
            for name, network in self._task.networks.items():
                self._task.networks[name] = fabric.setup_module(network)
            for name, optimizer in self._task.optimizers.items():
                self._task.optimizers[name] = cast(Optimizer, fabric.setup_optimizers(optimizer))
            batches = Batches(
                job.images.train,
                size=job.options.batch,
                seed=job.seed,
                rank=fabric.global_rank,
                world=fabric.world_size,
            )
            self.progressed = (
                read_state(job.state, self._task, self._about, say=say) if job.resume else Progressed()
            )
            check_space(job.state, self._task)
        self._feed = Feed(batches, start=self.progressed.step, total=self._schedule.total)
        self._scores, self._pictures = Scores(job, self.progressed), Pictures(job, self.progressed)
        self._earlier_s = self.progressed.seconds
        # The first step of a process allocates and warms up.
        self._first = True

    def _context(self) -> TrainingContext:
        job, device = self._job, self._fabric.device
        another = job.beside.another

        def placed(network: nn.Module) -> nn.Module:
            _place(network, device, self._layout)
            return network

        return TrainingContext(
            module=placed(job.module),
            images=job.images,
            seed=job.seed,
            device=device,
            inputs=job.beside.inputs,
            values=job.beside.values,
            discriminator=placed(job.beside.discriminator) if job.beside.discriminator is not None else None,
            another=(lambda role, number: placed(another(role, number))) if another is not None else None,
            rank=self._fabric.global_rank,
            world=self._fabric.world_size,
        )

    def run(self) -> None:
        """All steps that are left; leaves the module on the CPU and in eval mode."""
        done, plan = self.progressed, self._schedule
        progress = Progress(self._job.label, total=plan.total, start=done.step, say=self._say)
        try:
            with deferred_interrupt() as interruption, self._feed:
                self._set_training(on=True)
                if done.step == 0:
                    self._score()
                while done.step < plan.total:
                    terms = self._timed_step(done.step + 1)
                    done.step += 1
                    last = done.step == plan.total
                    if done.step == 1 or last or done.step % plan.log_every == 0:
                        self._log_terms(terms)
                    with self.watch.inside():
                        if last or done.step % plan.validate_every == 0:
                            self._validate()
                        if last or done.step % (self._job.options.score_every or plan.total) == 0:
                            self._score()
                        if last:
                            self._go_back_to_best()
                        if done.step in plan.sample_steps:
                            self._keep_samples(final=last)
                        stopping = self._anyone_asked(interruption)
                        if stopping or last or done.step % plan.checkpoint_every == 0:
                            self._save()
                    if self._fabric.is_global_zero:
                        progress.update(done.step, _told(terms))
                    if stopping:
                        raise KeyboardInterrupt
        finally:
            progress.close()
            _place(self._job.module.eval(), torch.device("cpu"), torch.contiguous_format)
        if not self._job.checkpoint.is_file():
            self._by_the_first(lambda: save_weights(self._task.result, self._job.checkpoint))
        load_weights(self._job.module, self._job.checkpoint)
        self._job.module.eval()

    def _timed_step(self, step: int) -> dict[str, float]:
        began = time.perf_counter()
        with self.watch.inside():
            terms = self._step(step)
        if self._first:
            self._first = False
        else:
            self.progressed.step_seconds += time.perf_counter() - began
            self.progressed.timed_steps += 1
        return terms

    def _step(self, step: int) -> dict[str, float]:
        seed_device(mix_seed(self._job.seed, step, self._fabric.global_rank), self._fabric.device)
        batch = move(self._feed.load(step), self._fabric.device, self._layout)
        found: dict[str, float] = {}
        several = len(self._task.optimizers) > 1
        for name, terms in self._task.losses(batch, step):
            optimizer = self._task.optimizers[name]
            optimizer.zero_grad(set_to_none=True)
            self._fabric.backward(terms["total"])
            # Looked at after the gradients are on their way, and before the weights have moved.
            values = self._numbers({key: term.detach() for key, term in terms.items()})
            self._check_finite(values["total"], step, f"loss of '{name}'" if several else "loss")
            optimizer.step()
            prefix = f"{name}/" if several else ""
            found.update({f"{prefix}{key}": value for key, value in values.items() if key != "total"})
            found[f"{prefix}loss"] = found.get(f"{prefix}loss", 0.0) + values["total"]
        for scheduler in self._task.schedulers.values():
            if not isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step()
        return found

    def _numbers(self, terms: dict[str, torch.Tensor]) -> dict[str, float]:
        # One transfer for all; averaged over processes, so that every one of them sees the same.
        values = torch.stack([term.float() for term in terms.values()])
        if self._fabric.world_size > 1:
            values = cast(torch.Tensor, self._fabric.all_reduce(values, reduce_op="mean"))
        return dict(zip(terms, values.tolist(), strict=True))

    def _check_finite(self, value: float, step: int, what: str) -> None:
        if math.isfinite(value):
            return
        error = DivergedError(
            f"{self._job.label}: {what} became {value} at step {step}",
            expected="a finite loss",
            fix="lower the learning rate, or the weight of the term that grew (see the curves)",
        )
        error.step = step
        raise error

    def _log_terms(self, terms: dict[str, float]) -> None:
        for name, value in terms.items():
            self.progressed.log(f"train/{name}", value)
        rates = {name: each.param_groups[0]["lr"] for name, each in self._task.optimizers.items()}
        for name, rate in rates.items():
            self.progressed.log("learning_rate" if len(rates) == 1 else f"learning_rate/{name}", float(rate))

    def _validate(self) -> None:
        with self._evaluating():
            found = self._task.validate()
        for name, value in found.items():
            self.progressed.log(f"validation/{name}", value)
        if "loss" not in found:
            return
        self._check_finite(found["loss"], self.progressed.step, "validation loss")
        for scheduler in self._task.schedulers.values():
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(found["loss"])

    def _score(self) -> None:
        def take() -> None:
            with evaluating(self._task.result), torch.random.fork_rng(devices=self._devices()):
                self._scores.take(self._task.result)

        self._by_the_first(take)

    def _go_back_to_best(self) -> None:
        self.progressed.best = self._fabric.broadcast(self.progressed.best)
        self._scores.restore_best(self._task.result)

    def _by_the_first(self, action: Callable[[], None]) -> None:
        """Done by the first process, while the others wait; what goes wrong is raised in all of them."""
        error: Exception | None = None
        if self._fabric.is_global_zero:
            try:
                action()
            except (BenchbenchError, torch.OutOfMemoryError) as caught:
                if self._fabric.world_size == 1:
                    raise
                error = caught
        error = self._fabric.broadcast(error)
        if error is not None:
            raise error

    def _devices(self) -> list[torch.device]:
        return [self._fabric.device] if self._fabric.device.type == "cuda" else []

    def _keep_samples(self, *, final: bool) -> None:
        with self._evaluating():
            fresh = self._pictures.record(self._task.samples(final=final))
        self._by_the_first(lambda: self._pictures.write(fresh))

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        self._set_training(on=False)
        try:
            with torch.no_grad():
                yield
        finally:
            self._set_training(on=True)

    def _set_training(self, *, on: bool) -> None:
        for network in self._task.networks.values():
            network.train(on)

    def _anyone_asked(self, interruption: Interruption) -> bool:
        if self._fabric.world_size == 1:
            return interruption.asked
        asked = torch.tensor(float(interruption.asked), device=self._fabric.device)
        return bool(cast(torch.Tensor, self._fabric.all_reduce(asked, reduce_op="sum")) > 0)

    def _save(self) -> None:
        done = self.progressed
        done.seconds = self._earlier_s + self.watch.total_s
        for name, peak in self._memory.read().items():
            done.peaks[name] = max(peak, done.peaks.get(name, 0))
        self._by_the_first(self._write)

    def _write(self) -> None:
        save_weights(self._task.result, self._job.checkpoint)
        write_state(self._job.state, self._task, self.progressed, self._about)

    def measurements(self) -> tuple[Measurement, ...]:
        """Costs of the training, those of earlier processes included."""
        return measured_costs(
            self.progressed,
            self._job.options,
            device=self._fabric.device.type,
            steps=self._schedule.total,
            whole_process=self._memory.whole_process,
        )

    def failures(self) -> tuple[Failure, ...]:
        """Levels that were not met."""
        return missing_costs(self.progressed, steps=self._schedule.total, seed=self._job.seed)
