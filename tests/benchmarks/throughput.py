"""How fast `training.fit` trains on the CPU, and what gave it: `python tests/benchmarks/throughput.py`.

ResNet-20 at 32 x 32, batch 128, crop and flip, against the loop that one usually writes: NCHW, PIL transforms in a
DataLoader, `.item()` at every step. The DataLoader runs with 0 and with 2 workers, and the better one is the
comparison. Nine rounds in turn in one process; wanted: at least 1.3 times as fast in fp32, and 1.8 times where the CPU
computes in bf16. The ladder goes from one to the other, one measure a rung.
"""

import statistics
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from resnet_edu import data, models, training

ROUNDS, STEPS, BATCH = 9, 10, 128


class Pictures(Dataset):
    """The same images as PIL pictures, as `torchvision.datasets.CIFAR10` hands them out."""

    def __init__(self, images):
        self.pictures = [to_pil_image(image) for image in images.images]
        self.labels = images.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(data.MEAN, data.STD),
            ]
        )

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.transform(self.pictures[index]), self.labels[index]


def ours(images, precision="fp32"):
    net = models.CifarNet(20, residual=True)
    options = {"epochs": 1, "batch_size": BATCH, "augment": True, "progress": False, "precision": precision}
    return lambda: training.fit(net, images, **options)


def conventional(batches, layout=torch.contiguous_format):
    """One epoch of the usual loop over what `batches()` yields."""
    net = models.CifarNet(20, residual=True).to(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    loss_function = nn.CrossEntropyLoss()

    def epoch():
        net.train()
        running_loss = correct = 0
        for x, y in batches():
            optimizer.zero_grad()
            logits = net(x.contiguous(memory_format=layout))
            loss = loss_function(logits, y)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            correct += (logits.argmax(1) == y).sum().item()

    return epoch


def loader(images, workers):
    # Workers stay alive between epochs and are started before the clock: only their steady work is compared.
    made = DataLoader(Pictures(images), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return lambda: made


def main():
    torch.manual_seed(0)
    train, _ = data.load("sample", device="cpu")
    images = train[: STEPS * BATCH]

    def on_the_device():
        return images.batches(BATCH, shuffle=True, augment=True)

    usual = ["conventional, 0 workers", "conventional, 2 workers"]
    loops = {
        usual[0]: conventional(loader(images, 0)),
        usual[1]: conventional(loader(images, 2)),
        "images on the device": conventional(on_the_device),
        "and channels last": conventional(on_the_device, torch.channels_last),
        "fit, fp32": ours(images),
    }
    wanted = {"fit, fp32": 1.3}
    if training.choose_precision("auto", images.device) is torch.bfloat16:
        loops["fit, bf16"] = ours(images, "bf16")
        wanted["fit, bf16"] = 1.8
    for loop in loops.values():
        loop()
    rates = {name: [] for name in loops}
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            started = time.perf_counter()
            loop()
            rates[name].append(len(images) / (time.perf_counter() - started))
    best = max(usual, key=lambda name: statistics.median(rates[name]))
    missed = False
    for name, rate in rates.items():
        ratios = [a / b for a, b in zip(rate, rates[best], strict=True)]
        middle = statistics.median(ratios)
        bound = f"; wanted {wanted[name]}" if name in wanted else ""
        print(
            f"throughput, {name}: {statistics.median(rate):.0f} images/s, {middle:.2f} "
            f"[{min(ratios):.2f} - {max(ratios):.2f}] x {best}{bound}"
        )
        missed |= middle < wanted.get(name, 0) / 2  # only half of what is wanted fails
    print(f"{ROUNDS} rounds of {STEPS} steps, {torch.get_num_threads()} threads")
    return missed


if __name__ == "__main__":
    sys.exit(main())
