"""How far each step moves a weight, compared with its size."""

import torch
from torch import Tensor

from resnet_edu.probes.norms import true_norms
from resnet_edu.probes.recorder import Recorder


class UpdateRatio(Recorder):
    """Records |w_after - w_before| / |w_before| of every weight, one row per step: the update-to-weight ratio.

    module, params: as for `GradientNorms`. In your own loop and, as a callback, in `training.fit`:

        ratios.start()
        optimizer.step()
        ratios.record()

        training.fit(net, train, epochs=1, callbacks=[ratios])

    Measured on the weights themselves, the update includes everything that moves them: learning rate, momentum, weight
    decay, clipping, whatever the optimizer. Changes that float32 rounds away are not included. About 1e-3 is a common
    rule of thumb (Karpathy, CS231n notes). The probe keeps one copy of the weights that it follows. An all-zero weight
    gives NaN if it stayed and infinity if it moved.
    """

    _before: list[Tensor] | None = None
    _due = -1  # the training step at which the copy is one step old

    @torch.no_grad()
    def start(self) -> None:
        """Keep a copy of the weights, before the step."""
        self._before = [weight.value().clone() for weight in self._weights]

    @torch.no_grad()
    def record(self) -> None:
        """Append one row, [layers], after the step, without a host sync."""
        if self._before is None:
            raise ValueError("UpdateRatio: call start() before the optimizer's step and record() after it.")
        self._check_still_there()
        after = [weight.value() for weight in self._weights]
        device = after[0].device
        before = [b.to(a.device) for b, a in zip(self._before, after, strict=True)]
        moved = true_norms(list(torch._foreach_sub(after, before)))
        sizes = true_norms(before)
        self._rows.append(torch.stack([m.to(device) / s.to(device) for m, s in zip(moved, sizes, strict=True)]))
        self._before = None

    def on_gradients(self, step: int) -> None:
        """Called by `training.fit` before every step: the previous step is complete by now."""
        if self._before is not None and step == self._due:  # else the copy is left over from an interrupted run
            self.record()
        self.start()
        self._due = step + 1

    def on_epoch(self, history: object) -> None:
        """Called by `training.fit` after an epoch's last step."""
        if self._before is not None:
            self.record()
