"""Export the shipped prompter to ONNX: the form in which the workspace runs it in the browser.

    python -m inference.experiments.export [-o frontend/prompter/boxwise.onnx] [--weights FILE]

One net: a crop net has nothing to encode once for a whole image. Input "crops" (n, 6, 64, 64) float32 as
inference.prompters.boxwise.to_input makes them; outputs "logits" (n, 64, 64) and "quality" (n,), both before the
sigmoid. The file names the prompter and the hash of the weights it was made from, so that a test can tell when it was
left behind; beside it `boxwise.json` says the same to the browser, with the hash of the file itself.
"""

import argparse
import json
from pathlib import Path

import torch

from inference.prompters.boxwise import CHANNELS, SIDE, Boxwise
from inference.weights import sha256, shipped

OUTPUT = Path(__file__).resolve().parents[2] / "frontend" / "prompter" / "boxwise.onnx"


def export(output: Path, weights: Path | None = None) -> Path:
    """Write the net and its description; -> the net's path. Raises FileNotFoundError without weights."""
    import onnx

    weights = weights or shipped("boxwise")
    if weights is None:
        raise FileNotFoundError("this copy of Boxwise was built without the shipped prompter")
    made = Boxwise(weights, device="cpu")
    example = torch.randn(2, CHANNELS, SIDE, SIDE)
    output.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        made.net.to(memory_format=torch.contiguous_format),
        (example,),
        output,
        input_names=["crops"],
        output_names=["logits", "quality"],
        dynamic_axes={"crops": {0: "n"}, "logits": {0: "n"}, "quality": {0: "n"}},
        opset_version=17,
        dynamo=False,  # the other exporter needs a package more
    )
    graph = onnx.load(output)
    onnx.helper.set_model_props(graph, {"prompter": made.name, "weights": sha256(weights)})
    onnx.save(graph, output)
    about = {"prompter": made.name, "weights": sha256(weights), "sha256": sha256(output)}
    output.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n")
    return output


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args(argv)
    print(export(options.output, options.weights))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
