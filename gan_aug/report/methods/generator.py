"""The paragraph of the methods on the synthetic images: the networks, their training, and which of them was used."""

from __future__ import annotations

from typing import Any

from gan_aug.config.gan import GanConfig
from gan_aug.report.methods.statistics import Citations
from gan_aug.report.words.gans import rows_of_gans
from gan_aug.report.words.text import Report, counted, listed, looked_alike, thousands

_LOSSES = {
    "bce": ("the non-saturating cross-entropy loss", "goodfellow"),
    "hinge": ("the hinge loss", "lim"),
    "relativistic": ("the relativistic pairing loss", "jolicoeur"),
}


def generator_text(report: Report, cite: Citations) -> str:
    """The paragraph on the synthetic images: what made them, how it was trained, and what was chosen."""
    config, made = report["config"], report["provenance"]["trained_on"]
    if made is None:
        return ""
    if made == "unknown":
        return (
            "Synthetic images. The synthetic images were made elsewhere. What their generator was trained on is not "
            f"known. None of them equals a validation or test image. {looked_alike(report)}"
        )
    if report["provenance"].get("made_by"):
        return (
            "Synthetic images. The synthetic images are a set that a class-conditional generative adversarial network "
            f"{cite('mirza')} of another run made, where its settings are recorded. It was trained on images of the "
            f"training split alone.{_started(report)} By content hashes, none of its training images was a validation "
            "or test image."
        )
    gan, train = config["gan"], config["train"]
    loss, source = _LOSSES[gan["loss"]]
    betas = listed([f"{beta:g}" for beta in train["betas"]])
    decay = f", the rate falling to 0 over the last {100 * train['decay']:.0f} %" if train["decay"] else ""
    apart = (
        ""
        if report["dataset"]["test_patients"] is None
        else ", and none shared a patient with those, as far as patients can be told apart"
    )
    return (
        "Synthetic images. A class-conditional deep convolutional generative adversarial network "
        f"{cite('mirza', 'radford')} with conditional batch normalisation {cite('vries')} and a projection "
        f"discriminator {cite('projection')} was trained on the training split alone, with {loss} "
        f"{cite(source)}, {_regularizer(gan, cite)} and Adam (rate {train['lr']:g}, betas {betas}, batches of "
        f"{train['batch']}{decay}). It saw {thousands(train['images'])} images; its noise had {gan['latent']} "
        f"dimensions.{_seen_by_losses(gan['augment'], cite)}{_beyond_dcgan(gan, cite)} Images came from the generator "
        f"with exponentially averaged weights (half-life {thousands(round(gan['average']))} images seen) and were not "
        f"selected. By content hashes, none of its training images was a validation or test image{apart}."
        f"{_started(report)}{_several(report)}{_chosen(report)}"
    )


def _seen_by_losses(augment: list[str] | str | None, cite: Citations) -> str:
    """How the images in both losses were augmented; empty if they were not."""
    if augment == "adaptive":
        return (
            " Both losses saw images augmented by small shifts, rotations and zooms, brightness, contrast, cut-out "
            "boxes and, only if the data set allows it, mirroring, each with a probability that rose as long as the "
            f"discriminator told training images from validation images {cite('ada')}."
        )
    return f" Both losses saw images augmented by {', '.join(augment)} {cite('diffaugment')}." if augment else ""


def _beyond_dcgan(gan: dict[str, Any], cite: Citations) -> str:
    """In what the networks differed from a DCGAN; empty if they were one."""
    name = gan.get("network", "dcgan")
    if name == "dcgan":
        return ""
    enlarged = (
        f"repeating pixels and convolution {cite('odena')}"
        if name == "resize"
        else f"linear interpolation in residual blocks {cite('he')}, with outputs at all sizes added up"
    )
    return (
        f" The generator enlarged images by {enlarged}; the discriminator also saw how much the images in groups of "
        f"four differed {cite('karras')}."
    )


def _started(report: Report) -> str:
    """That the training started from another network, and what that had seen; empty if it started anew."""
    before = report["provenance"].get("started_from")
    if not before:
        return ""
    other = ""
    if before["elsewhere"]:
        other = (
            f", {thousands(before['elsewhere'])} of them not in this training split. By content hashes none of these "
            "was a validation or test image. Whether one was of the same patient as those is not known"
        )
    return (
        " Training started from the weights of a network that had been trained on "
        f"{counted(before['images'], 'image')}{other}."
    )


def _several(report: Report) -> str:
    """That several such networks were trained, and which classifiers saw the images of which; empty for one."""
    gans = len(rows_of_gans(report))
    if gans < 2:
        return ""
    return (
        f" In this way {gans} networks were trained on the same images from different seeds, and the classifiers of "
        f"seed i were trained on the images of network i modulo {gans}, both counted from 0."
    )


def _chosen(report: Report) -> str:
    """By what each network's checkpoint was chosen, and how its training went; empty if none was scored."""
    rows, train = report["provenance"].get("trainings"), report["config"]["train"]
    if not rows:
        return ""
    went = [
        f"network {row['gan']} had seen {thousands(row['images'])}"
        + (f" (its training ended at {thousands(row['ends'])})" if row["ends"] != train["images"] else "")
        for row in rows
    ]
    broke = [
        f" Network {row['gan']} broke down after {thousands(one['broke_at'])} images and went on "
        + (f"from {thousands(one['went_on_from'])}" if one["went_on_from"] else "anew")
        + " with another seed."
        for row in rows
        for one in row["restarts"]
    ]
    chosen = (
        "The newest was used whose distance by the former was within one standard error of the lowest, and by the "
        "latter not far above it"
        if train["keep"] == "best"
        else "The last one was used all the same"
    )
    return (
        f" Every {thousands(train['score_every'])} images a checkpoint was scored on "
        f"{counted(rows[0]['validation'], 'validation image')}, by the kernel distance of its images in the features "
        "of a small classifier, trained on the training split alone, and in those of a random network. "
        f"{chosen}: {listed(went)}.{''.join(broke)}"
    )


def _regularizer(gan: dict[str, Any], cite: Citations) -> str:
    """How the discriminator was regularised, in words."""
    kind = GanConfig(loss=gan["loss"], regularizer=gan["regularizer"]).regularizer_wanted
    if kind == "none":
        return "no regularisation of the discriminator"
    if kind == "spectral":
        return f"spectral normalisation of the discriminator {cite('miyato')}"
    often = f"of weight {gan['penalty']:g} every {gan['penalty_every']} steps"
    if gan["loss"] == "relativistic":
        return f"R1 and R2 gradient penalties {often} {cite('mescheder', 'huang')}"
    return f"an R1 gradient penalty {often} {cite('mescheder')}"
