"""Reads a run's curves and activities with TensorBoard's own code: RUN-DIR EPOCH=LOSS..."""

import pathlib
import sys

from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

run = pathlib.Path(sys.argv[1])
losses = [(int(epoch), float(loss)) for epoch, loss in (text.split("=") for text in sys.argv[2:])]

curves = EventAccumulator(str(run / "test")).Reload()
tags = curves.Tags()["scalars"]
for tag in ["loss", "accuracy", "gradient snr/layer 0", "weight norm/layer 2"]:
    assert tag in tags, f"no curve {tag} among {tags}"
assert any(tag.startswith("I(X;T) binning") for tag in tags), tags
found = [(event.step, event.value) for event in curves.Scalars("loss")]
assert len(found) == len(losses), (found, losses)
for (step, value), (epoch, loss) in zip(found, losses):
    assert step == epoch and abs(value - loss) <= 1e-6 * abs(loss), (step, value, epoch, loss)
assert EventAccumulator(str(run / "train")).Reload().Tags()["scalars"], "curves of the training examples"

config = text_format.Parse((run / "test/projector_config.pbtxt").read_text(), ProjectorConfig())
assert [e.tensor_name for e in config.embeddings] == [f"layer {layer}, epoch 4" for layer in range(3)]
for embedding, units in zip(config.embeddings, [3, 2, 2]):
    tensors = [line.split("\t") for line in (run / "test" / embedding.tensor_path).read_text().splitlines()]
    metadata = (run / "test" / embedding.metadata_path).read_text().splitlines()
    assert metadata[0] == "class\texample" and len(metadata) == len(tensors) + 1 == 820
    assert all(len(row) == units for row in tensors) and all(float(value) >= 0 for row in tensors for value in row)
print("ok")
