"""Export the shipped prompter to ONNX, for runtimes without torch.

    python -m inference.training.export -o boxwise.onnx [--weights FILE]

One net: a crop net has nothing to encode once for a whole image. Input "crops" (n, 6, 64, 64) float32 as
inference.prompters.boxwise.to_input makes them; outputs "logits" (n, 64, 64) and "quality" (n,), both before the
sigmoid.
"""

import argparse
from pathlib import Path

import torch

from inference.prompters.boxwise import CHANNELS, SIDE, Boxwise


def export(output: Path, weights: Path | None = None) -> Path:
    net = Boxwise(weights, device="cpu").net.to(memory_format=torch.contiguous_format)
    example = torch.randn(2, CHANNELS, SIDE, SIDE)
    output.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        net,
        (example,),
        output,
        input_names=["crops"],
        output_names=["logits", "quality"],
        dynamic_axes={"crops": {0: "n"}, "logits": {0: "n"}, "quality": {0: "n"}},
        opset_version=17,
        dynamo=False,  # the other exporter needs a package more
    )
    return output


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args(argv)
    print(export(options.output, options.weights))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
