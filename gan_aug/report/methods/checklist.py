"""The CLAIM checklist, as far as a comparison can fill it in: what is answered, and what this tool cannot know.

Tejani et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update. Radiol. Artif. Intell.
6:e240300 (2024), 44 items, named here in short.
"""

from __future__ import annotations

from collections.abc import Callable

from gan_aug.evaluation.arm_catalogue import known
from gan_aug.report.blocks import Table
from gan_aug.report.words.computed import software_in_short
from gan_aug.report.words.text import Report, counted, digits, size, splits_from

UNKNOWN = "not known to this tool"
AUTHORS = "for the authors to write"
Answer = str | Callable[[Report], str]


def checklist_table(report: Report) -> Table:
    """The items with their answers. Items that the comparison cannot know say so."""
    rows = tuple(
        (str(number), item, answer if isinstance(answer, str) else answer(report))
        for number, (item, answer) in enumerate(_ITEMS, start=1)
    )
    filled = sum(answer not in (UNKNOWN, AUTHORS) for _, _, answer in rows)
    caption = (
        f"CLAIM 2024, items in short: {filled} of {len(rows)} are answered from this comparison, some in part. The "
        "others are for the authors to fill in; none is left out."
    )
    return Table(caption, ("No.", "Item", "What this report says"), rows, text_columns=(0, 1, 2))


def _sources(report: Report) -> str:
    return f"In part: {report['dataset']['name']}; where and when the images were taken is {UNKNOWN}"


def _preprocessing(report: Report) -> str:
    channels, height, width = report["dataset"]["shape"]
    return f"In part: images at {width} × {height} pixels, {counted(channels, 'channel')}, 8 bit; see the configuration"


def _subsets(report: Report) -> str:
    limit = report["config"]["data"].get("limit")
    return f"The first {limit} images of each class and split" if limit else "All images that were read"


def _deidentification(report: Report) -> str:
    if report["dataset"]["test_patients"] is None:
        return f"No patients are named in the data set; how it was de-identified is {UNKNOWN}"
    return f"It names patients by keyed hashes; how the source was de-identified is {UNKNOWN}"


def _missing(report: Report) -> str:
    notes = report["dataset"]["notes"]
    return f"In part, notes of the import: {'; '.join(notes)}" if notes else "No note of the import; see its own report"


def _assigned(report: Report) -> str:
    counts = report["dataset"]["counts"]
    origin = splits_from(report) or "As the source gives its splits, else at random from the seed."
    internal = f", and {counts['internal_test']} of an internal test" if "internal_test" in counts else ""
    of_each = f"{counts['train']} training, {counts['validation']} validation and {counts['test']} test images"
    return f"{of_each}{internal}. {origin}"


def _internal(report: Report) -> str:
    count = report["dataset"]["counts"].get("internal_test")
    beside = f", and {count} images held out of its training images" if count else ""
    return f"The test split of the same data set{beside}"


def _level(report: Report) -> str:
    if report["dataset"]["test_patients"] is None:
        return "Images alone: no patients are named, so whether one is in two splits cannot be told"
    if report["config"]["data"]["patient_scope"] == "split":
        return "Images alone: patient numbers restart in each split, so whether one is in two cannot be told"
    named = " that is named" if report["dataset"]["without_patient"] else ""
    return f"Patients: none{named} is in two splits, checked by keyed hashes"


def _sample(report: Report) -> str:
    if not report["comparisons"]:
        return "No comparison was made"
    sizes = [c["smallest_detectable"] for c in report["comparisons"] if c["smallest_detectable"] is not None]
    if not sizes:
        return "Not planned; by the standard errors seen, no comparison could have shown a gain"
    smallest, largest = (size(value, digits(report)) for value in (min(sizes), max(sizes)))
    return (
        f"Not planned; by the standard errors seen, single comparisons find gains in AUC of {smallest} to "
        f"{largest} with 80 % power, without adjustment"
    )


def _model(report: Report) -> str:
    arm = report["arms"]["real"]
    return (
        f"{report['config']['classifier']['name']}, {counted(arm['parameters'], 'parameter')}; Methods, configuration"
    )


