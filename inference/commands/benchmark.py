"""boxwise benchmark boxcell DATA...: the paper's tables with the models at hand, beside the published figures;
boxwise benchmark methods DATA...: all methods on the same images (benchmark_methods.py).

Every set becomes boxcell_NAME.json, with all values by image, in the output folder; boxcell.md and the plots are made
from all such files that are there, so that sets measured one by one end in one document.
"""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path

from inference.commands import benchmark_methods, outputs
from inference.registry import PRESETS
from inference.types import InferenceError, Progress


def main(argv: list[str]) -> int:
    """Measure BoxCell's published tables, or all methods on the same images: boxcell|methods DATA... -o OUT."""
    if argv[:1] == ["methods"]:
        return benchmark_methods.main(argv[1:])
    options = parse(argv)
    from inference.commands.benchmark_page import Measured, document, read
    from inference.commands.benchmark_plots import draw
    from inference.datasets import open_dataset
    from inference.methods import benchmark, boxcell
    from inference.registry import DEFAULT_PROMPTER

    settings = boxcell.BoxCellSettings(
        prompter=options.prompter or DEFAULT_PROMPTER,
        detector=options.detector,
        segmenter=options.segmenter,
        preset=options.preset,
        fusion=boxcell.fusion_of(options.preset),
        device=options.device,
        self_training=options.self_training,
        start={"segmenter": options.segmenter_start} if options.segmenter_start else {},
        options={"prompter": {"weights": str(options.prompter_weights)}} if options.prompter_weights else {},
    )

    def report(progress: Progress) -> None:
        print(f"  {progress.note} {progress.done}/{progress.total}", flush=True)

    try:
        sets = [open_dataset(path) for path in options.data]
        others = [open_dataset(path) for path in options.across]
        options.output.mkdir(parents=True, exist_ok=True)
        for dataset in sets:
            began = time.process_time()
            rows = benchmark.run(
                dataset,
                settings,
                range(options.seeds),
                work=options.work,
                report=report,
                tell=lambda text: print(text, flush=True),
                others=others,
                crf=options.crf,
            )
            label = dataset.name + (f"_{options.label}" if options.label else "")
            measured = Measured(
                dataset=dataset.name,
                label=label,
                command="boxwise benchmark " + shlex.join(argv),
                trained_on=len(benchmark.split(dataset)[0]),
                weights=benchmark.provenance(settings),
                boxes_only=not benchmark.saw_masks(benchmark.provenance(settings), dataset.name),
                seconds=time.process_time() - began,
                rows=rows,
            )
            (options.output / f"boxcell_{label}.json").write_text(json.dumps(measured.as_json(), indent=0))
        found = read(options.output)
        plots = draw(found, options.output)
        (options.output / "boxcell.md").write_text(document(found, plots))
    except (InferenceError, ValueError, ImportError) as error:
        print(f"boxwise benchmark: {error}", file=sys.stderr)
        return 1
    print(f"{options.output / 'boxcell.md'}")
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="boxwise benchmark", description=__doc__)
    parser.add_argument("method", choices=("boxcell", "methods"), help="methods has its own --help")
    parser.add_argument("data", type=Path, nargs="*", help="folders in the layout of the reference data")
    parser.add_argument(
        "-o", "--output", type=outputs.folder, required=True, help="folder for the document and all values"
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for trained models; an interrupted run goes on"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument("--prompter")
    parser.add_argument("--prompter-weights", type=Path, help="for example weights that never saw this set's masks")
    parser.add_argument("--detector", default="centre")
    parser.add_argument("--segmenter", default="unet")
    parser.add_argument("--self-training", type=int, default=0, metavar="N", help="as boxwise train has it")
    parser.add_argument("--segmenter-start", type=Path, help="weights that the segmenter starts from")
    parser.add_argument("--across", type=Path, nargs="*", default=(), help="further sets to measure every model on")
    parser.add_argument("--crf", action="store_true", help="also DenseCRF; needs the package pydensecrf2")
    parser.add_argument("--label", default="", help="keeps a second measurement of a set beside the first")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(argv)
