"""The methods section of a paper, from what was done: data, generator, classifier, statistics, software."""

from __future__ import annotations

import math
from typing import Any

from gan_aug.config.compare import ClassifierConfig
from gan_aug.data.transforms import BRIGHTNESS, CONTRAST, DEGREES, NOISE, PROBABILITY, SHIFT, ZOOM
from gan_aug.evaluation.arm_catalogue import known
from gan_aug.evaluation.baseline import STRENGTH, VALUES
from gan_aug.evaluation.classifiers.fit import learning_rate, weight_decay
from gan_aug.evaluation.training_length import SMALLEST_GAIN
from gan_aug.report.methods.generator import generator_text
from gan_aug.report.methods.statistics import Citations, statistics_text
from gan_aug.report.words.arms import words_of
from gan_aug.report.words.computed import software
from gan_aug.report.words.leakage import near_copies_searched
from gan_aug.report.words.text import (
    Report,
    counted,
    listed,
    patients_apart,
    splits_from,
    thousands,
)
from gan_aug.report.words.verdict import CLASSIFIERS

REFERENCES = {
    "mirza": "Mirza M, Osindero S. Conditional generative adversarial nets. arXiv:1411.1784, 2014.",
    "radford": "Radford A, Metz L, Chintala S. Unsupervised representation learning with deep convolutional generative "
    "adversarial networks. ICLR 2016.",
    "goodfellow": "Goodfellow IJ, Pouget-Abadie J, Mirza M, et al. Generative adversarial nets. NeurIPS 2014.",
    "lim": "Lim JH, Ye JC. Geometric GAN. arXiv:1705.02894, 2017.",
    "jolicoeur": "Jolicoeur-Martineau A. The relativistic discriminator: a key element missing from standard GAN. "
    "ICLR 2019.",
    "huang": "Huang N, Gokaslan A, Kuleshov V, Tompkin J. The GAN is dead; long live the GAN! A modern GAN baseline. "
    "NeurIPS 2024. arXiv:2501.05441.",
    "mescheder": "Mescheder L, Geiger A, Nowozin S. Which training methods for GANs do actually converge? ICML 2018.",
    "miyato": "Miyato T, Kataoka T, Koyama M, Yoshida Y. Spectral normalization for generative adversarial networks. "
    "ICLR 2018.",
    "projection": "Miyato T, Koyama M. cGANs with projection discriminator. ICLR 2018.",
    "vries": "de Vries H, Strub F, Mary J, et al. Modulating early visual processing by language. NeurIPS 2017.",
    "odena": "Odena A, Dumoulin V, Olah C. Deconvolution and checkerboard artifacts. Distill 2016. "
    "doi:10.23915/distill.00003.",
    "he": "He K, Zhang X, Ren S, Sun J. Deep residual learning for image recognition. CVPR 2016.",
    "karras": "Karras T, Laine S, Aittala M, et al. Analyzing and improving the image quality of StyleGAN. CVPR 2020.",
    "pepe": "Pepe MS. The statistical evaluation of medical tests for classification and prediction. Oxford 2003.",
    "wilson": "Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc "
    "1927;22:209-212.",
    "rubin": "Rubin DB. The Bayesian bootstrap. Ann Stat 1981;9:130-134.",
    "delong": "DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated receiver "
    "operating characteristic curves: a nonparametric approach. Biometrics 1988;44:837-845.",
    "sun": "Sun X, Xu W. Fast implementation of DeLong’s algorithm for comparing the areas under correlated receiver "
    "operating characteristic curves. IEEE Signal Process Lett 2014;21:1389-1393.",
    "obuchowski": "Obuchowski NA, Rockette HE. Hypothesis testing of diagnostic accuracy for multiple readers and "
    "multiple tests: an ANOVA approach with dependent observations. Commun Stat Simul Comput 1995;24:285-308.",
    "hillis": "Hillis SL. A comparison of denominator degrees of freedom methods for multiple observer ROC analysis. "
    "Stat Med 2007;26:596-619.",
    "clusters": "Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 1997;53:567-578.",
    "cochran": "Cochran WG. Approximate significance levels of the Behrens-Fisher test. Biometrics 1964;20:191-195.",
    "ada": "Karras T et al. Training generative adversarial networks with limited data. NeurIPS 2020.",
    "diffaugment": "Zhao S et al. Differentiable augmentation for data-efficient GAN training. NeurIPS 2020.",
    "berger": "Berger RL. Multiparameter hypothesis testing and acceptance sampling. Technometrics 1982;24:295-300.",
    "holm": "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65-70.",
    "mcclish": "McClish DK. Analyzing a portion of the ROC curve. Med Decis Making 1989;9:190-195.",
    "brier": "Brier GW. Verification of forecasts expressed in terms of probability. Mon Weather Rev 1950;78:1-3.",
    "naeini": "Naeini MP, Cooper GF, Hauskrecht M. Obtaining well calibrated probabilities using Bayesian binning. "
    "AAAI 2015.",
}
_OPTIMIZERS = {
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "stochastic gradient descent with Nesterov momentum of 0.9",
    "rmsprop": "RMSprop",
}