def _training(report: Report) -> str:
    arms = report["arms"]
    number = len(arms) * len(arms["real"]["seeds"])
    whole = report["dataset"]["counts"]["train"]
    number += sum(row["draws"] * row["seeds"] for row in report["curves"] or () if row["size"] != whole)
    number += sum(len(row["seeds"]) for row in (report["ratio"] or {}).get("searched") or ())
    tried = len((report.get("steps") or {}).get("tried") or ()) - 1  # one of them is the first classifier of an arm
    more = f", {tried} to choose that number" if tried > 0 else ""
    steps = counted(arms["real"]["optimizer_steps"], "step")
    return f"{number} classifiers of {steps} each{more}; Methods, configuration"


def _robustness(report: Report) -> str:
    found = [
        text
        for text, there in (
            ("control arms", any(arm.is_control for arm in known(report["arms"]))),
            ("learning curves", report["curves"]),
            ("canaries", report["canaries"]),
            ("training seeds", len(report["arms"]["real"]["seeds"]) > 1),
        )
        if there
    ]
    return f"In part: {', '.join(found)}" if found else "None was made"


def _numbers(report: Report) -> str:
    patients = report["dataset"]["test_patients"]
    known = f"; {counted(patients, 'test patient')}" if patients is not None else "; patients are not named"
    return f"In part: images per split and class in report.json{known}; exclusions in the import’s report"


def _failures(report: Report) -> str:
    return (
        "In part: metrics of each class"
        + (", confusion matrices" if report["arms"]["real"]["confusion"] else "")
        + f"; every case in {report['files']['scores']}"
    )


_ITEMS: tuple[tuple[str, Answer], ...] = (
    ("Title or abstract names the AI methodology", AUTHORS),
    ("Abstract: design, methods, results, conclusions", AUTHORS),
    ("Background, intended use and clinical role", AUTHORS),
    ("Aims, objectives and hypotheses", AUTHORS),
    ("Prospective or retrospective", UNKNOWN),
    ("Goal of the study", "In part: does training with GAN images change the AUC, by more than a margin that was set?"),
    ("Data sources", _sources),
    ("Inclusion and exclusion criteria", UNKNOWN),
    ("Data preprocessing", _preprocessing),
    ("Selection of data subsets", _subsets),
    ("De-identification", _deidentification),
    ("Missing data", _missing),
    ("Image acquisition protocol", UNKNOWN),
    ("Definition of the reference standard", f"The labels that came with the images; how they were made is {UNKNOWN}"),
    ("Rationale for the reference standard", UNKNOWN),
    ("Source of the reference annotations", UNKNOWN),
    ("Annotation of the test set", UNKNOWN),
    ("Inter- and intrarater variability", UNKNOWN),
    ("How data were assigned to partitions", _assigned),
    ("Level at which partitions are disjoint", _level),
    ("Intended sample size", _sample),
    ("Detailed description of the model", _model),
    ("Software libraries, frameworks, packages", software_in_short),
    ("Initialisation of parameters", "Random, from each training seed, the same in every arm"),
    ("Details of the training", _training),
    ("Selection of the final model", "The lowest validation loss of all validation points; test images play no part"),
    ("Ensembling", "None but in DeLong’s test, of scores averaged over seeds; metrics are means of single classifiers"),
    ("Metrics of performance", "AUC, accuracy, average precision, sensitivity at set thresholds, calibration"),
    ("Measures of significance and uncertainty", "95 % intervals, p after Holm, verdict against a margin; Methods"),
    ("Robustness or sensitivity analysis", _robustness),
    ("Explainability or interpretability", "None was made"),
    ("Evaluation on internal data", _internal),
    ("Testing on external data", "None was made: how other hospitals, devices or years would differ is not known"),
    ("Clinical trial registration", UNKNOWN),
    ("Numbers of patients or examinations", _numbers),
    ("Demographic and clinical characteristics", UNKNOWN),
    ("Performance metrics with uncertainty", "AUC, accuracy, average precision, sensitivity, specificity"),
    ("Diagnostic performance and its precision", "AUC and accuracy with 95 % intervals, per class too"),
    ("Failure analysis", _failures),
    ("Study limitations", "In part: Limits"),
    ("Implications for practice", AUTHORS),
    ("Full protocol or technical details", "In part: the configuration with its defaults, and Methods"),
    ("Availability of software, model, data", "In part: fingerprints; where they can be had is for the authors to say"),
    ("Funding and its role", AUTHORS),
)  # fmt: skip
