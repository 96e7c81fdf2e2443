"""One training run by several processes over torch.distributed (gloo), with a loop that is the library's.

    pip install torch
    torchrun --nproc-per-node 2 examples/python/torch_ranks.py manifest.csv runs/mine

Research use only, not a medical device.
"""

import sys

import torch
import torch.distributed as dist

import vertebra


class TorchRanks:
    """The processes of torchrun, for `vertebra.train(..., ranks=TorchRanks())`."""

    def __init__(self):
        dist.init_process_group("gloo")
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def sum(self, values):
        # Gathered and added in the order of ranks, so that a run repeats bit for bit; all_reduce promises no order.
        own = torch.from_numpy(values)
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own)
        own.copy_(parts[0])
        for part in parts[1:]:
            own += part

    def share(self, content):
        told = [content]
        dist.broadcast_object_list(told, src=0)
        return told[0]


if __name__ == "__main__":
    data, out = sys.argv[1:]
    settings = dict(image_size=64, width=0.25, batch_size=16, epochs=3, threads=1)
    run = vertebra.train(data, out=out, ranks=TorchRanks(), **settings)
    if run is not None:
        print(run)
    dist.destroy_process_group()