def methods(report: Report) -> tuple[list[str], list[str]]:
    """The paragraphs of the methods, and the references that they cite by number."""
    cite = Citations()
    paragraphs = [_data(report), generator_text(report, cite), _classifier(report), _curves(report)]
    paragraphs += [statistics_text(report, cite), _metrics(report, cite), _software(report)]
    return [text for text in paragraphs if text], [REFERENCES[name] for name in cite.cited]


def _data(report: Report) -> str:
    data = report["dataset"]
    channels, height, width = data["shape"]
    counts, labels = data["counts"], len(data["labels"])
    kind = "labels of which an image may have several" if data["task"] == "multi-label" else "classes"
    return (
        f"Data. We used {data['name']} with {labels} {kind}, at {width} × {height} pixels and "
        f"{counted(channels, 'channel')}: {counted(counts['train'], 'training image')}, "
        f"{counted(counts['validation'], 'validation image')} and {counted(counts['test'], 'test image')}"
        f"{_internal_test(report)}. No identical images were in two splits. "
        + " ".join(filter(None, (near_copies_searched(report), patients_apart(report), splits_from(report))))
    )


def _internal_test(report: Report) -> str:
    count = report["dataset"]["counts"].get("internal_test")
    drawn = "drawn from the training images and held out of training and of every choice"
    return f", and an internal test of {counted(count, 'image')} {drawn}" if count else ""


def _classifier(report: Report) -> str:
    config, arms = report["config"]["classifier"], report["arms"]
    seeds, real = len(arms["real"]["seeds"]), arms["real"]
    name = CLASSIFIERS.get(config["name"], config["name"]).removeprefix("A ").removeprefix("An ")
    trained = "; ".join(f"{arm}: {words_of(arm).trained_on} ({_counts(arms[arm]['train_images'])})" for arm in arms)
    again = f"each with {seeds} training seeds, shared by all arms" if seeds > 1 else "with one training seed"
    looks = counted(max(len(rows) for arm in arms.values() for rows in arm["history"]), "time")
    return (
        f"Classifier. The same {name} ({counted(real['parameters'], 'parameter')}) was trained from random weights for "
        f"{counted(real['optimizer_steps'], 'optimiser step')} in {counted(len(arms), 'arm')}, {again}: {trained}. "
        f"{_steps(report)}{_optimizer(config)}{_augmentation(report)}{_pretraining(report)} The weights with the "
        f"lowest loss on the validation images, evaluated {looks}, were kept. Thresholds were chosen on the same "
        "images. Test images played no part in training, nor in the choice of weights, of thresholds, of the number of "
        f"steps or of the ratio of synthetic to real images.{_baseline(report)}"
    )


def _baseline(report: Report) -> str:
    """How the baseline was made; empty without one."""
    baseline = report.get("baseline")
    if not baseline:
        return ""
    reduced = f", reduced to at most {VALUES} values each" if math.prod(report["dataset"]["shape"]) > VALUES else ""
    return (
        " As a floor for it, a logistic regression with an L2 penalty (C of "
        f"{STRENGTH:g}) was fitted to the first {counted(baseline['components'], 'principal component')} of "
        f"{counted(baseline['train_images'], 'training image')}, standardised value by value{reduced}."
    )


def _steps(report: Report) -> str:
    """How the number of steps was chosen; empty if the configuration names it."""
    steps = report.get("steps")
    if not steps or steps["given"]:
        return ""
    chosen = "The number of steps follows from that of the training images"
    if not steps["tried"]:
        return f"{chosen}. "
    tried = "; ".join(f"{thousands(row['steps'])} steps {row['validation_auc']:.4f}" for row in steps["tried"])
    doubled = "was doubled" if steps["value"] > steps["tried"][0]["steps"] else "was not doubled"
    return (
        f"{chosen}. It {doubled}: it is if that raises the AUC of the arm “real” with its first seed on the validation "
        f"images by {SMALLEST_GAIN:g} or more, and by more than chance in their patients explains ({tried}). "
    )


