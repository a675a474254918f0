"""Two processes, one thread each, that share the gradient of every batch: no thread waits for the other between layers."""
import multiprocessing
import os

import torch


def work(model, data, buffers, batch, shared, begin, finished):
    """The second process: computes gradients of its half of every batch into the shared buffers."""
    torch.set_num_threads(1)
    while True:
        while not begin.acquire(timeout=60):
            if os.getppid() == 1:  # the first process is gone
                return
        if shared[0] < 0:
            return
        for p in model.parameters():
            p.grad = None
        loss, error = data.loss(model, int(shared[0]), 1, batch)
        loss.backward()
        for p, b in zip(model.parameters(), buffers):
            b.zero_() if p.grad is None else b.copy_(p.grad)
        shared[1] = error
        finished.release()


class Pair:
    """Gradients from this process and a forked one, each with one thread and half the batch.

    `data.loss(model, step, worker, batch)` gives the loss to differentiate and the error to report of one half.
    """

    def __init__(self, model, data, batch):
        self.model, self.data, self.half = model, data, batch // 2
        self.buffers = [torch.zeros_like(p).share_memory_() for p in model.parameters()]
        self.shared = torch.zeros(2, dtype=torch.float64).share_memory_()
        context = multiprocessing.get_context("fork")
        self.begin, self.finished = context.Semaphore(0), context.Semaphore(0)
        self.process = context.Process(target=work, daemon=True, args=(
            model, data, self.buffers, self.half, self.shared, self.begin, self.finished))
        self.process.start()

    def step(self, step):
        """Fills every .grad with the mean over both halves; returns the velocity's error."""
        self.shared[0] = step
        self.begin.release()
        for p in self.model.parameters():
            p.grad = None
        loss, error = self.data.loss(self.model, step, 0, self.half)
        loss.backward()
        while not self.finished.acquire(timeout=60):
            if not self.process.is_alive():
                raise RuntimeError("the second process ended")
        for p, b in zip(self.model.parameters(), self.buffers):
            p.grad = b.mul(0.5) if p.grad is None else p.grad.add_(b).mul_(0.5)
        return (error + self.shared[1].item()) / 2

    def close(self):
        self.shared[0] = -1
        self.begin.release()
        self.process.join()
