"""Run by every kernel that `python -m resnet_edu open` starts, so that also a first cell's NameError is answered."""

__import__("resnet_edu.lesson")
