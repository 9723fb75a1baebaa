"""Two detectors at two sizes made one: an ensemble that is a single flat network, and so a model folder like any."""

import numpy as np

from fakeimg.data.dataset import Dataset
from fakeimg.errors import ConfigError
from fakeimg.models.artifact import DetectorSpec
from fakeimg.models.decision import calibrated
from fakeimg.models.detector import Detector
from fakeimg.models.network import LOGIT, build_network
from fakeimg.scoring.calibration import fit_temperature
from fakeimg.scoring.operating_point import choose_operating_point
from fakeimg.training.train import fit_guard

FINE, COARSE = "compact", "compact_plain"
JOINED = "compact_two_scales"


def join_scales(fine: Detector, coarse: Detector, data: Dataset) -> Detector:
    """A detector whose logit is the mean of two others': one sees the picture, the other the picture at half its size.

    The members are trained apart, so that each has to be right by itself: what they err in together is less than what
    each errs in. The joined network shows the second member the first one's input, averaged over 2 x 2 pixels.

    Args:
        fine: a detector with backbone "compact".
        coarse: one with backbone "compact_plain", for images of half the height and width.
        data: what both were trained on, with its split; temperature and operating point are chosen on its validation
            part, the domain guard is fitted to its training part.
    Raises:
        ConfigError: detectors that cannot be joined.
        DatasetError: the validation part lacks photographs or fakes.
    Source: Hansen and Salamon 1990, "Neural network ensembles"; Lakshminarayanan et al. 2017, "Simple and scalable
        predictive uncertainty estimation using deep ensembles".
    """
    _check(fine, coarse)
    name = str(fine.spec.experiment.get("name", fine.name))  # a detector that was opened is called by its folder
    architecture = fine.spec.architecture.model_copy(update={"backbone": JOINED})
    model = build_network(architecture)
    for prefix, member in (("fine_", fine.model), ("coarse_", coarse.model)):
        for layer in member.layers:
            if layer.name != LOGIT and (weights := layer.get_weights()):
                model.get_layer(prefix + layer.name).set_weights(weights)
    kernels, biases = zip(*(member.model.get_layer(LOGIT).get_weights() for member in (fine, coarse)), strict=True)
    model.get_layer(LOGIT).set_weights([np.concatenate(kernels) / 2, np.mean(biases, axis=0)])
    spec = DetectorSpec(
        architecture=architecture,
        positive_class=fine.spec.positive_class,
        started_from=fine.spec.started_from,
        experiment={"name": name, "members": [fine.spec.experiment, coarse.spec.experiment]},
        data=fine.spec.data,
    )
    validation = data.split("validation")
    logits = Detector.of(model, spec).predict(validation).logits
    read = ~np.isnan(logits)
    labels = validation.labels[read]
    temperature = fit_temperature(logits[read], labels)
    point = choose_operating_point(labels, calibrated(logits[read], temperature), temperature=temperature)
    spec = spec.model_copy(update={"operating_point": point.to_json()})
    return Detector.of(model, spec, guard=fit_guard(model, spec, data), name=name)


def _check(fine: Detector, coarse: Detector) -> None:
    one, other = fine.spec.architecture, coarse.spec.architecture
    if (one.backbone, other.backbone) != (FINE, COARSE):
        raise ConfigError(
            f"a {FINE} and a {COARSE} detector can be joined, in this order, not {one.backbone} and {other.backbone}"
        )
    half = (one.image_size[0] // 2, one.image_size[1] // 2)
    if other.image_size != half or any(side % 32 for side in one.image_size):
        raise ConfigError(
            "the second detector has to see images of half the first one's size, a multiple of 32, "
            f"not {other.image_size} beside {one.image_size}"
        )
    if one.head.units or one.head.kind != "mlp" or len(one.class_names) != 2:
        raise ConfigError("detectors of two classes whose heads are one logit can be joined, without hidden layers")
    same = one.model_copy(update={"backbone": COARSE, "image_size": half})
    if same != other or fine.spec.positive_class != coarse.spec.positive_class:
        raise ConfigError("the two detectors differ in framing, head or classes")
    divided = ("seed", "split", "data")  # what the split follows from: validation must be new to both
    if fine.spec.data != coarse.spec.data or any(
        fine.spec.experiment.get(key) != coarse.spec.experiment.get(key) for key in divided
    ):
        raise ConfigError("the two detectors were trained on different data, or on another split of it")
