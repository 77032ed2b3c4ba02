"""What the schema holds that release 2.8.0.post1 of the Object Detection API does not know.

Heads of tensorflow/models after that release added a few fields and renamed five. The schema
takes in what was added; a number that has another name by now keeps that of the release.
"""

from __future__ import annotations

__all__ = ["LATER", "RENAMED", "with_later_names"]

_DEEPMAC = "object_detection.protos.CenterNet.DeepMACMaskEstimation"

#: Full names of the fields and enums that 2.8.0.post1 does not have: it refuses a config that
#: writes such a field.
LATER = frozenset(
    {
        f"{_DEEPMAC}.feature_consistency_comparison",
        f"{_DEEPMAC}.feature_consistency_type",
        "object_detection.protos.BidirectionalFeaturePyramidNetworks.use_native_resize_op",
        "object_detection.protos.FeatureConsistencyComparison",
        "object_detection.protos.FeatureConsistencyType",
        "object_detection.protos.SsdFeatureExtractor.use_hardswish",
    }
)

#: Full names of fields to what later heads call the same number.
RENAMED = {
    f"{_DEEPMAC}.color_consistency_{end}": f"feature_consistency_{end}"
    for end in ("dilation", "loss_weight", "threshold", "warmup_start", "warmup_steps")
}


def with_later_names(file: bytes) -> bytes:
    """Returns a serialized FileDescriptorProto with the names that later heads use.

    For code of such a head, which looks its fields up by them.

    Args:
      file: One of ``serialized_files("object_detection")``; one that nothing was renamed in
        comes back as it was.
    """
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    if b"color_consistency_" not in file:
        return file
    described = FileDescriptorProto.FromString(file)
    for outer in described.message_type:
        for message in outer.nested_type:
            for field in message.field:
                full = f"{described.package}.{outer.name}.{message.name}.{field.name}"
                if full in RENAMED:
                    field.name = RENAMED[full]
                    field.ClearField("json_name")
    return bytes(described.SerializeToString())
