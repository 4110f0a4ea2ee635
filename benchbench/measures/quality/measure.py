"""Quality of what a cell's network makes: FID and its fellows, on any features, with intervals."""

from __future__ import annotations

from benchbench.core.contracts import Measure, MeasureContext, Measured, Subject
from benchbench.data.open import open_images
from benchbench.measures.quality.evaluate import Means, evaluate
from benchbench.measures.quality.images import (
    BASELINE,
    contents_of,
    count_of,
    made_from,
    named_after,
    outputs_file,
    reference_of,
)
from benchbench.measures.quality.options import QualityOptions
from benchbench.measures.quality.outputs import write_outputs
from benchbench.measures.quality.progress import show_progress
from benchbench.measures.quality.sides import Side
from benchbench.quality.cache import default_cache_folder


def measure_quality(subject: Subject, options: QualityOptions, context: MeasureContext) -> Measured:
    """Figures of the subject's outputs against the declared reference.

    Against `baseline` the baseline's own outputs are kept for the others, and it has no figure itself.

    Raises:
        DataError: contents or reference cannot be read or are too few.
        MeasurementError: the network's outputs are no pictures, or the baseline has left none.
    """
    assert context.folder is not None
    assert subject.cell is not None
    is_baseline = options.reference == BASELINE and context.baseline == subject.cell.id
    contents = contents_of(subject, options, context)
    # Opened first: whoever has nothing to be compared with need not be run.
    reference = None if is_baseline else reference_of(options, context, contents)
    outputs = outputs_file(context.folder, subject.cell.id, options)
    write_outputs(
        subject,
        outputs,
        options,
        contents=contents,
        count=count_of(options, contents, reference),
        progress=show_progress(f"{subject.name}: outputs", context.say),
    )
    if is_baseline:
        return Measured()
    try:
        found = evaluate(
            reference,
            Side(
                named_after(open_images(outputs), contents),
                "outputs",
                {
                    "seed": options.seed,
                    "truncation": options.truncation,
                    "from": made_from(contents),
                    "batch": options.batch,
                },
                origin="" if contents is None else made_from(contents),
                converted=False,
            ),
            options,
            Means(
                cache=default_cache_folder(),
                say=context.say,
                progress=lambda side: show_progress(f"{subject.name}: {side}", context.say),
                folders=context.folders,
            ),
        )
    finally:
        outputs.unlink(missing_ok=True)
    return Measured(measurements=found.measurements, failures=found.failures())


measure = Measure(
    options=QualityOptions,
    per_cell=measure_quality,
    # Names that tell the extractor too, `fd[rand-conv-512]`, are more than can be listed.
    names=("fid", "clean_fid", "kid", "clean_kid", "l1", "psnr", "ssim", "miou"),
)