def _optimizer(config: dict[str, Any]) -> str:
    """How a classifier was optimised: optimiser, learning rate and its schedule, weight decay."""
    asked = ClassifierConfig.model_validate(config)
    decay = weight_decay(asked)
    decoupled = "decoupled " if asked.optimizer == "adamw" else ""
    decayed = f"{decoupled}weight decay of {decay:g}, not on biases and normalisation" if decay else "no weight decay"
    return (
        f"We used {_OPTIMIZERS[asked.optimizer]} on batches of {asked.batch}, the learning rate falling from "
        f"{learning_rate(asked):g} to 0 along a cosine over the steps, and {decayed}."
    )


def _augmentation(report: Report) -> str:
    """What classic augmentation does, by its constants; empty without an arm that has it."""
    if not any(arm.classic for arm in known(report["arms"])):
        return ""
    flips = report["dataset"]["flips"]
    mirrored = f"mirroring ({listed(flips)})" if flips else "no mirroring"
    return (
        f" Classic augmentation drew anew for each image, each part with a probability of {PROBABILITY:g}, uniformly: "
        f"rotation by up to {DEGREES:g}° either way together with shifts of up to {100 * SHIFT:g} % of each side and "
        f"zooms of {ZOOM[0]:g} to {ZOOM[1]:g}; brightness by up to {100 * BRIGHTNESS:g} % of the range; a gamma of "
        f"{CONTRAST[0]:g} to {CONTRAST[1]:g}; normal noise with a standard deviation of {100 * NOISE:g} % of the "
        f"range; {mirrored}."
    )


def _pretraining(report: Report) -> str:
    """How steps are divided if synthetic images come first; empty without such an arm."""
    if not any(arm.pretrain for arm in known(report["arms"])):
        return ""
    part = f"{100 * report['config']['compare']['pretrain']:g} %"
    return f" In arms that begin with synthetic images, these took {part} of the steps; only later weights were kept."


def _curves(report: Report) -> str:
    rows, compare = report["curves"], report["config"]["compare"]
    if not rows:
        return ""
    sizes = listed([str(size) for size in compare["sizes"] if size != "all"])
    seen = thousands(compare["curve_images"] or report["config"]["train"]["images"])
    own = f" On each a generator of its own was trained ({seen} images seen)."
    made = own if report["provenance"]["synthetic"] else ""
    beside = " and on all training images" if "all" in compare["sizes"] else ""
    return (
        f"Learning curves. Of the training images {sizes} were drawn, by patient and the smaller sets within the "
        f"larger, in {counted(compare['draws'], 'draw')}.{made} The arms were trained on each subset{beside}. "
        "Intervals include which patients were tested, draws and training seeds. Each arm’s p-values were adjusted "
        "after Holm for its sizes."
    )


def _metrics(report: Report, cite: Citations) -> str:
    rate = report["arms"]["real"]["partial_auc"]["max_false_positive"]
    asked = " and ".join(f"{100 * float(s):.0f}" for s in report["arms"]["real"]["sensitivity_at_specificity"])
    text = (
        "Further metrics. We report accuracy, precision and recall at the most likely class (a probability of 0.5 for "
        "several labels), average precision, the standardised partial AUC up to a false-positive "
        f"rate of {rate:g} {cite('mcclish')}, sensitivity and specificity at thresholds set for {asked} % specificity "
        f"on the validation images, the Brier score {cite('brier')} and the expected calibration error "
        f"{cite('naeini')} in ten bins, beside its mean over labels drawn from the probabilities themselves. Bands of "
        "curves and intervals of the average precision take their covariance over patients from a Bayesian bootstrap "
        f"{cite('rubin')}, in the same formula as for the AUC; the latter are on the logit scale."
    )
    if report["canaries"]:
        text += (
            " As a check, the classifier was also trained on shuffled labels, and a test image was planted among the "
            "synthetic ones."
        )
    return text


def _software(report: Report) -> str:
    return f"Software. {software(report)} Fingerprint of the data set: {report['provenance']['manifest']}."


def _counts(images: dict[str, Any]) -> str:
    return " + ".join(f"{thousands(images[kind])} {kind}" for kind in images if images[kind])
