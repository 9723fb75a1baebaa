"""What a whole grid costs, against one bare pass of the backbone and against the loop that stock Keras needs.

Everything is measured in turn in one process, so what disturbs the machine disturbs both sides; process start and
`import tensorflow` count for neither. fakeimg starts with an empty cache, so its time includes building the network,
exporting it, hashing and decoding the files, and writing tables and figure. The bare pass gets the images decoded.
Of the stock loop two epochs of one cell are measured, and the faster one is multiplied by cells x epochs.
"""

import os
import tempfile
import time
from typing import Any

import numpy as np
from search_common import NO_AUGMENTATION, arguments, empty_cache, grid, median, network, pictures, record, stock_epoch

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.training.prepare import prepare_data
from fakeimg.training.search import search


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--table", type=int, choices=(3, 4), default=3, help="of the Duke report")
    parser.add_argument("--images", type=int, help="this many images, evenly taken")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.table == 3:
        experiment = grid("duke_mobilenet_v2_grid", options.weights, **NO_AUGMENTATION)
        stock_epochs = 9 * 10
    else:
        experiment = grid("duke_resnet50_grid", "none")
        stock_epochs = 10 + 10 + 10 + 20 + 20 + 20 + 50  # the seven published rows; fakeimg trains nine
    dataset = Dataset.open(options.data)
    if options.images:
        dataset = dataset.take(np.linspace(0, len(dataset) - 1, options.images).astype(int))
    images = pictures(dataset, experiment)
    with empty_cache():
        search(small(experiment), dataset.take(np.r_[0:40, len(dataset) - 40 : len(dataset)]))  # compiles the kernel
    times: dict[str, list[float]] = {"bare_pass": [], "openvino": [], "tensorflow": []}
    for _ in range(options.rounds):
        times["bare_pass"].append(bare_pass(experiment, images))
        for engine in ("openvino", "tensorflow"):
            times[engine].append(whole_search(experiment, dataset, engine))
        print({name: round(values[-1], 2) for name, values in times.items()}, flush=True)
    split = prepare_data(experiment, dataset).frame["split"].to_numpy(dtype=object)
    training, validation = np.flatnonzero(split == "train"), np.flatnonzero(split == "validation")
    epochs = stock_epoch(experiment, images, dataset.labels, training, validation)
    stock = min(epochs) * stock_epochs
    record(
        f"search_cost_table{options.table}",
        options.out,
        {
            "images": len(dataset),
            "backbone": experiment.backbone,
            "seconds": {name: [round(value, 2) for value in values] for name, values in times.items()},
            "openvino_over_bare_pass": ratio(times["openvino"], times["bare_pass"]),
            "tensorflow_over_bare_pass": ratio(times["tensorflow"], times["bare_pass"]),
            "stock_epochs_measured": [round(value, 2) for value in epochs],
            "stock_epochs_multiplied": stock_epochs,
            "stock_over_openvino": median([stock / value for value in times["openvino"]]),
            "stock_over_tensorflow": median([stock / value for value in times["tensorflow"]]),
        },
    )


def small(experiment: Experiment) -> Experiment:
    return experiment.with_values({"grid": {}, "train.epochs": 1})


def bare_pass(experiment: Experiment, images: np.ndarray) -> float:
    import tensorflow as tf

    model = network(experiment)
    pool = model.get_layer("pool").output
    import keras

    trunk = keras.Model(model.input, pool)
    signature = [tf.TensorSpec([None, *images.shape[1:]], tf.float32)]
    run: Any = tf.function(lambda batch: trunk(batch, training=False), input_signature=signature)
    run(images[:32].astype(np.float32))
    started = time.perf_counter()
    for start in range(0, len(images), 32):
        run(images[start : start + 32].astype(np.float32)).numpy()
    return time.perf_counter() - started


def whole_search(experiment: Experiment, dataset: Dataset, engine: Any) -> float:
    fresh = Dataset(dataset.frame, dataset.root)  # without remembered hashes
    with empty_cache(), tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        result = search(experiment, fresh, out=out, engine=engine)
        seconds = time.perf_counter() - started
    if (result.frame["status"] != "ok").any():
        raise SystemExit(str(result.frame["error"]))
    return seconds


def ratio(above: list[float], below: list[float]) -> float:
    return median([a / b for a, b in zip(above, below, strict=True)])


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
